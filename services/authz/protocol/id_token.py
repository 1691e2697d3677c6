"""ID tokens: who signed in, when and how (OIDC Core §2, §3.1.3.6, §12.2). No profile data: that is userinfo's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from identity_core.jose import at_hash


@dataclass(frozen=True, slots=True)
class IdTokenFacts:
    """What one ID token says. Times in seconds since 1970. `nonce` is None in a refreshed one (OIDC Core §12.2)."""

    issuer: str
    subject: str
    client_id: str
    issued_at: int
    expires_at: int
    auth_time: int
    acr: str | None
    amr: tuple[str, ...]
    sid: str | None
    nonce: str | None


def id_token_claims(facts: IdTokenFacts, access_token: str, alg: str) -> dict[str, Any]:
    """The claims; `alg` is the signature's, on which `at_hash` depends. `azp` is not needed for one audience."""
    claims: dict[str, Any] = {
        "iss": facts.issuer,
        "sub": facts.subject,
        "aud": facts.client_id,
        "iat": facts.issued_at,
        "exp": facts.expires_at,
        "auth_time": facts.auth_time,
        "at_hash": at_hash(access_token, alg),
    }
    optional = (("nonce", facts.nonce), ("acr", facts.acr), ("amr", list(facts.amr)), ("sid", facts.sid))
    claims.update({name: value for name, value in optional if value not in (None, "", [])})
    return claims
