"""Access tokens: what they say (RFC 9068) and how one is read back before its standing is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from authz.protocol.scope import scope_text
from identity_core.contracts.stamps import Binding
from identity_core.jose import PublicKey, Refusal, verify

TYPE: Final = "at+jwt"
CLIENT_SUBJECT: Final = "client:"
"""Begins the `sub` of a client's own token, so that it cannot collide with a person's UUID (RFC 9700 §4.15)."""


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What a token says, whichever its form. Times in seconds since 1970; `acr` None and `amr` () for clients."""

    issuer: str
    subject: str
    client_id: str
    audience: tuple[str, ...]
    scopes: tuple[str, ...]
    issued_at: int
    expires_at: int
    jti: str
    auth_time: int | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    sid: str | None = None

    @property
    def user_id(self) -> UUID | None:
        """The person, or None for a client's own token."""
        return user_of(self.subject)


@dataclass(frozen=True, slots=True)
class ReadToken:
    """A token of ours whose signature, dates and form are right; whether it is alive is another question."""

    facts: TokenFacts
    binding: Binding


def subject_of(user_id: UUID | None, client_id: str) -> str:
    """The `sub` of a token."""
    return CLIENT_SUBJECT + client_id if user_id is None else str(user_id)


def user_of(subject: str) -> UUID | None:
    """The person of a `sub`, or None."""
    if subject.startswith(CLIENT_SUBJECT):
        return None
    try:
        return UUID(subject)
    except ValueError:
        return None


def token_claims(facts: TokenFacts) -> dict[str, Any]:
    """The claims of RFC 9068 §2.2, without what is absent."""
    claims: dict[str, Any] = {
        "iss": facts.issuer,
        "sub": facts.subject,
        "aud": facts.audience[0] if len(facts.audience) == 1 else list(facts.audience),
        "client_id": facts.client_id,
        "iat": facts.issued_at,
        "exp": facts.expires_at,
        "jti": facts.jti,
    }
    optional = (
        ("scope", scope_text(facts.scopes)), ("auth_time", facts.auth_time), ("acr", facts.acr),
        ("amr", list(facts.amr)), ("sid", facts.sid),
    )  # fmt: skip
    claims.update({name: value for name, value in optional if value not in (None, "", [])})
    return claims


def facts_of(claims: Mapping[str, Any]) -> TokenFacts | None:
    """The facts in claims that `token_claims` wrote; None when a member is missing or of another type."""
    aud = claims.get("aud")
    audience = (aud,) if isinstance(aud, str) else tuple(aud) if isinstance(aud, list) else ()
    texts = [claims.get(name) for name in ("iss", "sub", "client_id", "jti")]
    times = [claims.get("iat"), claims.get("exp")]
    scope, amr = claims.get("scope", ""), claims.get("amr", [])
    if not all(isinstance(text, str) and text for text in (*texts, *audience)) or not audience:
        return None
    if not all(isinstance(time, int) for time in times) or not isinstance(scope, str) or not isinstance(amr, list):
        return None
    if user_of(claims["sub"]) is None and claims["sub"] != subject_of(None, claims["client_id"]):
        return None
    return TokenFacts(
        issuer=claims["iss"],
        subject=claims["sub"],
        client_id=claims["client_id"],
        audience=audience,
        scopes=tuple(scope.split()),
        issued_at=claims["iat"],
        expires_at=claims["exp"],
        jti=claims["jti"],
        auth_time=claims.get("auth_time"),
        acr=claims.get("acr"),
        amr=tuple(amr),
        sid=claims.get("sid"),
    )


def read_jwt(token: str, keys: Mapping[str, PublicKey], *, issuer: str, now: float) -> ReadToken | None:
    """A JWT access token of `issuer`, if everything but its standing is right (RFC 9068 §4). Any audience."""
    verified = verify(token, keys, typ=frozenset({TYPE}), issuer=issuer, audience=None, now=now)
    if isinstance(verified, Refusal):
        return None
    facts, binding = facts_of(verified.claims), Binding.from_claim(verified.claims.get("gh"))
    return None if facts is None or binding is None else ReadToken(facts, binding)
