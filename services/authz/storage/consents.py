"""What people have allowed to clients, read together with what the directory says of them."""

from __future__ import annotations

from uuid import UUID

from authz.interaction import SubjectFacts
from authz.login_ports import Subject
from identity_core.audit import AuditRow, write_audit
from identity_core.db import Pool, retry_on_stale_plan, transaction

SUBJECT = """
SELECT s.username, s.active,
       EXISTS (SELECT FROM authz.totp_credential t
               WHERE t.tenant = s.tenant AND t.user_id = s.subject AND t.confirmed_at IS NOT NULL) AS has_totp,
       c.scopes
FROM directory.subject_v1 s
LEFT JOIN authz.consent c ON c.tenant = s.tenant AND c.user_id = s.subject AND c.client_id = $3
WHERE s.tenant = $1 AND s.subject = $2
"""

ALLOW = """
INSERT INTO authz.consent AS c (tenant, user_id, client_id, scopes) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, user_id, client_id) DO UPDATE
    SET scopes = ARRAY(SELECT unnest(c.scopes) UNION SELECT unnest(excluded.scopes) ORDER BY 1), granted_at = now()
"""


class ConsentStore:
    """Raises PostgreSQL's faults (503)."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def subject(self, tenant: UUID, user_id: UUID, client_id: str) -> Subject | None:
        """The person and what they allowed to this client. One statement."""
        row = await retry_on_stale_plan(lambda: self._pool.fetchrow(SUBJECT, tenant, user_id, client_id))
        if row is None:
            return None
        remembered = None if row["scopes"] is None else frozenset(row["scopes"])
        return Subject(row["username"], SubjectFacts(row["active"], row["has_totp"], remembered))

    async def allow(
        self, tenant: UUID, user_id: UUID, client_id: str, scopes: tuple[str, ...], audit: AuditRow
    ) -> None:
        """Remember the answer. One transaction of two statements."""
        async with transaction(self._pool) as connection:
            await connection.execute(ALLOW, tenant, user_id, client_id, list(scopes))
            await write_audit(connection, "authz", audit)
