"""Consent: when a person is asked, and what they are told (OIDC Core §3.1.2.4, RFC 8252 §8.6, RFC 9700 §4.14)."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "openid": ("Confirm who you are", "An identifier for your account"),
    "profile": ("See your profile", "Name, user name, picture, language and time zone"),
    "email": ("See your e-mail address", "And whether it has been verified"),
    "address": ("See your postal address", ""),
    "phone": ("See your phone number", "And whether it has been verified"),
    "offline_access": ("Stay connected when you are away", "It keeps this access until you or an administrator end it"),
    "scim": ("Manage the directory", "Read and change users and groups"),
    "sessions:read": ("See who is signed in", "Sessions of every account"),
    "sessions:revoke": ("Sign people out", "End sessions of every account"),
    "clients:read": ("See registered applications", ""),
    "clients:write": ("Register and change applications", ""),
    "tenants:read": ("See tenants", ""),
    "tenants:write": ("Create and change tenants", ""),
    "keys:rotate": ("Rotate signing keys", ""),
    "audit:read": ("Read the audit log", ""),
    "users:read": ("See people's sign-in settings", ""),
    "users:write": ("Change people's sign-in settings", ""),
}


@dataclass(frozen=True, slots=True)
class ScopeInWords:
    """One line of the consent page."""

    scope: str
    title: str
    detail: str


def in_words(scopes: Iterable[str]) -> tuple[ScopeInWords, ...]:
    """What each scope lets the application do; one without words of its own is shown by name, never hidden."""
    return tuple(ScopeInWords(scope, *_WORDS.get(scope, (scope, "An additional permission"))) for scope in scopes)


def needs_consent(
    scopes: AbstractSet[str],
    remembered: AbstractSet[str] | None,
    *,
    first_party: bool,
    identity_assured: bool,
    asked_for: bool,
) -> bool:
    """Whether the person must be asked now.

    `remembered`: the scopes allowed earlier to this client (None: never asked); they must cover all that is
    requested. `asked_for`: `prompt=consent`. `identity_assured`: the client authenticates itself or answers at an https
    address of its own; any program may pose as another public client, so for those neither an earlier answer nor being
    ours (`first_party`) counts (CVE-2023-34246, RFC 8252 §8.6).
    """
    if asked_for or not identity_assured:
        return True
    return not first_party and (remembered is None or not scopes <= remembered)
