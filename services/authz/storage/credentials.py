"""Passwords and one-time password credentials: the hand-kept statements of a sign-in."""

from __future__ import annotations

from uuid import UUID

from authz.interaction import Evidence
from authz.login_ports import PasswordRow, TotpRow, Verdict
from identity_core.audit import AuditRow, write_audit
from identity_core.db import Connection, Pool, Record, retry_on_stale_plan, transaction

# One statement and so one snapshot: whoever is revoked after it has a higher epoch than the stamps it returns.
PASSWORD_ROW = """
SELECT s.subject, s.username, s.active, c.hash,
       coalesce((SELECT l.epoch FROM sessions.ledger_v1 l
                 WHERE l.tenant = s.tenant AND l.kind = 'user' AND l.key = s.subject::text), 0) AS user_epoch,
       coalesce((SELECT l.epoch FROM sessions.ledger_v1 l
                 WHERE l.tenant = s.tenant AND l.kind = 'tenant' AND l.key = ''), 0) AS tenant_epoch,
       EXISTS (SELECT FROM authz.totp_credential t
               WHERE t.tenant = s.tenant AND t.user_id = s.subject AND t.confirmed_at IS NOT NULL) AS has_totp
FROM directory.subject_v1 s
LEFT JOIN authz.password_credential c ON c.tenant = s.tenant AND c.user_id = s.subject
WHERE s.tenant = $1 AND s.username_key = $2
"""

REPLACE_HASH = """
UPDATE authz.password_credential SET hash = $4 WHERE tenant = $1 AND user_id = $2 AND hash = $3
"""

SET_PASSWORD = """
INSERT INTO authz.password_credential (tenant, user_id, hash) VALUES ($1, $2, $3)
ON CONFLICT (tenant, user_id) DO UPDATE SET hash = excluded.hash, changed_at = now()
"""

TOTP_ROW = """
SELECT id, secret_sealed FROM authz.totp_credential
WHERE tenant = $1 AND user_id = $2 AND confirmed_at IS NOT NULL
"""

# Whose evidence it is, while it stands: $1 tenant, $2 person, $3 and $4 the stamps of the evidence (rule 3).
_PERSON = """
person AS MATERIALIZED (
    SELECT s.tenant, s.subject FROM directory.subject_v1 s
    WHERE s.tenant = $1 AND s.subject = $2 AND s.active AND NOT EXISTS (
        SELECT FROM sessions.ledger_v1 l
        WHERE l.tenant = $1 AND (l.kind = 'user' AND l.key = $2::text AND l.epoch > $3
                                 OR l.kind = 'tenant' AND l.key = '' AND l.epoch > $4))
)
"""

ACCEPT_STEP = f"""
WITH {_PERSON}, accepted AS (
    UPDATE authz.totp_credential t SET last_step = $6 FROM person p
    WHERE t.tenant = p.tenant AND t.user_id = p.subject AND t.id = $5 AND t.confirmed_at IS NOT NULL
      AND t.last_step < $6
    RETURNING t.id
)
SELECT EXISTS (SELECT FROM person) AS stands, EXISTS (SELECT FROM accepted) AS took
"""

CONFIRM_TOTP = f"""
WITH {_PERSON}, kept AS (
    INSERT INTO authz.totp_credential (tenant, user_id, id, secret_sealed, last_step, confirmed_at)
    SELECT p.tenant, p.subject, $5, $6, $7, now() FROM person p
    ON CONFLICT DO NOTHING
    RETURNING id
)
SELECT EXISTS (SELECT FROM person) AS stands, EXISTS (SELECT FROM kept) AS took
"""


class CredentialStore:
    """Raises PostgreSQL's faults (503)."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def password_row(self, tenant: UUID, username_key: str) -> PasswordRow | None:
        """What a password is checked against. One statement, whether there is such a person or not."""
        row = await retry_on_stale_plan(lambda: self._pool.fetchrow(PASSWORD_ROW, tenant, username_key))
        return None if row is None else PasswordRow(*row)

    async def replace_hash(self, tenant: UUID, user_id: UUID, old: str, new: str) -> None:
        """Keep the same password under newer parameters. One statement."""
        await self._pool.execute(REPLACE_HASH, tenant, user_id, old, new)

    async def totp_row(self, tenant: UUID, user_id: UUID) -> TotpRow | None:
        """The confirmed credential. One statement."""
        row = await retry_on_stale_plan(lambda: self._pool.fetchrow(TOTP_ROW, tenant, user_id))
        return None if row is None else TotpRow(*row)

    async def accept_step(self, tenant: UUID, evidence: Evidence, credential: UUID, step: int) -> Verdict:
        """Accept a step once, whatever comes at the same time. One statement, committed at once."""
        return _verdict(await self._pool.fetchrow(ACCEPT_STEP, tenant, *_stamps(evidence), credential, step))

    async def confirm_totp(
        self, tenant: UUID, evidence: Evidence, credential: UUID, sealed: bytes, step: int, audit: AuditRow
    ) -> Verdict:
        """Keep a credential with its first step already used. One transaction of at most two statements."""
        async with transaction(self._pool) as connection:
            row = await connection.fetchrow(CONFIRM_TOTP, tenant, *_stamps(evidence), credential, sealed, step)
            verdict = _verdict(row)
            if verdict == "right":
                await write_audit(connection, "authz", audit)
            return verdict


async def set_password(connection: Connection, tenant: UUID, user_id: UUID, hash: str) -> None:
    """Set a person's password hash (argon2id, PHC string) in the caller's transaction. One statement."""
    if not hash.startswith("$argon2id$"):
        raise ValueError("A password hash must be an argon2id PHC string.")
    await connection.execute(SET_PASSWORD, tenant, user_id, hash)


def _stamps(evidence: Evidence) -> tuple[UUID, int, int]:
    return evidence.user_id, evidence.user_epoch, evidence.tenant_epoch


def _verdict(row: Record | None) -> Verdict:
    if row is None or not row["stands"]:
        return "ended"
    return "right" if row["took"] else "wrong"
