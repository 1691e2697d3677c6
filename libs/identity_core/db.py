"""PostgreSQL: one asyncpg pool per process and role, and the unit of work.

* `create_pool(url, size=…, name=…)`: the pool for the hand-kept statements. Its connections send no reset
  query on release (a free 1.5x), so session state may be set by `SET LOCAL` only, and LISTEN and
  session-level advisory locks belong on `connect_dedicated(url, name=…)`.
* `async with transaction(pool) as connection`: the unit of work. One connection, one commit; a cancelled
  caller cannot leave the outcome half known.
* `retry_on_stale_plan(work)`: once more after a migration made a prepared statement stale.

Every connection carries a statement timeout and an idle-in-transaction timeout of five seconds: a longer
transaction would hold back the snapshot from which revocations are replayed.

Errors: `StartFault` while connecting at start; afterwards asyncpg's own, which
`identity_core.web.unavailable` turns into 503. jsonb columns arrive as `str` from asyncpg: decode where they
are used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit

import asyncpg

from identity_core.faults import StartFault

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Record: TypeAlias = asyncpg.Record
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    _Base: TypeAlias = asyncpg.Connection[asyncpg.Record]
    _BasePool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Record = asyncpg.Record
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection
    _Base = asyncpg.Connection
    _BasePool = asyncpg.Pool

T = TypeVar("T")
Isolation = Literal["read_committed", "repeatable_read", "serializable"]

STATEMENT_TIMEOUT_MS = 5_000
CONNECT_TIMEOUT_S = 3.0
ACQUIRE_TIMEOUT_S = 2.0
# A little above the server's own limit: it only speaks up when the server or the network is gone.
COMMAND_TIMEOUT_S = 6.0


class _BareConnection(_Base):
    """A connection without a reset query; an open transaction is still rolled back on release."""

    __slots__ = ()

    def get_reset_query(self) -> str:
        return ""


class _BoundedPool(_BasePool):
    """A pool where nobody waits without limit, `pool.fetch` and its kin included: an exhausted pool is a 503."""

    def acquire(self, *, timeout: float | None = ACQUIRE_TIMEOUT_S) -> Any:
        return super().acquire(timeout=timeout)


async def create_pool(url: str, *, size: int = 10, name: str) -> Pool:
    """A pool of at most `size` connections; `name` appears in pg_stat_activity. Raises `StartFault`."""
    try:
        return await _BoundedPool(
            _plain(url),
            min_size=1,
            max_size=size,
            max_queries=50_000,
            max_inactive_connection_lifetime=300.0,
            connection_class=_BareConnection,
            record_class=asyncpg.Record,
            loop=asyncio.get_running_loop(),
            **_options(name, STATEMENT_TIMEOUT_MS),
        )
    except _CONNECT_ERRORS as error:
        raise _start_fault(url, error) from error


async def connect_dedicated(
    url: str, *, name: str, statement_timeout_ms: int = STATEMENT_TIMEOUT_MS
) -> asyncpg.Connection[asyncpg.Record]:
    """A connection outside the pool, for LISTEN, advisory locks and migrations (`statement_timeout_ms=0`: no
    limit).
    """
    try:
        return await asyncpg.connect(_plain(url), **_options(name, statement_timeout_ms))
    except _CONNECT_ERRORS as error:
        raise _start_fault(url, error) from error


@asynccontextmanager
async def transaction(
    pool: Pool, *, isolation: Isolation | None = None, readonly: bool = False
) -> AsyncIterator[Connection]:
    """One unit of work: BEGIN, the body, COMMIT; an exception in the body rolls back and goes on.

    COMMIT is never interrupted: a caller cancelled meanwhile is told so only after the server has answered.
    When the connection breaks during COMMIT the outcome is unknown and the error is raised, never retried.
    """
    async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
        unit = connection.transaction(isolation=isolation, readonly=readonly)
        await unit.start()
        try:
            yield connection
        except BaseException:
            if not connection.is_closed():
                await _to_the_end(unit.rollback())
            raise
        await _to_the_end(unit.commit())


async def retry_on_stale_plan(work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` (a whole unit of work, or one statement); run it once more if a migration made its plan
    stale.

    PostgreSQL refuses a stale plan before executing anything, so nothing has happened when it is run again.
    """
    try:
        return await work()
    except asyncpg.InvalidCachedStatementError:
        return await work()


async def _to_the_end(step: Awaitable[None]) -> None:
    """Await `step` to its end even if this task is cancelled, then let the cancellation through."""
    task = asyncio.ensure_future(step)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
        except BaseException:
            # The step's own failure: read from the finished task below.
            break
    task.result()
    if cancelled is not None:
        raise cancelled


def _plain(url: str) -> str:
    """SQLAlchemy's spelling of the address is accepted too."""
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)


def _options(name: str, statement_timeout_ms: int) -> dict[str, Any]:
    return {
        "timeout": CONNECT_TIMEOUT_S,
        "command_timeout": COMMAND_TIMEOUT_S if statement_timeout_ms else None,
        "server_settings": {
            "application_name": name,
            "statement_timeout": str(statement_timeout_ms),
            "idle_in_transaction_session_timeout": str(STATEMENT_TIMEOUT_MS),
        },
    }


_CONNECT_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError)


def _start_fault(url: str, error: BaseException) -> StartFault:
    """One sentence, without the password in the address and without the server's own text (it may quote
    input).
    """
    try:
        parts = urlsplit(_plain(url))
        where = f"{parts.hostname or 'the local socket'}:{parts.port or 5432}"
        role, database = (
            parts.username or "the default role",
            parts.path.lstrip("/") or "the default database",
        )
    except ValueError:
        return StartFault(
            "The PostgreSQL URL cannot be read: write it as postgresql://role:password@host:port/database."
        )
    match error:
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            return StartFault(
                f"PostgreSQL at {where} refused the role {role}: correct the password in its database URL."
            )
        case asyncpg.InvalidCatalogNameError():
            return StartFault(
                f"PostgreSQL at {where} has no database {database}: create it, or correct the database URL."
            )
        case asyncpg.TooManyConnectionsError():
            return StartFault(
                f"PostgreSQL at {where} has no free connection slot: "
                "raise max_connections or lower GATEHOUSE_DB_POOL_SIZE."
            )
        case asyncpg.PostgresError():
            return StartFault(f"PostgreSQL at {where} refused the connection (SQLSTATE {error.sqlstate}): see its log.")
        case asyncpg.InterfaceError() | ValueError():
            return StartFault(
                "The PostgreSQL URL cannot be used: write it as postgresql://role:password@host:port/database."
            )
        case _:
            return StartFault(f"PostgreSQL at {where} cannot be reached: start it, or correct the database URL.")
