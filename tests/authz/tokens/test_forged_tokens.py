"""Rows 40 to 46 at the endpoints: what anybody but us has made is no token, whatever it says of itself."""

import hashlib
import hmac
import time
from typing import Any

import orjson
import pytest

from authz.protocol.access_token import TYPE
from identity_core import base64url, jose
from identity_core.testing.keys import signing_key
from tests.authz.world import ISSUER, World


def _jws(header: dict[str, Any], claims: dict[str, Any], signature: bytes) -> tuple[str, str]:
    message = f"{base64url.encode(orjson.dumps(header))}.{base64url.encode(orjson.dumps(claims))}"
    return message, f"{message}.{base64url.encode(signature)}"


async def _refused_everywhere(world: World, client: Any, token: str) -> bool:
    userinfo = await world.userinfo(token)
    assert userinfo.status_code == 401, userinfo.text
    assert not await world.active(client, token)
    assert (await world.post("/revoke", client, token=token)).status_code == 200
    assert await world.owner.fetchval("SELECT count(*) FROM sessions.ledger") == 0
    return True


async def test_rows_40_to_44_a_token_of_another_hand_is_refused(world: World) -> None:
    client = await world.client()
    tokens = await world.tokens(client)
    claims, key = world.claims(tokens["access_token"]), signing_key("ES256")
    stranger = signing_key("ES256", "stranger")
    head = {"alg": "ES256", "kid": key.kid, "typ": TYPE}
    public = orjson.dumps(dict(key.public.jwk))
    forged = [_jws({**head, "alg": alg}, claims, b"")[1] for alg in ("none", "None", "nOnE", "")]
    message, _ = _jws({**head, "alg": "HS256"}, claims, b"")
    forged += [
        f"{message}.{base64url.encode(hmac.new(secret, message.encode(), hashlib.sha256).digest())}"
        for secret in (public, b"", key.kid.encode())
    ]
    forged.append(jose.sign(stranger, claims, TYPE))
    offers: list[dict[str, Any]] = [
        {"jwk": dict(stranger.public.jwk)},
        {"jku": "https://evil.example"},
        {"x5c": []},
        {"crit": ["exp"]},
    ]
    forged += [_jws({**head, **offer}, claims, b"x" * 64)[1] for offer in offers]
    forged.append(_jws({**head, "alg": "RS256"}, claims, b"x" * 256)[1])
    for token in forged:
        assert await _refused_everywhere(world, client, token)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"iss": ISSUER[:-1]},
        {"iss": ISSUER + "/"},
        {"exp": 1},
        {"iat": 32_503_680_000},
        {"gh": None},
        {"sub": "client:rp"},
        {"client_id": None},
    ],
)
async def test_row_46_a_token_of_our_key_but_of_no_issue_of_ours_is_refused(
    world: World, changes: dict[str, Any]
) -> None:
    client = await world.client()
    claims = world.claims((await world.tokens(client))["access_token"])
    good = jose.sign(signing_key("ES256"), {**claims, "iat": int(time.time())}, TYPE)
    assert (await world.userinfo(good)).status_code == 200
    token = jose.sign(signing_key("ES256"), {**claims, "iat": int(time.time()), **changes}, TYPE)
    assert await _refused_everywhere(world, client, token)


async def test_row_49_an_oversized_token_is_refused(world: World) -> None:
    client = await world.client()
    for token in ("a." + "b" * 20_000 + ".c", "x" * 30_000):
        assert not await world.active(client, token)
