"""Refresh tokens: rotation, grace, reuse, ends."""

import asyncio
from typing import Any

import pytest

from identity_core.testing.spec import spec
from tests.authz.world import SignedIn, World

OFFLINE = ("openid", "profile", "offline_access")


async def _older_than_the_grace(world: World) -> None:
    await world.owner.execute("UPDATE authz.refresh_family SET rotated_at = now() - interval '31 seconds'")


async def _error(response: Any) -> str:
    assert response.status_code == 400, response.text
    return str(response.json()["error"])


@spec("RFC 6749 §6", "OIDC Core §12.2")
async def test_a_refresh_rotates_and_keeps_who_and_when(world: World) -> None:
    client = await world.client()
    tokens = await world.tokens(client, scopes=OFFLINE)
    response = await world.refresh(client, tokens["refresh_token"])
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body["refresh_token"] != tokens["refresh_token"]
    before, after = world.claims(tokens["id_token"]), world.claims(body["id_token"])
    for name in ("iss", "sub", "aud", "auth_time", "sid", "acr", "amr"):
        assert after[name] == before[name], name
    assert after["iat"] >= before["iat"]
    assert "nonce" not in after
    assert (await world.userinfo(body["access_token"])).status_code == 200
    # The tokens issued before live on: a refresh ends nothing.
    assert (await world.userinfo(tokens["access_token"])).status_code == 200


async def test_within_the_grace_the_previous_token_receives_the_current_one_again(world: World) -> None:
    client = await world.client()
    tokens = await world.tokens(client)
    first = (await world.refresh(client, tokens["refresh_token"])).json()
    again = (await world.refresh(client, tokens["refresh_token"])).json()
    assert again["refresh_token"] == first["refresh_token"]
    assert await world.active(client, first["refresh_token"])


@spec("RFC 9700 §4.14.2")
async def test_row_6_an_old_token_after_the_grace_is_reuse_and_ends_everything(world: World) -> None:
    client = await world.client()
    tokens = await world.tokens(client, scopes=OFFLINE)
    newer = (await world.refresh(client, tokens["refresh_token"])).json()
    await _older_than_the_grace(world)
    assert await _error(await world.refresh(client, tokens["refresh_token"])) == "invalid_grant"
    assert await _error(await world.refresh(client, newer["refresh_token"])) == "invalid_grant"
    for access in (tokens["access_token"], newer["access_token"]):
        assert (await world.userinfo(access)).status_code == 401
        assert not await world.active(client, access)
    audit = await world.owner.fetch("SELECT reason FROM authz.audit WHERE action = 'grant.ended'")
    assert [row["reason"] for row in audit] == ["refresh_reuse"]
    family = await world.owner.fetchrow("SELECT end_reason, ended_at FROM authz.refresh_family")
    assert family is not None
    assert family["end_reason"] == "refresh_reuse"


async def test_row_6_a_token_two_rotations_old_is_reuse_at_once(world: World) -> None:
    client = await world.client()
    tokens = await world.tokens(client)
    second = (await world.refresh(client, tokens["refresh_token"])).json()
    await world.refresh(client, second["refresh_token"])
    assert await _error(await world.refresh(client, tokens["refresh_token"])) == "invalid_grant"
    assert await world.owner.fetchval("SELECT end_reason FROM authz.refresh_family") == "refresh_reuse"


@spec("RFC 9700 §4.14.2")
async def test_row_20_a_refresh_token_is_bound_to_its_client(world: World) -> None:
    client, thief = await world.client(), await world.client()
    tokens = await world.tokens(client)
    assert await _error(await world.refresh(thief, tokens["refresh_token"])) == "invalid_grant"
    assert await _error(await world.refresh(client, tokens["refresh_token"])) == "invalid_grant"
    assert (await world.userinfo(tokens["access_token"])).status_code == 401


@pytest.mark.parametrize("count", [100])
async def test_row_7_a_hundred_rotations_at_once_make_one_new_head(world: World, count: int) -> None:
    client = await world.client()
    tokens = await world.tokens(client)
    responses = await asyncio.gather(*(world.refresh(client, tokens["refresh_token"]) for _ in range(count)))
    assert {response.status_code for response in responses} == {200}
    heads = {response.json()["refresh_token"] for response in responses}
    assert len(heads) == 1
    assert await world.owner.fetchval("SELECT generation FROM authz.refresh_family") == 1
    assert (await world.refresh(client, heads.pop())).status_code == 200


