"""Fail closed: a store that is away gives 503 in the endpoint's own format, never an open door or a 500."""

from collections.abc import Callable
from typing import Any

import pytest

from authz.settings import AuthzSettings
from identity_core.testing.stores import Postgres
from tests.authz.world import World, open_world


def _is_unavailable(response: Any) -> bool:
    assert response.status_code == 503, response.text
    assert int(response.headers["retry-after"]) >= 1
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["error"] == "temporarily_unavailable"
    return True


async def test_without_redis_nothing_is_granted_and_it_comes_back(
    make_settings: Callable[..., AuthzSettings], postgres: Postgres, clean_stores: None, private_valkey: Any
) -> None:
    valkey = private_valkey()
    settings = make_settings(GATEHOUSE_REDIS_URL=valkey.url)
    async with open_world(settings, postgres.owner_url) as world:
        client = await world.client()
        tokens = await world.tokens(client)
        code = await world.code(client)
        valkey.freeze()
        try:
            assert _is_unavailable(await world.redeem(client, code))
            assert _is_unavailable(await world.userinfo(tokens["access_token"]))
            assert _is_unavailable(await world.post("/introspect", client, token=tokens["access_token"]))
            assert _is_unavailable(await world.refresh(client, tokens["refresh_token"]))
        finally:
            valkey.thaw()
        await world.resources.follower.wait_fresh(15)
        # The refresh was taken before the standing could be asked for: the grace gives the answer that was lost.
        again = await world.refresh(client, tokens["refresh_token"])
        assert again.status_code == 200
        assert (await world.userinfo(again.json()["access_token"])).status_code == 200


async def test_without_the_lease_nothing_is_granted(world: World) -> None:
    client = await world.client()
    tokens = await world.tokens(client)
    code = await world.code(client)
    follower = world.resources.follower
    assert follower._task is not None
    follower._task.cancel()
    follower._fresh_until = float("-inf")
    for response in (
        await world.redeem(client, code),
        await world.userinfo(tokens["access_token"]),
        await world.post("/introspect", client, token=tokens["access_token"]),
        await world.post("/token", await world.machine(), grant_type="client_credentials"),
    ):
        assert _is_unavailable(response)


async def test_without_postgresql_nothing_is_granted(
    make_settings: Callable[..., AuthzSettings], private_database: Any, clean_stores: None
) -> None:
    server, urls = private_database()
    settings = make_settings(GATEHOUSE_AUTHZ_DATABASE_URL=urls.authz_url)
    async with open_world(settings, urls.owner_url) as world:
        client = await world.client()
        tokens = await world.tokens(client)
        code = await world.code(client)
        server.kill()
        for response in (
            await world.redeem(client, code),
            await world.refresh(client, tokens["refresh_token"]),
            await world.userinfo(tokens["access_token"]),
            await world.post("/revoke", client, token=tokens["access_token"]),
        ):
            assert _is_unavailable(response)


async def test_an_unexpected_fault_tells_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the secret cause")

    monkeypatch.setattr(world.resources.codes, "take", broken)
    client = await world.client()
    response = await world.redeem(client, await world.code(client))
    assert response.status_code == 500
    assert response.json()["error"] == "server_error"
    assert "secret cause" not in response.text
