"""Clean stores between tests: tables as the migration left them, a Redis with nothing in it."""

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import redis

T = TypeVar("T")

SCHEMAS = ("authz", "directory", "sessions")
# Restored to the rows the migration made, even where it made none; so is every table it put rows in.
KEEP_TABLES = ("authz.tenant", "sessions.ledger_identity")
# Above this, emptying all tables by TRUNCATE is quicker than deleting rows, and gives the space back.
_TRUNCATE_BYTES = 16 * 1024 * 1024

_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) AS name,
       (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND c.relname NOT IN ('alembic_version', 'gatehouse_revision')
 ORDER BY 1
"""
_SIZE = """
SELECT coalesce(sum(pg_relation_size(c.oid)), 0)::bigint
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY($1) AND c.relkind = 'r'
"""


@dataclass(frozen=True, slots=True)
class Postgres:
    """One test database, migrated: the owner's URL and one for each service's role."""

    owner_url: str
    authz_url: str
    scim_url: str
    sessions_url: str

    @classmethod
    def of(cls, owner_url: str, role_urls: dict[str, str]) -> "Postgres":
        """From the owner's URL and the services' URLs by role (`gatehouse_authz`, …)."""
        roles = {f"{role.removeprefix('gatehouse_')}_url": url for role, url in role_urls.items()}
        return cls(owner_url=owner_url, **roles)


def url_as(url: str, user: str, password: str) -> str:
    """The same database for another user."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}"))


def url_of_database(url: str, database: str) -> str:
    """Another database, or Redis database number, of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


class TableCleaner:
    """Puts the tables of `schemas` back to their rows of when it was made (right after the migration).

    Its connection is the owner's, a superuser's, and lasts: cleaning is one round trip, a few milliseconds.
    Foreign keys and triggers (append-only tables have some) do not apply to it. The first rows lie in
    temporary tables of its connection, so the database itself holds nothing of it.
    """

    def __init__(
        self,
        owner_url: str,
        schemas: Iterable[str] = SCHEMAS,
        keep: Iterable[str] = KEEP_TABLES,
        truncate_bytes: int = _TRUNCATE_BYTES,
    ) -> None:
        self._schemas = list(schemas)
        self._truncate_bytes = truncate_bytes
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="table-cleaner", daemon=True)
        self._thread.start()
        self._connection: asyncpg.Connection = self._run(_connect(owner_url))
        self._delete, self._truncate = self._run(self._remember(frozenset(keep)))

    def clean(self) -> None:
        """Empty every table but for its first rows. Raises asyncpg's LockNotAvailableError when a test left a
        transaction open that holds rows."""
        self._run(self._clean())

    def close(self) -> None:
        """Close the connection and end its thread."""
        self._run(self._connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _remember(self, keep: frozenset[str]) -> tuple[str, str]:
        """The SQL to clean by deleting and by truncating."""
        rows = await self._connection.fetch(_TABLES, self._schemas)
        names = [row["name"] for row in rows]
        restore = []
        for number, row in enumerate(rows):
            name, columns, first = row["name"], row["columns"], f"pg_temp.first_rows_{number}"
            if name in keep or await self._connection.fetchval(f"SELECT EXISTS (SELECT FROM {name})"):
                await self._connection.execute(
                    f"CREATE TEMPORARY TABLE first_rows_{number} AS SELECT {columns} FROM {name}"
                )
                restore.append(f"INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {first}")
        if not names:
            return "", ""
        return (
            ";".join([*(f"DELETE FROM {name}" for name in names), *restore]),
            ";".join([f"TRUNCATE {', '.join(names)}", *restore]),
        )

    async def _clean(self) -> None:
        size = await self._connection.fetchval(_SIZE, self._schemas)
        await self._connection.execute(self._truncate if size > self._truncate_bytes else self._delete)


async def _connect(owner_url: str) -> asyncpg.Connection:
    settings = {"session_replication_role": "replica", "lock_timeout": "10s"}
    return await asyncpg.connect(owner_url, timeout=20, server_settings=settings)


class RedisCleaner:
    """Empties one Redis database over a lasting connection."""

    def __init__(self, url: str, whole_server: bool) -> None:
        self._client = redis.Redis.from_url(url)
        self._whole_server = whole_server

    def clean(self) -> None:
        """FLUSHALL on a server of our own, FLUSHDB on a shared one."""
        if self._whole_server:
            self._client.flushall()
        else:
            self._client.flushdb()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
