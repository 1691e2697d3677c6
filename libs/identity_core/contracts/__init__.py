"""What two services agree on: stamps and bindings carried in tokens. Pure values; no I/O, no service's words."""
