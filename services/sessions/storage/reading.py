"""Implements `sessions.ports.Reads`: one statement a call."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import orjson

from identity_core.db import ACQUIRE_TIMEOUT_S, Connection, Pool, Record
from identity_core.telemetry import store_span
from sessions.protocol.listing import Listing, SessionRow
from sessions.protocol.policy import Policy
from sessions.protocol.selectors import (
    ByClient,
    ByGrant,
    BySession,
    BySubject,
    ByTenant,
    Revocation,
    Selector,
)
from sessions.storage import statements

_LAST = UUID(int=(1 << 128) - 1)


class PostgresReads:
    """See `sessions.ports.Reads`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(self, tenant: UUID, listing: Listing) -> Sequence[SessionRow]:
        before = listing.before or _LAST
        async with _reading(self._pool, "postgres.list_sessions") as connection:
            if listing.subject is None:
                rows = await connection.fetch(statements.PAGES[listing.state], tenant, before, listing.limit)
            else:
                statement = statements.PAGES_OF_SUBJECT[listing.state]
                rows = await connection.fetch(statement, tenant, before, listing.limit, listing.subject)
        return [_session(row) for row in rows]

    async def session(self, tenant: UUID, session_id: UUID) -> SessionRow | None:
        async with _reading(self._pool, "postgres.read_session") as connection:
            row = await connection.fetchrow(statements.SESSION, tenant, session_id)
        return None if row is None else _session(row)

    async def count(self, tenant: UUID, selector: Selector) -> int | None:
        async with _reading(self._pool, "postgres.count_sessions") as connection:
            return await count_live(connection, tenant, selector)

    async def revocation(self, tenant: UUID, revocation_id: UUID) -> Revocation | None:
        async with _reading(self._pool, "postgres.read_revocation") as connection:
            row = await connection.fetchrow(statements.REVOCATION, tenant, revocation_id)
        if row is None:
            return None
        fields = dict(row)
        return Revocation(
            **fields | {"selector": orjson.loads(row["selector"]), "effects": orjson.loads(row["effects"])}
        )

    async def policy(self, tenant: UUID) -> Policy:
        async with _reading(self._pool, "postgres.read_policy") as connection:
            row = await connection.fetchrow(statements.POLICY, tenant)
        return Policy() if row is None else Policy(**dict(row))


async def count_live(connection: Connection, tenant: UUID, selector: Selector) -> int | None:
    """How many live sessions match, counting up to `statements.COUNTED`; None when the one named is not there."""
    match selector:
        case BySession(session_id):
            row = await connection.fetchrow(statements.COUNT_SESSION, tenant, session_id)
            return None if row is None else int(row["live"])
        case BySubject(subject):
            return int(await connection.fetchval(statements.COUNT_SUBJECT, tenant, subject))
        case ByClient(client_id):
            return int(await connection.fetchval(statements.COUNT_CLIENT, tenant, client_id))
        case ByTenant():
            return int(await connection.fetchval(statements.COUNT_TENANT, tenant))
        case ByGrant():
            # A grant ends without any session: those that use it go on.
            return 0


@asynccontextmanager
async def _reading(pool: Pool, name: str) -> AsyncIterator[Connection]:
    with store_span(name):
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            yield connection


def _session(row: Record) -> SessionRow:
    fields = dict(row)
    return SessionRow(**fields | {"client_ids": tuple(row["client_ids"]), "amr": tuple(row["amr"])})
