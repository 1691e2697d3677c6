"""RP-Initiated Logout: what a request means, and what of it may be believed (OIDC RP-Initiated Logout 1.0 §2, §3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Hint:
    """A verified `id_token_hint`: issued here, whenever. `audience` are the clients it was issued to."""

    subject: str
    audience: tuple[str, ...]
    sid: str | None

    @classmethod
    def of(cls, claims: Mapping[str, Any], audience: tuple[str, ...]) -> Hint | None:
        """The hint of verified claims, None when they are not an ID token's."""
        subject, sid = claims.get("sub"), claims.get("sid")
        # An access token for ourselves is signed by the same keys, but is about a client's right, not a sign-in.
        if not isinstance(subject, str) or not audience or "client_id" in claims or "scope" in claims:
            return None
        return cls(subject, audience, sid if isinstance(sid, str) else None)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The session of this browser; `sid` is its name for the client that asks, None without such a client."""

    user_id: UUID
    sid: str | None


def client_asked(client_id: str | None, hint: Hint | None) -> str | bool | None:
    """The client that asks: named outright, or the one the hint was issued to. None when nobody says who; False when
    they contradict each other (§2: the OP must verify that the client identifier matches)."""
    if hint is None:
        return client_id
    if client_id is None:
        return hint.audience[0] if len(hint.audience) == 1 else None
    return client_id if client_id in hint.audience else False


def may_end_at_once(signed_in: SignedIn, hint: Hint | None) -> bool:
    """Whether the request proves that the client knows this very session; otherwise the person is asked, so that no
    page can sign people out (§2, §6; ASVS 10.6.2)."""
    if hint is None or hint.subject != str(signed_in.user_id):
        return False
    return hint.sid is None or hint.sid == signed_in.sid


def redirect_allowed(uri: str | None, registered: tuple[str, ...]) -> bool:
    """Exact comparison with what the client has registered (§3)."""
    return uri is not None and uri in registered
