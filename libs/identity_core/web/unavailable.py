"""A store away is 503 + Retry-After: never an open door, never a 500 (fail closed).

`Unavailable` is raised where a service sheds load or cannot prove freshness. Store faults that reach the edge
as the drivers' own exceptions are recognised by `as_unavailable`; `STORE_FAULTS` is for `except` clauses. The
answer's public words never name the store; the log does.
"""

from __future__ import annotations

import socket
from typing import Final

import asyncpg
import redis.exceptions
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from identity_core.faults import StoreFault
from identity_core.web.problems import Failure, Render, as_problem

RETRY_AFTER_S: Final = 1

log = structlog.get_logger("identity_core.web")


class Unavailable(Exception):
    """Not now. `retry_after`: seconds; `reason`: private, for the log and metrics."""

    def __init__(self, retry_after: int = RETRY_AFTER_S, reason: str = "unavailable") -> None:
        super().__init__(reason)
        self.retry_after = max(1, retry_after)
        self.reason = reason


STORE_FAULTS: Final[tuple[type[Exception], ...]] = (
    StoreFault,
    # PostgreSQL: the connection, the server stopping or too busy, a limit of ours, or a rollback by the
    # server.
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidCachedStatementError,
    # Redis: connection, timeout, pool, and a primary that is loading, demoted, full or in a script.
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
    redis.exceptions.MasterDownError,
    # The sockets and clocks beneath.
    ConnectionError,
    TimeoutError,
    socket.gaierror,
)


# Refusals that redis-py has no class for: the server did nothing and says "not now".
_REDIS_NOT_NOW: Final = ("NOREPLICAS", "MISCONF", "BUSY", "UNBLOCKED")


def as_unavailable(error: BaseException) -> Unavailable | None:
    """The `Unavailable` that `error` amounts to, or None for a fault of ours (which must stay a 500)."""
    if isinstance(error, Unavailable):
        return error
    if isinstance(error, redis.exceptions.ResponseError) and (refusal := str(error)).startswith(_REDIS_NOT_NOW):
        return Unavailable(reason=refusal.split(" ", 1)[0])
    if isinstance(error, ValueError) or not isinstance(error, STORE_FAULTS):
        # Some of asyncpg's InterfaceErrors are ValueErrors: a wrong argument, which is a fault of ours.
        return None
    retry_after = error.retry_after if isinstance(error, StoreFault) else RETRY_AFTER_S
    return Unavailable(retry_after, type(error).__name__)


def install_unavailable(app: Starlette, render: Render = as_problem) -> None:
    """Answer `Unavailable` and every store fault with 503 + Retry-After in the words of `render`."""

    async def on_fault(request: Request, error: Exception) -> Response:
        unavailable = as_unavailable(error)
        if unavailable is None:
            raise error
        log.warning("request.unavailable", path=request.scope["path"], reason=unavailable.reason)
        return render(request.scope, unavailable_failure(unavailable))

    for kind in (Unavailable, redis.exceptions.ResponseError, *STORE_FAULTS):
        app.add_exception_handler(kind, on_fault)


def unavailable_failure(unavailable: Unavailable) -> Failure:
    """What the client is told."""
    return Failure(
        503,
        detail="the service cannot answer safely at the moment; try again",
        headers={"Retry-After": str(unavailable.retry_after)},
    )
