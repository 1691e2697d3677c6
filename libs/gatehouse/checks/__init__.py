"""The checks of `make check`: own lints, the import contract of our own, the lock, the spec map.

Owns reading the repository's text. It imports nothing of the services and starts no server;
`pytest_loud_skips` and `needs` serve `make test`.
"""
