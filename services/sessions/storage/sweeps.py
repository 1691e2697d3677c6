"""What the sweeper asks of PostgreSQL: each end is one short transaction under the sweepers' lock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from identity_core.db import ACQUIRE_TIMEOUT_S, Connection, Pool
from identity_core.ids import uuid7
from identity_core.session_store import LedgerEntry
from identity_core.telemetry import inject
from sessions.ports import LiveKey
from sessions.storage import sweep_statements as sql
from sessions.storage.unit_of_work import entries_of_sessions, sweeping

_FIRST = UUID(int=0)
LEDGER_HISTORY = timedelta(days=400)
"""How long it is remembered which cause ended what: longer than any refresh token may live."""


class Due(NamedTuple):
    """A session row that may have to be closed."""

    tenant: UUID
    id: UUID


@dataclass(frozen=True, slots=True)
class Walked:
    """A live row met on the walk. `ruled`: an epoch above its stamps ended it; `settled`: Redis may judge it."""

    key: LiveKey
    ruled: bool
    settled: bool


@dataclass(frozen=True, slots=True)
class Raised:
    """Epochs of people and tenants written since the last look, and where the next one begins."""

    horizon: str
    users: Sequence[tuple[UUID, UUID]]
    tenants: Sequence[UUID]


class Writer(NamedTuple):
    """The transaction that holds back the ledger's horizon."""

    pid: int
    application_name: str
    xid: str


class Busy(Exception):
    """Another process sweeps."""


class Sweeps:
    """Statements of at most `sweep_statements.BATCH` rows. The ends raise Busy while another process sweeps."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def end_expired(self) -> int:
        """Rows past their absolute end; how many were closed."""
        async with sweeping(self._pool) as connection:
            return len(await _held(connection).fetch(sql.END_EXPIRED, uuid7(), inject()))

    async def end_ruled(self, due: Sequence[Due]) -> int:
        """Of `due`, the rows that an epoch rules; how many were closed."""
        async with sweeping(self._pool) as connection:
            return len(await _held(connection).fetch(sql.END_RULED, uuid7(), inject(), *_columns(due)))

    async def end_idle(self, due: Sequence[Due]) -> Sequence[LedgerEntry]:
        """Close rows whose Redis record is gone; the ledger rows written, for `Revoker.confirm`."""
        async with sweeping(self._pool) as connection:
            rows = await _held(connection).fetch(sql.END_IDLE, uuid7(), inject(), *_columns(due))
            entries: list[LedgerEntry] = []
            for tenant in {row["tenant"] for row in rows}:
                ended = [(row["tag"], row["id"]) for row in rows if row["tenant"] == tenant]
                entries += await entries_of_sessions(_held(connection), tenant, ended)
        return entries

    async def horizon(self) -> str:
        """Where looking for raised epochs begins."""
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            return str(await connection.fetchval(sql.HORIZON))

    async def raised(self, since: str) -> Raised:
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            rows = await connection.fetch(sql.RAISED, since)
        users = [(row["tenant"], user) for row in rows if row["kind"] == "user" and (user := _uuid(row["key"]))]
        return Raised(rows[0]["horizon"], users, [row["tenant"] for row in rows if row["kind"] == "tenant"])

    async def ruled_of_users(self, users: Sequence[tuple[UUID, UUID]]) -> list[Due]:
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            return [Due(*row.values()) for row in await connection.fetch(sql.RULED_OF_USERS, *_columns(users))]

    async def ruled_of_tenant(self, tenant: UUID, after: UUID = _FIRST) -> list[Due]:
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            return [Due(*row.values()) for row in await connection.fetch(sql.RULED_OF_TENANT, tenant, after)]

    async def walk(self, after: Due, settled: timedelta) -> list[Walked]:
        """The next live rows after `after`, of all tenants."""
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            rows = await connection.fetch(sql.WALK, after.tenant, after.id, settled)
        return [Walked(LiveKey(row["tenant"], row["tag"], row["id"]), row["ruled"], row["settled"]) for row in rows]

    async def purge_sessions(self, retention: timedelta) -> int:
        async with sweeping(self._pool) as connection:
            return _affected(await _held(connection).execute(sql.PURGE_SESSIONS, retention))

    async def purge_events(self, retention: timedelta) -> int:
        async with sweeping(self._pool) as connection:
            return _affected(await _held(connection).execute(sql.PURGE_EVENTS, retention))

    async def purge_ledger(self) -> int:
        """Rows past their `until`, and history past its own retention; the owner's function, for the ledger is its."""
        async with sweeping(self._pool) as connection:
            removed: int = await _held(connection).fetchval(sql.PURGE_LEDGER, LEDGER_HISTORY, sql.BATCH)
        return removed

    async def oldest_writer(self) -> Writer | None:
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            row = await connection.fetchrow(sql.OLDEST_WRITER)
        return None if row is None else Writer(*row.values())


def _held(connection: Connection | None) -> Connection:
    if connection is None:
        raise Busy
    return connection


def _columns(pairs: Sequence[tuple[UUID, UUID]]) -> tuple[list[UUID], list[UUID]]:
    return [tenant for tenant, _ in pairs], [identifier for _, identifier in pairs]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _affected(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
