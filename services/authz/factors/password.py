"""The password: one statement, one hash, and the same of both whether the person exists or not."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from authz.interaction import PASSWORD, Evidence
from authz.login_ports import Credentials, PasswordRow
from identity_core.passwords import Overloaded, PasswordHasher
from identity_core.usernames import username_key

MAX_USERNAME = 512


@dataclass(frozen=True, slots=True)
class PasswordAnswer:
    """`evidence` is None when the sign-in is refused; `user_id` then says (to the audit alone) whom it was about."""

    user_id: UUID | None
    evidence: Evidence | None


def account_key(username: str) -> str:
    """The name under which attempts are counted: every spelling of one user name is one account (CVE-2025-24806)."""
    return username_key(username[: MAX_USERNAME + 1])


async def check_password(
    credentials: Credentials, hasher: PasswordHasher, tenant: UUID, username: str, password: str, now_ms: int
) -> PasswordAnswer:
    """Evidence, if the name, the password and the account's standing are all right.

    An unknown name, an inactive account, one without a password and a wrong password cost one statement and one hash
    each and are told apart by nobody. Raises Overloaded (503) and PostgreSQL's faults.
    """
    row = await credentials.password_row(tenant, account_key(username))
    usable = row if row is not None and row.active else None
    verdict = await hasher.verify(usable.password_hash if usable else None, password)
    user_id = None if row is None else row.user_id
    if usable is None or usable.password_hash is None or not verdict.ok:
        return PasswordAnswer(user_id, None)
    if verdict.needs_rehash:
        await _rehash(credentials, hasher, tenant, usable, usable.password_hash, password)
    evidence = Evidence(
        user_id=usable.user_id,
        username=usable.username,
        user_epoch=usable.user_epoch,
        tenant_epoch=usable.tenant_epoch,
        amr=(PASSWORD,),
        has_totp=usable.has_totp,
        proven_ms=now_ms,
    )
    return PasswordAnswer(user_id, evidence)


async def _rehash(
    credentials: Credentials, hasher: PasswordHasher, tenant: UUID, row: PasswordRow, old: str, password: str
) -> None:
    # Newer parameters can wait for the next sign-in when hashing is busy.
    with suppress(Overloaded):
        await credentials.replace_hash(tenant, row.user_id, old, await hasher.hash(password))
