"""Making signed tokens."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from identity_core import base64url
from identity_core.jose.algorithms import BY_NAME
from identity_core.jose.keys import SigningKey


def sign(key: SigningKey, claims: Mapping[str, Any], typ: str) -> str:
    """The compact JWS of `claims` (RFC 7515 §7.1) with the header's `typ` (`JWT`, `at+jwt`, `logout+jwt`, …).

    The claims are taken as they are. Raises TypeError for a value that JSON cannot hold.
    """
    payload = base64url.encode(orjson.dumps(claims if isinstance(claims, dict) else dict(claims)))
    message = f"{_header(key.alg, key.kid, typ)}.{payload}"
    signature = BY_NAME[key.alg].sign(message.encode("ascii"), key.native)
    return f"{message}.{base64url.encode(signature)}"


def at_hash(token: str, alg: str) -> str:
    """The left half of the token's hash, for `at_hash`, `c_hash` and `s_hash` (OIDC Core §3.1.3.6).

    SHA-256 for RS256, PS256 and ES256, SHA-512 for EdDSA with Ed25519. Raises ValueError for an unknown
    algorithm: a check that cannot be made is not a check that succeeded.
    """
    algorithm = BY_NAME.get(alg)
    if algorithm is None:
        raise ValueError("There is no token hash for this algorithm.")
    digest = hashlib.new(algorithm.half_hash, token.encode("ascii")).digest()
    return base64url.encode(digest[: len(digest) // 2])


@lru_cache(maxsize=256)
def _header(alg: str, kid: str, typ: str) -> str:
    return base64url.encode(orjson.dumps({"alg": alg, "kid": kid, "typ": typ}))
