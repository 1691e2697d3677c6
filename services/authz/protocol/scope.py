"""Scopes: reading, narrowing, and the claims each one opens (RFC 6749 §3.3, OIDC Core §5.4 and §11)."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from authz.protocol.errors import OAuthError, invalid_scope

OPENID: Final = "openid"
OFFLINE_ACCESS: Final = "offline_access"

# OIDC Core §5.4. `sub` comes with every answer and is not listed.
CLAIMS_BY_SCOPE: Final[Mapping[str, tuple[str, ...]]] = {
    "profile": (
        "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
        "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}  # fmt: skip

IDENTITY_SCOPES: Final = (OPENID, *CLAIMS_BY_SCOPE, OFFLINE_ACCESS)
"""Scopes about a person; a client acting for itself has none of them."""

DIRECTORY_SCOPES: Final = ("scim",)
SESSION_SCOPES: Final = ("sessions:read", "sessions:revoke")
ADMIN_SCOPES: Final = (
    "clients:read", "clients:write", "tenants:read", "tenants:write", "keys:rotate", "audit:read",
    "users:read", "users:write",
)  # fmt: skip
MACHINE_SCOPES: Final = (*DIRECTORY_SCOPES, *SESSION_SCOPES, *ADMIN_SCOPES)
SCOPES: Final = (*IDENTITY_SCOPES, *MACHINE_SCOPES)
"""Every scope there is."""

CLAIMS: Final = ("sub", *(claim for claims in CLAIMS_BY_SCOPE.values() for claim in claims))
"""Every claim that userinfo may answer."""

_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}")
_MAX_SCOPES = 50


def parse_scope(text: str | None) -> tuple[str, ...] | OAuthError:
    """The scope tokens of a `scope` parameter in their order, each once; () for None.

    `invalid_scope` when the text is not `scope-token *( SP scope-token )` (RFC 6749 §3.3) or has over 50 tokens.
    """
    if text is None:
        return ()
    tokens = text.split(" ")
    if len(tokens) > _MAX_SCOPES or not all(_TOKEN.fullmatch(token) for token in tokens):
        return invalid_scope("the scope is malformed")
    return tuple(dict.fromkeys(tokens))


def scope_text(scopes: Iterable[str]) -> str:
    """The scopes as they are written in a parameter, claim or answer."""
    return " ".join(scopes)


def allowed_scopes(requested: Iterable[str], allowed: Collection[str]) -> tuple[str, ...]:
    """The requested scopes that are allowed, in their order: what is unknown is left out (OIDC Core §3.1.2.1)."""
    return tuple(scope for scope in requested if scope in allowed)


def narrowed(requested: tuple[str, ...], granted: tuple[str, ...]) -> tuple[str, ...] | OAuthError:
    """The scopes of a refreshed token: what was granted, or a part of it, never more (RFC 6749 §6)."""
    if not requested:
        return granted
    if not set(requested) <= set(granted):
        return invalid_scope("the scope exceeds what was granted")
    return tuple(scope for scope in granted if scope in requested)


def claim_names(scopes: Iterable[str]) -> tuple[str, ...]:
    """The names of the claims these scopes open, without `sub`."""
    return tuple(claim for scope in scopes for claim in CLAIMS_BY_SCOPE.get(scope, ()))


def claims_for(scopes: Iterable[str], claims: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a person's claims these scopes open; null, empty and blank values are left out (OIDC Core §5.3.2)."""
    return {name: claims[name] for name in claim_names(scopes) if _said(claims.get(name))}


def _said(value: Any) -> bool:
    if value is None or value in ({}, []):
        return False
    return not isinstance(value, str) or bool(value.strip())
