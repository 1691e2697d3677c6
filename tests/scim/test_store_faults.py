"""A store away is 503 with Retry-After in SCIM's words: never an open door, never a 500."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import httpx
import pytest

from scim.app import create_app, management_app_for
from scim.settings import ScimSettings
from tests.scim.directory import Directory, client_of, is_error, new_directory


@dataclasses.dataclass
class Apart:
    """A directory on servers of its own, to be frozen."""

    directory: Directory
    postgres: Any
    valkey: Any


@pytest.fixture
async def apart(
    scim_settings: ScimSettings, private_database: Callable[..., Any], private_valkey: Callable[..., Any]
) -> AsyncIterator[Apart]:
    (server, urls), valkey = private_database(), private_valkey()
    settings = dataclasses.replace(scim_settings, database_url=urls.scim_url, redis_url=valkey.url, lease_seconds=2.0)
    app = create_app(settings)
    owner = await asyncpg.connect(urls.owner_url)
    async with app.router.lifespan_context(app):
        directory = await new_directory(app, owner)
        yield Apart(directory, server, valkey)
        server.thaw()
        valkey.thaw()
        await app.state.resources.follower.wait_fresh(15)
        await directory.http.aclose()
        await owner.close()


async def _every_verb(directory: Directory, user_id: str) -> list[httpx.Response]:
    path, http = f"/Users/{user_id}", directory.http
    off = {"Operations": [{"op": "replace", "path": "active", "value": False}]}
    return list(
        await asyncio.gather(
            http.get(path),
            http.get("/Users"),
            http.post("/Users", json={"userName": "bob"}),
            http.put(path, json={"userName": "eve"}),
            http.patch(path, json=off),
            http.delete(path),
            http.get("/Schemas"),
        )
    )


@pytest.mark.slow
async def test_without_redis_nothing_is_served_and_nothing_is_written(apart: Apart) -> None:
    user = await apart.directory.create("ada")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=management_app_for(apart.directory.app)), base_url="http://localhost"
    ) as management:
        assert (await management.get("/readyz")).status_code == 200
        apart.valkey.freeze()
        replies = await _every_verb(apart.directory, user["id"])
        lease = apart.directory.app.state.resources.follower.lease_seconds
        await asyncio.sleep(lease + 0.5)
        assert (await management.get("/readyz")).status_code == 503

    for reply in replies:
        is_error(reply, 503)
        assert int(reply.headers["retry-after"]) >= 1
    apart.valkey.thaw()
    await apart.directory.app.state.resources.follower.wait_fresh(10)
    assert (await apart.directory.http.get(f"/Users/{user['id']}")).json() == user
    assert await apart.directory.count() == 1


@pytest.mark.slow
async def test_a_deactivation_is_answered_also_when_redis_dies_under_it(apart: Apart) -> None:
    """After the commit the answer waits until nobody can serve the old state any more: one lease."""
    user = await apart.directory.create("ada")
    revoked: list[float] = []
    resources, loop = apart.directory.app.state.resources, asyncio.get_running_loop()
    store = apart.directory.app.state.edge.stores["User"]
    confirm = store._revoker.confirm

    async def freeze_and_confirm(entries: Any) -> None:
        apart.valkey.freeze()
        started = loop.time()
        await confirm(entries)
        revoked.append(loop.time() - started)

    store._revoker.confirm = freeze_and_confirm
    off = {"op": "replace", "path": "active", "value": False}
    reply = await apart.directory.patch(user["id"], off)

    assert reply.status_code == 200
    assert reply.json()["active"] is False
    assert revoked[0] >= resources.follower.lease_seconds


@pytest.mark.slow
async def test_without_postgresql_nothing_is_served(apart: Apart) -> None:
    user = await apart.directory.create("ada")
    apart.postgres.kill()

    for reply in await _every_verb(apart.directory, user["id"]):
        is_error(reply, 503)
        assert int(reply.headers["retry-after"]) >= 1
    async with client_of(apart.directory.app, None) as http:
        assert (await http.get("/ServiceProviderConfig")).status_code == 200, "what needs no store is still told"
    apart.postgres.restart()
