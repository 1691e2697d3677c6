"""Attacks on tokens that find nothing: lent scopes, tokens in the wrong place, a revocation raced by a refresh."""

import asyncio

import pytest

from authz.protocol.pkce import s256
from authz.protocol.scope import MACHINE_SCOPES
from identity_core.testing.spec import spec
from tests.authz import conftest as rooms
from tests.authz.world import VERIFIER, World

make_settings, world = rooms.make_settings, rooms.world
EVERYTHING = " ".join(("openid", "offline_access", *MACHINE_SCOPES))


@spec("RFC 9700 §2.3")
async def test_no_person_lends_a_client_the_scopes_of_our_own_apis(world: World) -> None:
    client = await world.client(
        scope=EVERYTHING, grant_types=["authorization_code", "refresh_token", "client_credentials"]
    )
    tokens = await world.tokens(client, scopes=("openid", *MACHINE_SCOPES))
    assert tokens["scope"] == "openid"
    assert world.claims(tokens["access_token"])["scope"] == "openid"
    for wider in (*MACHINE_SCOPES, "offline_access", "openid scim"):
        refused = await world.refresh(client, tokens["refresh_token"], scope=wider)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    kept = await world.refresh(client, tokens["refresh_token"])
    assert kept.json()["scope"] == "openid"
    own = await world.post("/token", client, grant_type="client_credentials")
    assert not {"openid", "offline_access"} & set(own.json()["scope"].split())


async def test_every_token_is_good_in_its_own_place_alone(world: World) -> None:
    client, login = await world.client(), await world.sign_in()
    tokens = await world.tokens(client, login, scopes=("openid", "offline_access"))
    spare = await world.code(client, login, challenge=s256(VERIFIER))
    own = await world.machine()
    machine = (await world.post("/token", own, grant_type="client_credentials")).json()["access_token"]
    for token in (tokens["refresh_token"], tokens["id_token"], spare, str(client.client_secret), machine):
        assert (await world.userinfo(token)).status_code == 401
    for token in (tokens["access_token"], tokens["id_token"], spare, machine):
        refused = await world.refresh(client, token)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    for token in (tokens["access_token"], tokens["refresh_token"], tokens["id_token"]):
        assert (await world.redeem(client, token, code_verifier=VERIFIER)).json()["error"] == "invalid_grant"
    # Nothing of that has used up or ended anything.
    assert (await world.redeem(client, spare, code_verifier=VERIFIER)).status_code == 200
    assert (await world.refresh(client, tokens["refresh_token"])).status_code == 200


@pytest.mark.parametrize("format_", ["jwt", "opaque"])
async def test_no_refresh_outruns_the_revocation_of_its_person(world: World, format_: str) -> None:
    client = await world.client(access_token_format=format_)
    for offline in (False, True):
        login = await world.sign_in()
        scopes = ("openid", "offline_access") if offline else ("openid",)
        tokens = await world.tokens(client, login, scopes=scopes)
        answers = await asyncio.gather(
            *(world.refresh(client, tokens["refresh_token"]) for _ in range(8)),
            world.revoke("user", str(login.user_id)),
            *(world.refresh(client, tokens["refresh_token"]) for _ in range(8)),
        )
        for answer in (each for each in answers if each is not None and each.status_code == 200):
            issued = answer.json()
            assert (await world.userinfo(issued["access_token"])).status_code == 401
            assert not await world.active(client, issued["access_token"])
            assert (await world.refresh(client, issued["refresh_token"])).status_code == 400


async def test_twenty_redemptions_at_once_leave_nobody_with_a_token(world: World) -> None:
    client = await world.client()
    code = await world.code(client, challenge=s256(VERIFIER))
    answers = await asyncio.gather(*(world.redeem(client, code, code_verifier=VERIFIER) for _ in range(20)))
    won = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(won) <= 1
    for issued in won:
        assert (await world.userinfo(issued["access_token"])).status_code == 401
        assert (await world.refresh(client, issued["refresh_token"])).json()["error"] == "invalid_grant"
