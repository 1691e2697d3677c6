"""What `gatehouse doctor` looks at: facts of both stores, read and not judged."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import asyncpg
from redis.asyncio import Redis

from gatehouse.dev.plan import ROLES
from gatehouse.revisions import Standing, standing
from identity_core.db import connect_dedicated
from identity_core.redis import check_redis, command, create_redis
from identity_core.session_store import keys


@dataclass(frozen=True)
class Moment:
    """A store's clock, and ours just before and after it was asked; seconds since 1970."""

    theirs: float
    before: float
    after: float

    @property
    def offset(self) -> float:
        """Seconds the store is ahead of us, at least: what the question's own duration may explain is left out."""
        if self.before <= self.theirs <= self.after:
            return 0.0
        return self.theirs - (self.after if self.theirs > self.after else self.before)


@dataclass(frozen=True)
class Transaction:
    """One that runs; the oldest with a transaction id holds the ledger's horizon back for all."""

    pid: int
    role: str
    application: str
    seconds: float


@dataclass(frozen=True)
class KeyFact:
    """A signing key that is not revoked; `days_left` None: no end is set; `followed`: another takes over in time."""

    tenant: str
    kid: str
    alg: str
    days_left: float | None
    followed: bool


@dataclass(frozen=True)
class PostgresFacts:
    """`breaches`: grants that cross the wall between the services' schemas, in words."""

    version: int
    max_connections: int
    reserved: int
    moment: Moment
    longest: Transaction | None
    standing: Standing
    roles: frozenset[str]
    powerful: frozenset[str]
    breaches: tuple[str, ...]
    ledger_id: str | None
    at_home: bool
    horizon: int
    keys: tuple[KeyFact, ...]


@dataclass(frozen=True)
class RedisFacts:
    """`mark`: how far this primary knows the ledger, as the services wrote it (empty: never)."""

    product: str
    version: str
    policy: str
    append_only: bool
    moment: Moment
    run_id: str
    mark: Mapping[str, str]


_SERVER = """
SELECT current_setting('server_version_num')::int AS version,
       current_setting('max_connections')::int AS max_connections,
       current_setting('superuser_reserved_connections')::int AS reserved,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon
"""
_LONGEST = """
SELECT pid, coalesce(usename, '?') AS role, coalesce(nullif(application_name, ''), '?') AS application,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds
FROM pg_stat_activity
WHERE xact_start IS NOT NULL AND backend_type = 'client backend' AND pid <> pg_backend_pid()
  AND (datname = current_database() OR backend_xid IS NOT NULL)
ORDER BY xact_start LIMIT 1
"""
_ROLES = "SELECT rolname, rolsuper OR rolcreaterole OR rolbypassrls AS powerful FROM pg_roles WHERE rolname = ANY($1)"
# A service's role writes its own schema only, and of the others reads views only.
_BREACHES = """
SELECT coalesce(r.rolname, 'PUBLIC') AS role, a.privilege_type AS privilege, n.nspname || '.' || c.relname AS relation
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname IN ('authz', 'directory', 'sessions')
CROSS JOIN LATERAL aclexplode(c.relacl) a
LEFT JOIN pg_roles r ON r.oid = a.grantee
WHERE (a.grantee = 0 OR r.rolname = ANY($1))
  AND NOT (c.relkind = 'v' AND a.privilege_type = 'SELECT' AND a.grantee <> 0)
  AND n.nspname IS DISTINCT FROM (CASE r.rolname WHEN 'gatehouse_scim' THEN 'directory'
                                                 ELSE replace(r.rolname, 'gatehouse_', '') END)
ORDER BY 1, 3, 2
"""
_IDENTITY = "SELECT id, at_home FROM sessions.ledger_identity_v1"
_KEYS = """
SELECT t.slug, k.kid, k.alg, extract(epoch FROM k.retire_at - now())::float8 / 86400 AS days_left,
       EXISTS (SELECT FROM authz.signing_key n
               WHERE n.tenant = k.tenant AND n.alg = k.alg AND n.kid <> k.kid AND n.revoked_at IS NULL
                 AND n.sign_from <= coalesce(k.retire_at, n.sign_from)
                 AND (n.retire_at IS NULL OR n.retire_at > k.retire_at)) AS followed
FROM authz.signing_key k JOIN authz.tenant t ON t.id = k.tenant
WHERE k.revoked_at IS NULL AND t.active AND (k.retire_at IS NULL OR k.retire_at > now())
ORDER BY t.slug, k.alg, k.sign_from
"""


async def read_postgres(owner_url: str) -> PostgresFacts:
    """As the owner. Raises StartFault, MigrationError, asyncpg's errors."""
    found = await standing(owner_url)
    connection = await connect_dedicated(owner_url, name="gatehouse-doctor")
    try:
        before = time.time()
        now: datetime = await connection.fetchval("SELECT clock_timestamp()")
        moment = Moment(now.timestamp(), before, time.time())
        server = cast(asyncpg.Record, await connection.fetchrow(_SERVER))
        longest = await connection.fetchrow(_LONGEST)
        roles = await connection.fetch(_ROLES, list(ROLES.values()))
        breaches = await connection.fetch(_BREACHES, list(ROLES.values()))
        ours = bool(found.current)
        identity = await connection.fetchrow(_IDENTITY) if ours else None
        signing = await connection.fetch(_KEYS) if ours else []
    finally:
        await connection.close()
    return PostgresFacts(
        version=server["version"] // 10_000,
        max_connections=server["max_connections"],
        reserved=server["reserved"],
        moment=moment,
        longest=Transaction(*longest) if longest else None,
        standing=found,
        roles=frozenset(row["rolname"] for row in roles),
        powerful=frozenset(row["rolname"] for row in roles if row["powerful"]),
        breaches=tuple(f"{row['role']} may {row['privilege']} {row['relation']}" for row in breaches),
        ledger_id=identity["id"].hex if identity else None,
        at_home=bool(identity and identity["at_home"]),
        horizon=server["horizon"],
        keys=tuple(KeyFact(*row) for row in signing),
    )


async def read_redis(url: str) -> RedisFacts:
    """Raises StartFault, redis-py's errors."""
    client = create_redis(url, max_connections=1)
    try:
        await check_redis(client, url)
        before = time.time()
        seconds, microseconds = await command(client, "TIME")
        moment = Moment(int(seconds) + int(microseconds) / 1e6, before, time.time())
        info = await _info(client)
        mark = await command(client, "HGETALL", keys.MARK)
    finally:
        await client.aclose()
    return RedisFacts(
        product="valkey" if "valkey_version" in info else "redis",
        version=info.get("valkey_version") or info.get("redis_version", "?"),
        policy=info.get("maxmemory_policy", "?"),
        append_only=info.get("aof_enabled") == "1",
        moment=moment,
        run_id=info.get("run_id", "?"),
        mark=_texts(mark),
    )


async def _info(client: Redis) -> dict[str, str]:
    raw = await command(client, "INFO")
    if isinstance(raw, dict):  # redis-py parses INFO itself
        return {str(name): str(value) for name, value in raw.items()}
    text = raw.decode() if isinstance(raw, bytes) else str(raw)
    pairs = (line.partition(":") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: value.strip() for name, _, value in pairs}


def _texts(reply: Any) -> dict[str, str]:
    items = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
    return {name.decode(): value.decode() for name, value in items}
