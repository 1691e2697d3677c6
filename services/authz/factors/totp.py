"""The one-time password of an authenticator (RFC 6238): setting it up, and accepting each step once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from authz.login_ports import Credentials
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
    user_id: UUID,
    enrollment: Enrollment,
    code: str,
    now_s: float,
    audit: AuditRow,
) -> bool:
    """Keep the credential if the code is right; its step counts as used. At most one transaction. Raises SealError."""
    secret = secret_of(sealer, tenant, user_id, enrollment)
    step = totp.matching_step(secret, code, now_s, WINDOW)
    if step is None:
        return False
    return await credentials.confirm_totp(tenant, user_id, enrollment.id, enrollment.sealed, step, audit)


async def check_code(
    credentials: Credentials, sealer: Sealer, tenant: UUID, user_id: UUID, code: str, now_s: float
) -> bool:
    """Whether this is the code of a step not accepted before. Two statements, or one. Raises SealError."""
    row = await credentials.totp_row(tenant, user_id)
    if row is None:
        return False
    step = totp.matching_step(sealer.unseal(row.sealed, _place(tenant, user_id, row.id)), code, now_s, WINDOW)
    return step is not None and await credentials.accept_step(tenant, user_id, row.id, step)


def _place(tenant: UUID, user_id: UUID, credential: UUID) -> bytes:
    return f"totp:{tenant}:{user_id}:{credential}".encode()
