"""The standard claims of OpenID Connect (Core §5.1) that a SCIM user gives rise to."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_BIRTHDATE = re.compile(r"[0-9]{4}(-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))?")
_ADDRESS = {
    "formatted": "formatted",
    "street_address": "streetAddress",
    "locality": "locality",
    "region": "region",
    "postal_code": "postalCode",
    "country": "country",
}


def standard_claims(user: Mapping[str, Any], oidc: Mapping[str, Any], updated_at: int) -> dict[str, Any]:
    """The claims of `user` with its `oidc` extension; `updated_at` in seconds since 1970. Nothing is null or empty.

    `email_verified` and `phone_number_verified` stand beside their value only, and are false until somebody vouched.
    """
    name = user.get("name") or {}
    email, phone = _chosen(user.get("emails")), _chosen(user.get("phoneNumbers"))
    address = _chosen_entry(user.get("addresses"))
    claims: dict[str, Any] = {
        "name": name.get("formatted") or user.get("displayName") or _joined(name),
        "given_name": name.get("givenName"),
        "family_name": name.get("familyName"),
        "middle_name": name.get("middleName"),
        "nickname": user.get("nickName"),
        "preferred_username": user.get("userName"),
        "profile": user.get("profileUrl"),
        "picture": _chosen(user.get("photos"), kind="photo"),
        "website": oidc.get("website"),
        "email": email,
        "gender": oidc.get("gender"),
        "birthdate": _birthdate(oidc.get("birthdate")),
        "zoneinfo": user.get("timezone"),
        "locale": user.get("locale") or user.get("preferredLanguage"),
        "phone_number": phone.removeprefix("tel:") if phone else None,
        "address": {claim: value for claim, sub in _ADDRESS.items() if (value := address.get(sub))},
    }
    claims = {claim: value for claim, value in claims.items() if value and _spoken(value)}
    if "email" in claims:
        claims["email_verified"] = oidc.get("emailVerified") is True
    if "phone_number" in claims:
        claims["phone_number_verified"] = oidc.get("phoneNumberVerified") is True
    claims["updated_at"] = updated_at
    return claims


def chosen_email(user: Mapping[str, Any]) -> str | None:
    """The address that the `email` claim names."""
    return _chosen(user.get("emails"))


def chosen_phone(user: Mapping[str, Any]) -> str | None:
    """The number that the `phone_number` claim names, as it is kept."""
    return _chosen(user.get("phoneNumbers"))


def _birthdate(text: str | None) -> str | None:
    """A date in another form is kept as it was sent, but it is no birthdate claim."""
    return text if text and _BIRTHDATE.fullmatch(text) else None


def _joined(name: Mapping[str, Any]) -> str:
    parts = (name.get(part) for part in ("givenName", "middleName", "familyName"))
    return " ".join(part for part in parts if part)


def _chosen(entries: Sequence[Mapping[str, Any]] | None, *, kind: str = "work") -> str | None:
    value = _chosen_entry([entry for entry in entries or () if entry.get("value")], kind=kind).get("value")
    return value if isinstance(value, str) else None


def _chosen_entry(entries: Sequence[Mapping[str, Any]] | None, *, kind: str = "work") -> Mapping[str, Any]:
    """The primary entry, else the one for work (or of `kind`), else the first."""
    entries = entries or ()
    for entry in entries:
        if entry.get("primary") is True:
            return entry
    for entry in entries:
        if str(entry.get("type", "")).lower() == kind:
            return entry
    return entries[0] if entries else {}


def _spoken(value: Any) -> bool:
    return not isinstance(value, str) or bool(value.strip())
