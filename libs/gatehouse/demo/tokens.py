"""Tokens and claims made readable. For display only: nothing here verifies anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from identity_core import base64url

_NOTES = {
    "iss": "who says so",
    "sub": "the person, by a name that never changes",
    "aud": "for whom it is meant",
    "exp": "good until",
    "iat": "made at",
    "nbf": "not before",
    "auth_time": "when the person signed in",
    "nonce": "ties it to this browser's request",
    "acr": "how strong the sign-in was",
    "amr": "by what means",
    "azp": "the client it was made for",
    "at_hash": "ties it to the access token",
    "sid": "the session, as this application knows it",
    "jti": "its own name",
    "client_id": "the client that asked",
    "scope": "what it allows",
    "gh": "revocation stamps",
}
_TIMES = frozenset({"exp", "iat", "nbf", "auth_time", "updated_at"})


@dataclass(frozen=True)
class Claim:
    """One line of a table."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class TokenView:
    """A token for a reader: `header` and `claims` are empty when it is opaque."""

    title: str
    kind: str
    raw: str
    header: str
    claims: tuple[Claim, ...]


def view(title: str, token: str, now: datetime) -> TokenView:
    """What a token says, if it is a JWT (RFC 7519 §3)."""
    parts = token.split(".")
    header, payload = (_object(part) for part in parts[:2]) if len(parts) == 3 else (None, None)
    if header is None or payload is None:
        return TokenView(title, "opaque: it says nothing by itself", token, "", ())
    algorithm, kind = header.get("alg", "?"), header.get("typ", "JWT")
    return TokenView(title, f"{kind}, {algorithm}", token, json.dumps(header), rows(payload, now))


def rows(claims: Mapping[str, Any], now: datetime) -> tuple[Claim, ...]:
    """Claims as lines, times in words."""
    return tuple(
        Claim(name, _time(value, now) if name in _TIMES else _text(value), _NOTES.get(name, ""))
        for name, value in claims.items()
    )


def _object(part: str) -> dict[str, Any] | None:
    raw = base64url.decode(part)
    try:
        value = None if raw is None else json.loads(raw)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    if isinstance(value, dict) and isinstance(value.get("formatted"), str):
        return str(value["formatted"])  # OIDC Core §5.1.1
    return json.dumps(value, ensure_ascii=False)


def _time(value: Any, now: datetime) -> str:
    try:
        moment = datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return _text(value)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC ({_distance((moment - now).total_seconds())})"


def _distance(seconds: float) -> str:
    size = abs(seconds)
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count = int(size // length)
        if count:
            span = f"{count} {unit}{'s' if count != 1 else ''}"
            return f"in {span}" if seconds > 0 else f"{span} ago"
    return "now"
