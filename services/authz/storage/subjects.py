"""People: the directory's published view to read, and what authz itself keeps about them, to be forgotten."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import orjson

from authz.ports import Subject
from authz.storage import statements
from identity_core.db import Connection, Pool

_FORGET: Final = (
    "DELETE FROM authz.password_credential WHERE tenant = $1 AND user_id = $2",
    "DELETE FROM authz.totp_credential WHERE tenant = $1 AND user_id = $2",
    "DELETE FROM authz.consent WHERE tenant = $1 AND user_id = $2",
)


async def subject(pool: Pool, tenant: UUID, user_id: UUID) -> Subject | None:
    """An active person's claims; None when there is no such person or not an active one. One statement."""
    row = await pool.fetchrow(statements.SUBJECT, tenant, user_id)
    return None if row is None else Subject(orjson.loads(row["claims"]), row["updated_at"])


async def forget(connection: Connection, tenant: UUID, user_id: UUID) -> None:
    """Delete a person's credentials and consents, in the caller's transaction. Safe to repeat."""
    for statement in _FORGET:
        await connection.execute(statement, tenant, user_id)
