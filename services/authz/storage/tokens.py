"""Access tokens leave no row; only their end before their time does (kind `token` of the ledger), once."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid5

from authz.ports import TokenEnd
from authz.storage import statements
from identity_core.audit import AuditRow, write_audit
from identity_core.db import Connection
from identity_core.session_store import LedgerEntry, ledger_key

# One cause per token, so that two revocations at once are one (sessions.revoke_v1).
_CAUSES = UUID("3d0f4c1e-5b7a-5c68-8f0e-6a1d2b94c7f3")


async def end_token(
    connection: Connection, end: TokenEnd, *, pseudonym: str | None, remembered: timedelta
) -> LedgerEntry:
    """End one access token in the caller's transaction; the ledger remembers it for `remembered`.

    One statement for a token that was ended before, which writes nothing more; else three.
    """
    key = ledger_key(end.tag, end.key)
    known = await connection.fetchrow(statements.ENDED_TOKEN, end.tenant, key)
    if known is not None:
        return LedgerEntry(end.tenant, "token", key, known["epoch"], known["until_ms"])
    await write_audit(
        connection,
        "authz",
        AuditRow(
            tenant=end.tenant,
            action="token.revoked",
            outcome="success",
            actor_kind="client",
            actor=end.client_id,
            subject_pseudonym=pseudonym,
            target_kind="access_token",
            target=end.key,
            client_id=end.client_id,
        ),
    )
    cause = uuid5(_CAUSES, f"{end.tenant}/{key}")
    (row,) = await connection.fetch(
        statements.REVOKE, end.tenant, f"client:{end.client_id}", "token", key, "revoked by client", cause, remembered
    )
    return LedgerEntry(end.tenant, "token", key, row["epoch"], row["until_ms"])
