"""The ledger as the data plane sees it: reading its rows from PostgreSQL, writing their image into Redis."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from redis.asyncio import Redis

from identity_core import ids
from identity_core.db import Connection, Pool
from identity_core.redis_batch import ScriptCall, batch
from identity_core.secrets import hash_tag, parse_tag, tag_text
from identity_core.session_store import keys, scripts

_CHUNK = 256
_AFTER_ALL = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One current row: everything of `key` stamped below `epoch` has ended. `until_ms` None: for ever.

    Keys: tenant ''; client the client_id; user the subject's UUID; session, grant and token `<tag>:<id>`.
    """

    tenant: UUID
    kind: str
    key: str
    epoch: int
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Identity, horizon and rows of the ledger, all of one database snapshot.

    `at_home` is False when this database is not the one the identity was written in (restored, cloned, promoted).
    Every transaction below `horizon` has ended, so rows from `horizon` on are all that a later check must read.
    """

    ledger_id: UUID
    at_home: bool
    horizon: int
    entries: tuple[LedgerEntry, ...]


_READ = """
SELECT i.id, i.at_home, pg_snapshot_xmin(pg_current_snapshot())::text AS horizon,
       l.tenant, l.kind, l.key, l.epoch, (extract(epoch FROM l.until) * 1000)::bigint AS until_ms
FROM sessions.ledger_identity_v1 i
LEFT JOIN sessions.ledger_v1 l ON l.xid >= $1::text::xid8 AND (l.until IS NULL OR l.until > now())
"""

_PAGE = """
SELECT tenant, kind, key, epoch, (extract(epoch FROM until) * 1000)::bigint AS until_ms
FROM sessions.ledger_v1
WHERE (tenant, kind, key) > ($1, $2, $3) AND (until IS NULL OR until > now())
ORDER BY tenant, kind, key LIMIT $4
"""
_PAGE_ROWS = 4096
_FIRST = (UUID(int=0), "", "")

_ADOPT = "SELECT sessions.adopt_v1($1, $2::jsonb, $3)"
_ADOPT_PATIENCE_S = 600.0


def ledger_key(tag: int, ident: str) -> str:
    """The ledger's key of a session, grant or token: `<tag>:<ident>`, so that whoever reads it finds its slot."""
    return f"{tag_text(tag)}:{ident}"


async def read_ledger(pool: Pool | Connection, since: int) -> Snapshot:
    """Rows written by transactions from `since` on (0: all), in one statement and so in one snapshot."""
    rows = await pool.fetch(_READ, str(since))
    first = rows[0]
    entries = tuple(
        LedgerEntry(row["tenant"], row["kind"], row["key"], row["epoch"], row["until_ms"])
        for row in rows
        if row["kind"] is not None
    )
    return Snapshot(first["id"], first["at_home"], int(first["horizon"]), entries)


async def ledger_pages(connection: Connection) -> AsyncIterator[tuple[LedgerEntry, ...]]:
    """Every row in force, by key, one short statement a page.

    The pages are of different snapshots: take the horizon (`read_ledger`) before the first one, and what changes
    meanwhile lies at or above it.
    """
    after = _FIRST
    while True:
        rows = await connection.fetch(_PAGE, *after, _PAGE_ROWS)
        yield tuple(LedgerEntry(*row.values()) for row in rows)
        if len(rows) < _PAGE_ROWS:
            return
        after = (rows[-1]["tenant"], rows[-1]["kind"], rows[-1]["key"])


async def horizon_of(connection: Connection) -> Snapshot:
    """Identity and horizon alone, without rows."""
    return await read_ledger(connection, _AFTER_ALL)


async def adopt_ledger(connection: Connection, seen_id: UUID, known: str, *, raise_tenants: bool) -> UUID:
    """Make this database the ledger's home; `known` is JSON of what Redis knows. Returns the identity in force.

    May take minutes in a large database after a restore, while nothing is answered anyway: the usual limit on
    statements is lifted for it.
    """
    async with connection.transaction():
        await connection.execute("SET LOCAL statement_timeout = 0")
        adopted: UUID = await connection.fetchval(_ADOPT, seen_id, known, raise_tenants, timeout=_ADOPT_PATIENCE_S)
    return adopted


async def apply_entries(redis: Redis, tag_key: bytes, entries: Sequence[LedgerEntry]) -> None:
    """Write the rows' image into Redis: one Lua call a slot, up to 256 calls a round trip. Twice is harmless."""
    calls = list(_calls(tag_key, entries))
    for start in range(0, len(calls), _CHUNK):
        await batch(redis, *calls[start : start + _CHUNK])


def _calls(tag_key: bytes, entries: Iterable[LedgerEntry]) -> Iterator[ScriptCall]:
    by_slot: dict[tuple[UUID, int], list[LedgerEntry]] = defaultdict(list)
    by_tenant: dict[UUID, list[str | int]] = defaultdict(list)
    for entry in entries:
        if entry.kind == "tenant":
            by_tenant[entry.tenant] += ["t", entry.epoch]
        elif entry.kind == "client":
            by_tenant[entry.tenant] += [keys.client_field(entry.key), entry.epoch]
        elif (tag := _tag_of(tag_key, entry)) is not None:
            by_slot[entry.tenant, tag].append(entry)
    for tenant, fields in by_tenant.items():
        for copy in range(keys.TENANT_COPIES):
            yield ScriptCall(scripts.APPLY_TENANT, [keys.tenant_epochs(tenant, copy)], fields)
    for (tenant, tag), rows in by_slot.items():
        for start in range(0, len(rows), _CHUNK):
            yield _slot_call(keys.slot(tenant, tag), rows[start : start + _CHUNK])


def _slot_call(prefix: str, rows: Sequence[LedgerEntry]) -> ScriptCall:
    names: list[str] = []
    args: list[str | int] = [prefix]
    for row in rows:
        until = "" if row.until_ms is None else row.until_ms
        if row.kind == "user":
            user_id = UUID(row.key)
            names.append(keys.user_epoch(prefix, user_id))
            args += ["u", ids.short(user_id), row.epoch, until]
        else:
            kind, ident = keys.TOMBSTONES[row.kind], row.key[5:]
            names.append(keys.tombstone(prefix, kind, ident))
            args += [kind, ids.short(UUID(ident)) if kind == "s" else ident, row.epoch, until]
    return ScriptCall(scripts.APPLY, names, args)


def _tag_of(tag_key: bytes, entry: LedgerEntry) -> int | None:
    """The slot of a row; None for a key no code of ours could ever have written."""
    if entry.kind == "user":
        return hash_tag(tag_key, entry.tenant, entry.key) if _is_uuid(entry.key) else None
    if entry.key[4:5] != ":" or (entry.kind == "session" and not _is_uuid(entry.key[5:])):
        return None
    return parse_tag(entry.key[:4])


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
