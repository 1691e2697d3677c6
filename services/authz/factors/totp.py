"""The one-time password of an authenticator (RFC 6238): setting it up, and accepting each step once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from authz.interaction import Evidence
from authz.login_ports import Credentials, Verdict
from identity_core import totp
from identity_core.audit import AuditRow
from identity_core.ids import uuid7
from identity_core.sealing import Sealer

# One step on each side of now: phones' clocks are not exact (RFC 6238 §5.2).
WINDOW: Final = 1


@dataclass(frozen=True, slots=True)
class Enrollment:
    """A credential in the making: its id and sealed secret, kept by the interaction until a code proves it."""

    id: UUID
    sealed: bytes


def begin_enrollment(sealer: Sealer, tenant: UUID, user_id: UUID) -> Enrollment:
    """A new secret of 160 bits, sealed for the row it may become."""
    credential = uuid7()
    return Enrollment(credential, sealer.seal(totp.new_secret(), _place(tenant, user_id, credential)))


def secret_of(sealer: Sealer, tenant: UUID, user_id: UUID, enrollment: Enrollment) -> bytes:
    """The secret to show while it is being set up. Raises SealError."""
    return sealer.unseal(enrollment.sealed, _place(tenant, user_id, enrollment.id))


async def confirm_enrollment(
    credentials: Credentials,
    sealer: Sealer,
    tenant: UUID,
    evidence: Evidence,
    enrollment: Enrollment,
    code: str,
    now_s: float,
    audit: AuditRow,
) -> Verdict:
    """Keep the credential if the code is right and the evidence before it still stands; its step counts as used.

    At most one transaction. Raises SealError.
    """
    secret = secret_of(sealer, tenant, evidence.user_id, enrollment)
    step = totp.matching_step(secret, code, now_s, WINDOW)
    if step is None:
        return "wrong"
    return await credentials.confirm_totp(tenant, evidence, enrollment.id, enrollment.sealed, step, audit)


async def check_code(
    credentials: Credentials, sealer: Sealer, tenant: UUID, evidence: Evidence, code: str, now_s: float
) -> Verdict:
    """Whether this is the code of a step not accepted before. Two statements, or one. Raises SealError."""
    row = await credentials.totp_row(tenant, evidence.user_id)
    if row is None:
        return "wrong"
    secret = sealer.unseal(row.sealed, _place(tenant, evidence.user_id, row.id))
    step = totp.matching_step(secret, code, now_s, WINDOW)
    return "wrong" if step is None else await credentials.accept_step(tenant, evidence, row.id, step)


def _place(tenant: UUID, user_id: UUID, credential: UUID) -> bytes:
    return f"totp:{tenant}:{user_id}:{credential}".encode()
