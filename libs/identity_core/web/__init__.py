"""What every service's HTTP surface shares: parsing without surprises, errors in one voice, headers, health,
serving.

Pure ASGI throughout; knows no service, no store and no protocol. Import from the modules:

* `forms`, `bodies`: bounded bodies, forms and query strings without duplicates; faults are values.
* `problems`, `unavailable`: one `Failure`, rendered per endpoint family; stores away become 503.
* `headers`, `request_id`, `client_address`, `host`, `stack`: the standard middleware and its order.
* `health`, `serve`, `workers`: the management listener, and running both listeners until told to stop.
"""
