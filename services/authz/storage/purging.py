"""What is past its time, removed in small batches by one process at a time.

Every `purge_…` removes at most `BATCH` rows in a transaction of two statements and answers how many. Raises Busy while
another process purges, and PostgreSQL's faults.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from identity_core.db import Pool, transaction

BATCH: Final = 200
_LOCK: Final = 0x67_61_75_74_68_7A_70_67  # "gauthzpg"

# $1: how long after its end a family is kept. The grant it belonged to goes with it.
FAMILIES: Final = f"""
WITH old AS MATERIALIZED (
    SELECT tenant, id, grant_id FROM authz.refresh_family WHERE absolute_end < now() - $1::interval
    ORDER BY absolute_end LIMIT {BATCH} FOR UPDATE SKIP LOCKED
), grants AS (
    DELETE FROM authz.authorization_grant g USING old
    WHERE g.tenant = old.tenant AND g.id = old.grant_id AND NOT EXISTS (
        SELECT FROM authz.refresh_family f
        WHERE f.tenant = g.tenant AND f.grant_id = g.id AND f.absolute_end >= now() - $1::interval)
)
DELETE FROM authz.refresh_family f USING old WHERE f.tenant = old.tenant AND f.id = old.id
"""

# Ids are UUIDv7: the first of a moment bounds the range of the primary key that has to be read.
_FIRST_ID: Final = (
    "(lpad(to_hex((extract(epoch FROM now() - $1::interval) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid"
)

# $1: the age from which nothing can come from a grant any more. One with a family goes with its family.
GRANTS: Final = f"""
WITH old AS MATERIALIZED (
    SELECT g.tenant, g.id FROM authz.tenant t CROSS JOIN LATERAL (
        SELECT g.tenant, g.id FROM authz.authorization_grant g
        WHERE g.tenant = t.id AND g.id < {_FIRST_ID} AND g.created_at < now() - $1::interval AND NOT EXISTS (
            SELECT FROM authz.refresh_family f WHERE f.tenant = g.tenant AND f.grant_id = g.id)
        ORDER BY g.id LIMIT {BATCH}
    ) g LIMIT {BATCH}
)
DELETE FROM authz.authorization_grant g USING old WHERE g.tenant = old.tenant AND g.id = old.id
"""

# $1: how long an event is kept.
EVENTS: Final = f"""
WITH old AS MATERIALIZED (
    SELECT id FROM authz.event WHERE id < {_FIRST_ID} AND at < now() - $1::interval
    ORDER BY id LIMIT {BATCH} FOR UPDATE SKIP LOCKED
)
DELETE FROM authz.event e USING old WHERE e.id = old.id
"""


class Busy(Exception):
    """Another process purges."""


class Purges:
    """`grant_margin`: how long families and grants are kept past their end; `grant_life`: a family's longest life."""

    def __init__(self, pool: Pool, *, grant_life: timedelta, grant_margin: timedelta, event_age: timedelta) -> None:
        self._pool = pool
        self._grant_margin = grant_margin
        self._grant_age = grant_life + grant_margin
        self._event_age = event_age

    async def purge_families(self) -> int:
        """Refresh families past their absolute end, with their grants; the number of families."""
        return await self._purge(FAMILIES, self._grant_margin)

    async def purge_grants(self) -> int:
        """Grants without a family, from which nothing can come any more."""
        return await self._purge(GRANTS, self._grant_age)

    async def purge_events(self) -> int:
        """Events past their retention."""
        return await self._purge(EVENTS, self._event_age)

    async def _purge(self, statement: str, age: timedelta) -> int:
        async with transaction(self._pool) as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
                raise Busy
            tag = await connection.execute(statement, age)
        return int(tag.rpartition(" ")[2])
