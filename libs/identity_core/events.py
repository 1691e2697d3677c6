"""Events: facts written in the transaction that makes them true, read by consumers through the owner's view.

A consumer keeps its own cursor in its own schema (revocation rule 11): the transaction id below which it has seen
everything, and the ids it has handled above it, because transaction ids do not commit in order. It is idempotent by
event id and works in order per aggregate (event ids are UUIDv7, made while the aggregate's row is held).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg
import orjson
import structlog

from identity_core.db import Connection, Pool, transaction
from identity_core.ids import uuid7
from identity_core.logs import allow_fields
from identity_core.tasks import end_task
from identity_core.telemetry import inject, root_span

log = structlog.get_logger("identity_core.events")
allow_fields("consumer", "fault")

Schema = Literal["authz", "directory", "sessions"]
BATCH = 200
POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Event:
    """One fact: `type` like `scim.user_deleted.v1`, about one `aggregate` (`user`) with its id."""

    tenant: UUID
    type: str
    aggregate: str
    aggregate_id: str
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as a consumer reads it; `traceparent` continues the trace of the request that made it."""

    id: UUID
    xid: int
    tenant: UUID
    type: str
    aggregate: str
    aggregate_id: str
    at: datetime
    payload: Mapping[str, Any]
    traceparent: str | None


Handle = Callable[[Connection, StoredEvent], Awaitable[None]]

_INSERT = """
INSERT INTO {schema}.event (id, tenant, type, aggregate, aggregate_id, payload, traceparent)
SELECT id, tenant, type, aggregate, aggregate_id, payload::jsonb, traceparent
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
     AS t(id, tenant, type, aggregate, aggregate_id, payload, traceparent)
"""
_INSERTS = {schema: _INSERT.format(schema=schema) for schema in ("authz", "directory", "sessions")}


async def write_events(connection: Connection, schema: Schema, *events: Event) -> None:
    """Insert `events` in the caller's transaction, with the current trace. One statement."""
    if not events:
        return
    traceparent = inject()
    columns = zip(
        *(
            (
                uuid7(),
                e.tenant,
                e.type,
                e.aggregate,
                e.aggregate_id,
                orjson.dumps(e.payload).decode(),
                traceparent,
            )
            for e in events
        ),
        strict=True,
    )
    await connection.execute(_INSERTS[schema], *(list(column) for column in columns))


class Consumer:
    """Hands every event of `source` to `handle`, in the transaction that moves the cursor kept in `schema`.

    Several processes may run the same consumer: one of them works at a time. A handler that raises stops the batch,
    which is tried again; so must a handler's work be safe to repeat.
    """

    def __init__(self, pool: Pool, *, schema: Schema, name: str, source: Schema, handle: Handle) -> None:
        self.name = name
        self._pool = pool
        self._source = source
        self._handle = handle
        self._statements = _consumer_statements(schema, source)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Poll in the background, once a second and at once while there is more."""
        self._task = asyncio.create_task(self._run(), name=f"consumer {self.name}")

    async def stop(self) -> None:
        """End polling; a batch under way is rolled back or finished, never half done."""
        await end_task(self._task)

    async def run_once(self) -> int:
        """One batch; the number of events handled. Four statements, and what the handler does."""
        async with transaction(self._pool) as connection:
            ledger = await connection.fetchval("SELECT id FROM sessions.ledger_identity_v1")
            await connection.execute(self._statements.ensure, self.name, self._source, ledger)
            cursor = await connection.fetchrow(self._statements.take, self.name, self._source)
            if cursor is None:
                return 0
            same = cursor["ledger_id"] == ledger
            since, seen = (int(cursor["xid"]), cursor["seen"]) if same else (0, [])
            rows = await connection.fetch(self._statements.read, str(since), seen, BATCH)
            new = [_stored(row) for row in rows if row["id"] is not None]
            for event in sorted(new, key=lambda stored: stored.id):
                with root_span(f"consume {event.type}", event.traceparent):
                    await self._handle(connection, event)
            horizon = int(rows[0]["horizon"])
            if len(rows) == BATCH:
                horizon = min(horizon, new[-1].xid)
            if horizon != since or new:
                handled = [*seen, *(event.id for event in new)]
                await connection.execute(self._statements.move, self.name, self._source, ledger, str(horizon), handled)
        return len(new)

    async def _run(self) -> None:
        while True:
            handled = 0
            try:
                handled = await self.run_once()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
                log.warning("consumer.failed", consumer=self.name, fault=type(fault).__name__)
            except Exception:
                log.exception("consumer.broken", consumer=self.name)
            if not handled:
                await asyncio.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class _Statements:
    ensure: str
    take: str
    read: str
    move: str


def _consumer_statements(schema: Schema, source: Schema) -> _Statements:
    cursors, events = f"{schema}.event_cursor", f"{source}.event_v1"
    return _Statements(
        ensure=f"INSERT INTO {cursors} (consumer, source, ledger_id, xid) VALUES ($1, $2, $3, '0') "
        "ON CONFLICT DO NOTHING",
        take=f"SELECT ledger_id, xid::text, seen FROM {cursors} "
        "WHERE consumer = $1 AND source = $2 FOR UPDATE SKIP LOCKED",
        read="SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon, e.id, e.xid::text AS xid, e.tenant, "
        "e.type, e.aggregate, e.aggregate_id, e.at, e.payload, e.traceparent FROM (SELECT 1) one "
        f"LEFT JOIN {events} e ON e.xid >= $1::text::xid8 AND e.id <> ALL($2::uuid[]) ORDER BY e.xid LIMIT $3",
        move=f"UPDATE {cursors} SET ledger_id = $3, xid = $4::text::xid8, seen = ARRAY("
        f"SELECT e.id FROM {events} e WHERE e.xid >= $4::text::xid8 AND e.id = ANY($5::uuid[])) "
        "WHERE consumer = $1 AND source = $2",
    )


def _stored(row: asyncpg.Record) -> StoredEvent:
    return StoredEvent(
        id=row["id"],
        xid=int(row["xid"]),
        tenant=row["tenant"],
        type=row["type"],
        aggregate=row["aggregate"],
        aggregate_id=row["aggregate_id"],
        at=row["at"],
        payload=orjson.loads(row["payload"]),
        traceparent=row["traceparent"],
    )
