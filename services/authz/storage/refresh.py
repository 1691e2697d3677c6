"""Refresh families: a row holds salt and generation, no token (revocation rule 9)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson

from authz.ports import FamilyState, Rotation
from authz.storage import statements
from identity_core.contracts.stamps import Binding, Stamps
from identity_core.db import Pool, Record
from identity_core.secrets import RefreshToken


async def rotate(pool: Pool, ask: Rotation, *, grace: timedelta, idle: timedelta) -> FamilyState | None:
    """Take the token's generation and record the next, if all stands; the state either way. One statement."""
    row = await pool.fetchrow(
        statements.ROTATE,
        ask.tenant,
        ask.token.family_id,
        ask.token.salt,
        ask.token.generation,
        ask.client_id,
        list(ask.scopes),
        list(ask.resources),
        grace,
        idle,
    )
    return None if row is None else _state(row)


async def family(pool: Pool, tenant: UUID, token: RefreshToken, *, grace: timedelta) -> FamilyState | None:
    """The state without taking anything. One statement."""
    row = await pool.fetchrow(statements.FAMILY, tenant, token.family_id, token.salt, grace)
    return None if row is None else _state(row)


def _state(row: Record) -> FamilyState:
    context: dict[str, Any] = orjson.loads(row["context"])
    stamps = Stamps(row["tenant_epoch"], row["client_epoch"], row["user_epoch"])
    return FamilyState(
        family_id=row["id"],
        grant_id=row["grant_id"],
        client_id=row["client_id"],
        user_id=row["user_id"],
        session_id=row["session_id"],
        binding=Binding(row["tag"], stamps, row["session_id"], row["grant_id"], row["offline"]),
        key_id=row["key_id"],
        salt=row["salt"],
        generation=row["generation"],
        scopes=tuple(row["scopes"]),
        auth_time=context["auth_time"],
        acr=context["acr"],
        amr=tuple(context["amr"]),
        sid=context["sid"],
        resource=tuple(context["resource"]),
        created_at=int(row["created_at"].timestamp()),
        expires_at=int(min(row["idle_end"], row["absolute_end"]).timestamp()),
        ended=row["ended_at"] is not None,
        alive=row["alive"],
        within_grace=row["within_grace"],
        moved=row["moved"],
    )
