"""Audit rows: who did what to whom, written in the transaction of what they record.

The subject stands as a pseudonym (`secrets.pseudonym`), so that forgetting a person does not break the record.
The chain columns (position, previous hash, row hash) are filled later, in commit order, by whoever seals the chain.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

import orjson

from identity_core.db import Connection
from identity_core.ids import uuid7
from identity_core.telemetry import inject

Schema = Literal["authz", "directory", "sessions"]


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One act. `detail` holds names and numbers, never secrets or attribute values."""

    tenant: UUID
    action: str
    outcome: Literal["success", "refused"]
    actor_kind: Literal["user", "client", "source", "operator", "system"]
    actor: str
    subject_pseudonym: str | None = None
    target_kind: str | None = None
    target: str | None = None
    client_id: str | None = None
    network: str | None = None
    reason: str | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


# JSON travels as text: for an array of jsonb asyncpg would look the type up once on every new connection.
_INSERT = """
INSERT INTO {schema}.audit (tenant, id, action, outcome, actor_kind, actor, subject_pseudonym, target_kind, target,
                            client_id, network, reason, detail, trace_id)
SELECT tenant, id, action, outcome, actor_kind, actor, subject_pseudonym, target_kind, target,
       client_id, network, reason, detail::jsonb, trace_id
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[]
            ) AS t(tenant, id, action, outcome, actor_kind, actor, subject_pseudonym, target_kind, target,
                   client_id, network, reason, detail, trace_id)
"""
_STATEMENTS = {schema: _INSERT.format(schema=schema) for schema in ("authz", "directory", "sessions")}


async def write_audit(connection: Connection, schema: Schema, *rows: AuditRow) -> None:
    """Insert `rows` in the caller's transaction. One statement."""
    if not rows:
        return
    traceparent = inject()
    trace = traceparent.split("-")[1] if traceparent else None
    columns = zip(
        *(
            (
                *(
                    row.tenant,
                    uuid7(),
                    row.action,
                    row.outcome,
                    row.actor_kind,
                    row.actor,
                    row.subject_pseudonym,
                ),
                *(row.target_kind, row.target, row.client_id, row.network, row.reason),
                *(orjson.dumps(dict(row.detail)).decode(), trace),
            )
            for row in rows
        ),
        strict=True,
    )
    await connection.execute(_STATEMENTS[schema], *(list(column) for column in columns))
