"""Users: their own rules, and how a user lies in its row."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from identity_core.passwords import acceptable
from identity_core.usernames import username_key
from scim.protocol.attributes import ResourceSchema
from scim.protocol.claims import chosen_email, chosen_phone, standard_claims
from scim.protocol.errors import ScimError, invalid_value
from scim.resource_types.kinds import ResourceType
from scim.resource_types.user_schemas import CORE, ENTERPRISE, OIDC, OIDC_URN

# What an index row of PostgreSQL holds with room to spare.
MAX_KEY_BYTES = 1024
_BIRTHDATE = re.compile(r"[0-9]{4}(-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))?")
_PRODUCT = "gatehouse"


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user's columns besides id, version and times."""

    user_name: str
    user_name_key: str
    external_id: str | None
    active: bool
    resource: dict[str, Any]
    email_verified: bool | None
    phone_number_verified: bool | None
    gender: str | None
    birthdate: str | None
    website: str | None
    claims: dict[str, Any]


def to_row(resource: Mapping[str, Any], modified_at: datetime) -> UserRow:
    """The columns of a user that `check` has let pass."""
    oidc = resource.get(OIDC_URN, {})
    return UserRow(
        user_name=resource["userName"],
        user_name_key=username_key(resource["userName"]),
        external_id=resource.get("externalId"),
        active=resource["active"],
        resource={name: value for name, value in resource.items() if name != OIDC_URN},
        email_verified=oidc.get("emailVerified"),
        phone_number_verified=oidc.get("phoneNumberVerified"),
        gender=oidc.get("gender"),
        birthdate=oidc.get("birthdate"),
        website=oidc.get("website"),
        claims=standard_claims(resource, oidc, int(modified_at.timestamp())),
    )


def from_row(resource: dict[str, Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    """The user again: the stored resource with the extension that lies in columns."""
    oidc = {name: value for name, column in _OIDC_COLUMNS.items() if (value := columns[column]) is not None}
    return resource | {OIDC_URN: oidc} if oidc else resource


def check_user(resource: Mapping[str, Any], write_only: Mapping[str, Any]) -> ScimError | None:
    """What the schema does not say: lengths of what is looked up, the form of a birthdate, the password policy."""
    user_name = resource.get("userName")
    if user_name is not None:
        key = username_key(user_name)
        if not key or len(key.encode()) > MAX_KEY_BYTES:
            return invalid_value("userName is empty or too long")
    if len(resource.get("externalId", "").encode()) > MAX_KEY_BYTES:
        return invalid_value("externalId is too long")
    birthdate = resource.get(OIDC_URN, {}).get("birthdate")
    if birthdate is not None and not _BIRTHDATE.fullmatch(birthdate):
        return invalid_value("birthdate must be YYYY-MM-DD or YYYY")
    password = write_only.get("password")
    if password is None:
        return None
    words = (user_name, user_name.partition("@")[0]) if user_name else ()
    fault = acceptable(password, context_words=(_PRODUCT, *words))
    return invalid_value(f"password: {fault}") if fault else None


def settle_user(
    before: Mapping[str, Any] | None, after: dict[str, Any], touched: frozenset[str] | None
) -> dict[str, Any]:
    """`active` is never unassigned: it stays as it was, and is true at first. A verification covers the address it was
    made for: a PATCH that changes the address without a word about it takes it back."""
    settled = after
    if "active" not in settled:
        settled = settled | {"active": before.get("active", True) if before else True}
    if before is None or touched is None or OIDC_URN in touched:
        return settled
    for name, chosen in (("emailVerified", chosen_email), ("phoneNumberVerified", chosen_phone)):
        oidc = settled.get(OIDC_URN, {})
        if name in oidc and f"{OIDC_URN}:{name}" not in touched and chosen(before) != chosen(settled):
            kept = {each: value for each, value in oidc.items() if each != name}
            settled = {each: value for each, value in settled.items() if each != OIDC_URN}
            settled |= {OIDC_URN: kept} if kept else {}
    return settled


_OIDC_COLUMNS = {
    "emailVerified": "email_verified",
    "phoneNumberVerified": "phone_number_verified",
    "gender": "gender",
    "birthdate": "birthdate",
    "website": "website",
}

USER = ResourceType(
    name="User",
    endpoint="/Users",
    description="User Account",
    schema=ResourceSchema.of(CORE, (ENTERPRISE, OIDC)),
    documents=(CORE, ENTERPRISE, OIDC),
    lookups={"username": "userName", "externalid": "externalId", "id": "id"},
    check=check_user,
    settle=settle_user,
)
