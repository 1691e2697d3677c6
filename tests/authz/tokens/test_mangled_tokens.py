"""Row 36: every prefix of a token and every flipped bit of it is refused, for each kind of token."""

import base64
from collections.abc import Iterator

import pytest

from authz.http.presented import live_token
from authz.protocol.client_auth import authenticated, presented_client
from authz.protocol.errors import OAuthError
from identity_core.secrets import AuthorizationCode, verify_refresh
from tests.authz.world import TENANT, World


def _prefixes(token: str) -> Iterator[str]:
    for length in range(len(token)):
        yield token[:length]
    yield from (token + "A", token + "=", token + ".", " " + token, token + "\n")


def _flips(token: str) -> Iterator[str]:
    raw = token.encode("ascii")
    for place in range(len(raw)):
        for bit in range(7):
            flipped = bytearray(raw)
            flipped[place] ^= 1 << bit
            yield flipped.decode("ascii")


def _mangled(token: str) -> list[str]:
    return [text for text in (*_prefixes(token), *_flips(token)) if text != token]


@pytest.mark.parametrize("format_", ["jwt", "opaque"])
async def test_row_36_a_mangled_access_token_is_refused(world: World, format_: str) -> None:
    client = await world.client(access_token_format=format_)
    token = (await world.tokens(client))["access_token"]
    tenant = await world.resources.tenants.by_slug(None)
    assert tenant is not None
    mangled = _mangled(token)
    for text in mangled if format_ == "opaque" else mangled[::7]:
        assert await live_token(world.resources, tenant, text) is None, text
    assert await live_token(world.resources, tenant, token) is not None


async def test_row_36_a_mangled_refresh_token_is_refused_and_ends_nothing(world: World) -> None:
    client = await world.client()
    token = (await world.tokens(client))["refresh_token"]
    ring = await world.resources.keys.ring(TENANT)
    for text in _mangled(token):
        assert verify_refresh(ring.mac, TENANT, text) is None, text
    assert (await world.refresh(client, token[:-1])).json()["error"] == "invalid_grant"
    assert (await world.refresh(client, token)).status_code == 200


async def test_row_36_a_mangled_code_is_refused_and_burns_nothing(world: World) -> None:
    client = await world.client()
    code = await world.code(client)
    for text in _mangled(code):
        parsed = AuthorizationCode.parse(text)
        assert parsed is None or await world.resources.codes.take(TENANT, parsed) is None, text
    assert (await world.redeem(client, code[:-1])).json()["error"] == "invalid_grant"
    assert (await world.redeem(client, code)).status_code == 200


async def test_row_36_a_mangled_client_secret_is_refused(world: World) -> None:
    made = await world.client()
    assert made.client_secret is not None
    client = await world.resources.clients.get(TENANT, made.client_id)
    for text in _mangled(made.client_secret):
        presented = presented_client(None, {"client_id": made.client_id, "client_secret": text})
        outcome = presented if isinstance(presented, OAuthError) else authenticated(presented, client)
        assert isinstance(outcome, OAuthError)


async def test_a_jwt_with_re_spelt_base64_is_refused(world: World) -> None:
    token = (await world.tokens(await world.client()))["access_token"]
    head, payload, signature = token.split(".")
    padded = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    standard = base64.b64encode(padded).decode()
    for text in (f"{head}.{payload}.{standard}", f"{head}.{payload}.{signature}=", f"{head}.{payload}.", f"{head}.."):
        if text != token:
            assert (await world.userinfo(text)).status_code in (400, 401)