@spec("RFC 6749 §6")
async def test_the_scope_narrows_and_a_refusal_takes_nothing(world: World) -> None:
    client = await world.client()
    tokens = await world.tokens(client, scopes=OFFLINE)
    assert await _error(await world.refresh(client, tokens["refresh_token"], scope="openid email")) == "invalid_scope"
    assert await _error(await world.refresh(client, tokens["refresh_token"], scope='a"b')) == "invalid_scope"
    assert await _error(await world.refresh(client, tokens["refresh_token"], resource="https://x.example")) == (
        "invalid_target"
    )
    assert await world.owner.fetchval("SELECT generation FROM authz.refresh_family") == 0
    narrowed = (await world.refresh(client, tokens["refresh_token"], scope="openid")).json()
    assert narrowed["scope"] == "openid"
    full = (await world.refresh(client, narrowed["refresh_token"])).json()
    assert full["scope"] == "openid profile offline_access"


async def test_an_online_family_dies_with_its_session_and_an_offline_one_does_not(world: World) -> None:
    client, login = await world.client(), await world.sign_in()
    online = await world.tokens(client, login)
    offline = await world.tokens(client, login, scopes=OFFLINE)
    await world.end_session(login)
    assert await _error(await world.refresh(client, online["refresh_token"])) == "invalid_grant"
    assert not await world.active(client, online["access_token"])
    assert (await world.refresh(client, offline["refresh_token"])).status_code == 200
    assert await world.active(client, offline["access_token"])


async def test_an_administrator_s_end_of_a_session_ends_its_offline_grants(world: World) -> None:
    client, login = await world.client(), await world.sign_in()
    offline = await world.tokens(client, login, scopes=OFFLINE)
    await world.end_session(login, deep=True)
    assert await _error(await world.refresh(client, offline["refresh_token"])) == "invalid_grant"
    assert not await world.active(client, offline["access_token"])
    assert not await world.active(client, offline["refresh_token"])


async def _deactivate(world: World, client_id: str, login: SignedIn) -> None:
    await world.owner.execute("UPDATE directory.user_resource SET active = false WHERE id = $1", login.user_id)


async def _revoke_user(world: World, client_id: str, login: SignedIn) -> None:
    await world.revoke("user", str(login.user_id))


async def _revoke_client(world: World, client_id: str, login: SignedIn) -> None:
    await world.revoke("client", client_id)


async def _revoke_tenant(world: World, client_id: str, login: SignedIn) -> None:
    await world.revoke("tenant", "")


async def _idle(world: World, client_id: str, login: SignedIn) -> None:
    await world.owner.execute("UPDATE authz.refresh_family SET idle_end = now()")


async def _absolute(world: World, client_id: str, login: SignedIn) -> None:
    await world.owner.execute("UPDATE authz.refresh_family SET absolute_end = now()")


async def _delete(world: World, client_id: str, login: SignedIn) -> None:
    await world.owner.execute("DELETE FROM directory.user_resource WHERE id = $1", login.user_id)


@spec("RFC 9700 §2.2.2")
@pytest.mark.parametrize("end", [_deactivate, _delete, _revoke_user, _revoke_client, _revoke_tenant, _idle, _absolute])
async def test_row_11_a_family_ends_with_everything_it_hangs_on(world: World, end: Any) -> None:
    client, login = await world.client(), await world.sign_in()
    tokens = await world.tokens(client, login, scopes=OFFLINE)
    assert await world.active(client, tokens["refresh_token"])
    await end(world, client.client_id, login)
    if end is _revoke_client:
        world.resources.clients.forget()  # type: ignore[attr-defined]
    assert await _error(await world.refresh(client, tokens["refresh_token"])) == "invalid_grant"
    assert await world.owner.fetchval("SELECT generation FROM authz.refresh_family") == 0
    assert not await world.active(client, tokens["refresh_token"])


async def test_the_idle_end_moves_with_each_use_and_never_past_the_absolute_end(world: World) -> None:
    client = await world.client()
    tokens = await world.tokens(client)
    await world.owner.execute("UPDATE authz.refresh_family SET absolute_end = now() + interval '1 day'")
    assert (await world.refresh(client, tokens["refresh_token"])).status_code == 200
    assert await world.owner.fetchval("SELECT idle_end = absolute_end FROM authz.refresh_family")


async def test_a_forged_token_never_reaches_the_database_and_ends_nothing(world: World) -> None:
    client = await world.client()
    tokens = await world.tokens(client)
    real = tokens["refresh_token"]
    forged = real[:-1] + ("A" if real[-1] != "A" else "E")
    assert await _error(await world.refresh(client, forged)) == "invalid_grant"
    assert (await world.refresh(client, real)).status_code == 200


async def test_the_refresh_token_parameter_is_required(world: World) -> None:
    assert await _error(await world.post("/token", await world.client(), grant_type="refresh_token")) == (
        "invalid_request"
    )
