"""Grants: begun when a code is redeemed, ended once and for good (revocation rules 8 and 9)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid5

import orjson

from authz.events import grant_ended
from authz.protocol.decision import EndGrant, NewGrant
from authz.storage import statements
from identity_core.audit import AuditRow, write_audit
from identity_core.db import Connection, Pool
from identity_core.events import write_events
from identity_core.session_store import LedgerEntry, ledger_key

# One cause per grant and reason, so that fifty replays of one code are one revocation (sessions.revoke_v1).
_CAUSES = UUID("9b6f2d53-7a3c-5f0e-9d0d-4c9a2b6f8e11")


async def open_grant(pool: Pool, new: NewGrant, *, idle: timedelta, absolute: timedelta) -> bool:
    """Record the grant and its family; False when a replay has ended it already. One statement."""
    evidence, family = new.evidence, new.family
    binding = evidence.binding
    opened: int = await pool.fetchval(
        statements.OPEN_GRANT,
        evidence.tenant,
        binding.grant_id,
        evidence.user_id,
        evidence.client_id,
        binding.session_id,
        binding.offline,
        list(new.scopes),
        None if family is None else family.id,
        binding.tag,
        0 if family is None else family.key_id,
        "" if family is None else family.salt,
        _context(new),
        binding.stamps.user,
        binding.stamps.client,
        binding.stamps.tenant,
        idle,
        absolute,
    )
    return opened == 1


async def end_grant(connection: Connection, end: EndGrant, *, pseudonym: str, remembered: timedelta) -> LedgerEntry:
    """End a grant, its families and everything under it, in the caller's transaction. Idempotent per reason.

    `remembered`: how long the ledger keeps it. Audit and event are written the first time only.
    """
    ended = await connection.fetchval(
        statements.END_GRANT,
        end.tenant,
        end.grant_id,
        end.user_id,
        end.client_id,
        end.session_id,
        end.offline,
        list(end.scopes),
        end.reason,
    )
    if ended is not None:
        await connection.execute(statements.END_FAMILIES, end.tenant, end.grant_id, end.reason)
        await write_audit(connection, "authz", _audit(end, pseudonym))
        await write_events(connection, "authz", grant_ended(end))
    key = ledger_key(end.tag, str(end.grant_id))
    cause = uuid5(_CAUSES, f"{end.tenant}/{end.grant_id}/{end.reason}")
    (row,) = await connection.fetch(
        statements.REVOKE, end.tenant, f"client:{end.actor}", "grant", key, end.reason, cause, remembered
    )
    return LedgerEntry(end.tenant, "grant", key, row["epoch"], row["until_ms"])


def _context(new: NewGrant) -> str:
    family = new.family
    if family is None:
        return "{}"
    context = {
        "auth_time": family.auth_time,
        "acr": family.acr,
        "amr": family.amr,
        "sid": family.sid,
        "resource": family.resource,
    }
    return orjson.dumps(context).decode()


def _audit(end: EndGrant, pseudonym: str) -> AuditRow:
    return AuditRow(
        tenant=end.tenant,
        action="grant.ended",
        outcome="success",
        actor_kind="client",
        actor=end.actor,
        subject_pseudonym=pseudonym,
        target_kind="grant",
        target=str(end.grant_id),
        client_id=end.client_id,
        reason=end.reason,
    )
