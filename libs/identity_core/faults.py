"""What may go wrong with the world around a service, told apart from what may go wrong with a request.

`StartFault`: the service cannot start; its text is one sentence for the operator, with the mend, free of
secrets. `StoreFault`: a store is away, too slow, or not proven fresh while serving; the web layer answers 503
+ Retry-After.
"""


class StartFault(Exception):
    """The service cannot start. `str(fault)` is one sentence that says what to do about it."""


class StoreFault(Exception):
    """A store cannot answer now. Nothing may be granted on the strength of it (503, never an open door)."""

    retry_after: int = 1
    """Seconds after which asking again makes sense."""


class LeaseLost(StoreFault):
    """Redis has not been proven as fresh as the ledger within the lease, so nothing may be read from it."""
