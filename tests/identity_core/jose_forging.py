"""Tokens as an attacker or a careless peer makes them: any header, any payload, any signature."""

import json
from typing import Any

from identity_core import base64url, jose
from identity_core.jose.algorithms import BY_NAME
from identity_core.testing.keys import public_keys, signing_key

ISSUER = "https://id.example.org"
AUDIENCE = "https://api.example.org"
NOW = 1_800_000_000.0
KEY = signing_key("ES256")
KEYS = public_keys(KEY)
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "alice",
    "aud": [AUDIENCE],
    "iat": int(NOW) - 10,
    "exp": int(NOW) + 300,
}


def header(key: jose.SigningKey = KEY, **changes: Any) -> dict[str, Any]:
    """The header `jose.sign` would write, with changes; a None leaves a member out."""
    members = {"alg": key.alg, "kid": key.kid, "typ": "at+jwt", **changes}
    return {name: value for name, value in members.items() if value is not None}


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims with changes; a None leaves a claim out."""
    return {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}


def as_bytes(value: Any) -> bytes:
    """JSON of a value; bytes are taken as they are."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def forge(head: Any, payload: Any, key: jose.SigningKey = KEY) -> str:
    """A token of exactly these bytes with a true signature of `key`, whatever the header says."""
    message = f"{base64url.encode(as_bytes(head))}.{base64url.encode(as_bytes(payload))}"
    return f"{message}.{base64url.encode(BY_NAME[key.alg].sign(message.encode(), key.native))}"


def check(token: str, **changes: Any) -> jose.VerifiedClaims | jose.Refusal:
    """`jose.verify` with what fits `CLAIMS`."""
    rules: dict[str, Any] = {
        "typ": frozenset({"at+jwt"}),
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "now": NOW,
        **changes,
    }
    keys = rules.pop("keys", KEYS)
    return jose.verify(token, keys, **rules)


def reason(token: str, **changes: Any) -> jose.Reason | None:
    """The reason of the refusal, None if the token was taken."""
    answer = check(token, **changes)
    return answer.reason if isinstance(answer, jose.Refusal) else None
