"""A resource server's view of a JWT access token, by joserfc and the RFC alone: nothing of ours judges itself here."""

from __future__ import annotations

import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet

from identity_core.testing.stack import House


async def verified_access_token(house: House, token: str) -> dict[str, Any]:
    """The claims, after the checks of RFC 9068 §4 with the keys the provider publishes."""
    async with house.http() as http:
        metadata = (await http.get(f"{house.issuer}/.well-known/oauth-authorization-server")).raise_for_status().json()
        keys = KeySet.import_key_set((await http.get(metadata["jwks_uri"])).raise_for_status().json())
    decoded = jwt.decode(token, keys, algorithms=metadata["id_token_signing_alg_values_supported"])
    assert decoded.header["typ"] == "at+jwt"
    claims = dict(decoded.claims)
    assert claims["iss"] == metadata["issuer"] == house.issuer
    assert house.issuer in ([claims["aud"]] if isinstance(claims["aud"], str) else claims["aud"])
    assert claims["iat"] - 120 < time.time() < claims["exp"]
    assert {"sub", "client_id", "jti", "scope"} <= claims.keys()
    return claims
