"""Access tokens leave no row; only their end before their time does (kind `token` of the ledger)."""

from __future__ import annotations

from datetime import timedelta

from authz.ports import TokenEnd
from authz.storage import statements
from identity_core.audit import AuditRow, write_audit
from identity_core.db import Connection
from identity_core.ids import uuid7
from identity_core.session_store import LedgerEntry, ledger_key


async def end_token(
    connection: Connection, end: TokenEnd, *, pseudonym: str | None, remembered: timedelta
) -> LedgerEntry:
    """End one access token in the caller's transaction; the ledger remembers it for `remembered`."""
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
    key = ledger_key(end.tag, end.key)
    (row,) = await connection.fetch(
        statements.REVOKE, end.tenant, f"client:{end.client_id}", "token", key, "revoked by client", uuid7(), remembered
    )
    return LedgerEntry(end.tenant, "token", key, row["epoch"], row["until_ms"])
