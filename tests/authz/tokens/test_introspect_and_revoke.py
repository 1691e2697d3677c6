"""Introspection and revocation."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from authz.app import create_app
from authz.settings import AuthzSettings
from identity_core.testing.spec import spec
from tests.authz.world import ISSUER, World


@spec("RFC 7662 §2.2")
@pytest.mark.parametrize("format_", ["jwt", "opaque"])
async def test_a_good_access_token_is_described(world: World, format_: str) -> None:
    client, login, watcher = (
        await world.client(access_token_format=format_),
        await world.sign_in(),
        await world.client(),
    )
    tokens = await world.tokens(client, login, scopes=("openid", "email"))
    response = await world.post("/introspect", watcher, token=tokens["access_token"], token_type_hint="refresh_token")
    assert response.headers["cache-control"] == "no-store"
    said = response.json()
    assert said["active"] is True
    assert said["sub"] == str(login.user_id)
    assert (said["client_id"], said["iss"], said["aud"]) == (client.client_id, ISSUER, ISSUER)
    assert (said["scope"], said["token_type"]) == ("openid email", "Bearer")
    assert said["exp"] - said["iat"] == 300
    assert not {"gh", "sid", "email"} & set(said)


async def test_a_refresh_token_is_described(world: World) -> None:
    client = await world.client()
    tokens = await world.tokens(client)
    said = (await world.post("/introspect", client, token=tokens["refresh_token"])).json()
    assert said["active"] is True
    assert (said["client_id"], said["token_type"]) == (client.client_id, "refresh_token")
    await world.refresh(client, tokens["refresh_token"])
    assert not await world.active(client, tokens["refresh_token"])


@spec("RFC 7662 §2.2")
async def test_of_a_bad_token_nothing_is_said(world: World) -> None:
    client = await world.client()
    id_token = (await world.tokens(client))["id_token"]
    for token in ("x", "gr_x", "ga_x", "gc_x", "a.b.c", id_token, "ga_" + "0" * 47, str(client.client_secret)):
        response = await world.post("/introspect", client, token=token)
        assert (response.status_code, response.content) == (200, b'{"active":false}')


@spec("RFC 7662 §2.1")
async def test_introspection_needs_a_client_with_a_secret(world: World) -> None:
    public = await world.client(token_endpoint_auth_method="none")
    token = (await world.tokens(public))["access_token"]
    assert (await world.post("/introspect", None, token=token)).status_code == 401
    assert (await world.post("/introspect", public, token=token)).json()["error"] == "unauthorized_client"
    confidential = await world.client()
    assert (await world.post("/introspect", confidential)).json()["error"] == "invalid_request"


@spec("RFC 7009 §2.1", "RFC 7009 §2.2")
@pytest.mark.parametrize("format_", ["jwt", "opaque"])
async def test_a_revoked_access_token_is_dead_and_its_siblings_live(world: World, format_: str) -> None:
    client = await world.client(access_token_format=format_)
    tokens = await world.tokens(client)
    sibling = (await world.refresh(client, tokens["refresh_token"])).json()
    response = await world.post("/revoke", client, token=tokens["access_token"])
    assert (response.status_code, response.content) == (200, b"")
    assert (await world.userinfo(tokens["access_token"])).status_code == 401
    assert not await world.active(client, tokens["access_token"])
    assert await world.active(client, sibling["access_token"])
    assert await world.active(client, sibling["refresh_token"])
    rows = await world.owner.fetch("SELECT action, target_kind FROM authz.audit WHERE action = 'token.revoked'")
    assert [tuple(row) for row in rows] == [("token.revoked", "access_token")]


async def test_a_token_that_is_revoked_already_writes_nothing_more(world: World) -> None:
    public = await world.client(token_endpoint_auth_method="none")
    token = (await world.tokens(public))["access_token"]
    for _ in range(5):
        assert (await world.post("/revoke", public, token=token)).status_code == 200
    both = await asyncio.gather(*(world.post("/revoke", public, token=token) for _ in range(5)))
    assert {response.status_code for response in both} == {200}
    history = "SELECT count(*) FROM sessions.ledger_history WHERE kind = 'token'"
    assert await world.owner.fetchval(history) == 1
    assert await world.owner.fetchval("SELECT count(*) FROM authz.audit WHERE action = 'token.revoked'") == 1


@spec("RFC 7009 §2.1")
async def test_a_revoked_refresh_token_takes_its_access_tokens_with_it(world: World) -> None:
    client = await world.client(token_endpoint_auth_method="none")
    watcher = await world.client()
    tokens = await world.tokens(client, scopes=("openid", "offline_access"))
    assert (await world.post("/revoke", client, token=tokens["refresh_token"])).status_code == 200
    assert not await world.active(watcher, tokens["refresh_token"])
    assert not await world.active(watcher, tokens["access_token"])
    assert (await world.refresh(client, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    # Again is fine, and writes nothing more.
    assert (await world.post("/revoke", client, token=tokens["refresh_token"])).status_code == 200
    assert await world.owner.fetchval("SELECT count(*) FROM authz.audit WHERE action = 'grant.ended'") == 1


async def test_an_older_generation_is_enough_to_end_the_family(world: World) -> None:
    client = await world.client()
    tokens = await world.tokens(client)
    newer = (await world.refresh(client, tokens["refresh_token"])).json()
    assert (await world.post("/revoke", client, token=tokens["refresh_token"])).status_code == 200
    assert not await world.active(client, newer["refresh_token"])


@spec("RFC 7009 §2.2")
async def test_what_is_no_token_of_ours_is_revoked_already(world: World) -> None:
    client = await world.client()
    for token in ("x", "gr_x", "ga_x", "a.b.c", "ga_" + "0" * 47):
        assert (await world.post("/revoke", client, token=token)).status_code == 200
    assert await world.owner.fetchval("SELECT count(*) FROM sessions.ledger") == 0
    assert (await world.post("/revoke", client)).json()["error"] == "invalid_request"
    assert (await world.post("/revoke", None, token="x")).status_code == 401


@spec("RFC 7009 §2.1")
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_another_client_s_token_is_not_revoked(world: World, kind: str) -> None:
    client, other = await world.client(), await world.client()
    tokens = await world.tokens(client)
    response = await world.post("/revoke", other, token=tokens[kind])
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    assert await world.active(client, tokens[kind])


async def test_a_second_process_sees_a_revocation_at_once(
    world: World, make_settings: Callable[..., AuthzSettings]
) -> None:
    client = await world.client()
    token = (await world.tokens(client))["access_token"]
    other = create_app(make_settings())
    transport = httpx.ASGITransport(other)
    async with (
        other.router.lifespan_context(other),
        httpx.AsyncClient(transport=transport, base_url=ISSUER) as http,
    ):
        bearer = {"authorization": f"Bearer {token}"}
        await other.state.resources.follower.wait_fresh(15)
        assert (await http.get("/userinfo", headers=bearer)).status_code == 200
        await world.post("/revoke", client, token=token)
        assert (await http.get("/userinfo", headers=bearer)).status_code == 401


async def test_an_end_is_remembered_only_as_long_as_it_matters(world: World) -> None:
    client = await world.client()
    tokens = await world.tokens(client)
    await world.post("/revoke", client, token=tokens["access_token"])
    await world.post("/revoke", client, token=tokens["refresh_token"])
    redis = world.resources.follower.redis
    left = {key.split(b":x:")[1][:1]: await redis.pttl(key) async for key in redis.scan_iter(match="*:x:*")}
    day = 86_400_000
    assert 0 < left[b"t"] <= day + 300_000
    assert 90 * day < left[b"g"] <= 91 * day + 300_000
    assert await world.owner.fetchval("SELECT count(*) FROM sessions.ledger WHERE until IS NULL") == 0
