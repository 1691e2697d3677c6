"""Users: their own rules, and how a user lies in its row."""

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
        active=resource.get("active") is True,
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
    """What the schema does not say: lengths of what is looked up, and the password policy."""
    user_name = resource.get("userName")
    if user_name is not None:
        key = username_key(user_name)
        if not key or len(key.encode()) > MAX_KEY_BYTES:
            return invalid_value("userName is empty or too long")
    if len(resource.get("externalId", "").encode()) > MAX_KEY_BYTES:
        return invalid_value("externalId is too long")
    password = write_only.get("password")
    if password is None:
        return None
    words = (user_name, user_name.partition("@")[0]) if user_name else ()
    fault = acceptable(password, context_words=(_PRODUCT, *words))
    return invalid_value(f"password: {fault}") if fault else None


def settle_user(
    before: Mapping[str, Any] | None, after: dict[str, Any], touched: frozenset[str] | None
) -> dict[str, Any]:
    """A new user is active unless it is said otherwise, and a PUT that says nothing of it leaves it as it was; a PATCH
    that unassigns it ends it: active is who is said to be. A verification covers the address it was made for: a PATCH
    that changes the address without a word about it takes it back."""
    settled = after
    if "active" not in settled and touched is None:
        settled = settled | {"active": before is None or before.get("active") is True}
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
