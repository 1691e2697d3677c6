"""Signing keys: published before they sign, retired after their last token, revoked at once."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest

from authz.app import create_app
from authz.settings import AuthzSettings
from authz.storage import keys
from authz.storage.keys import KeyStore
from authz.storage.tenants import create_tenant
from identity_core import jose
from identity_core.clock import SystemClock
from identity_core.faults import StartFault
from identity_core.testing.keys import signing_key
from identity_core.testing.spec import spec
from tests.authz.world import TENANT, World


async def _kids(world: World) -> set[str]:
    world.resources.keys.forget()  # type: ignore[attr-defined]
    return {key["kid"] for key in (await world.http.get("/jwks")).json()["keys"]}


async def _kid_that_signs(world: World) -> str:
    client = await world.client(access_token_format="opaque", id_token_signed_response_alg="ES256")
    world.resources.keys.forget()  # type: ignore[attr-defined]
    read = jose.peek((await world.tokens(client))["id_token"])
    assert isinstance(read, jose.Unverified)
    return str(read.header["kid"])


async def _rotate(world: World, **options: Any) -> str:
    async with world.resources.pool.acquire() as connection, connection.transaction():
        return await keys.rotate(connection, TENANT, "ES256", world.resources.sealer, **options)


@spec("OIDC Core §10.1.1")
async def test_a_new_key_is_published_before_it_signs(world: World) -> None:
    old = signing_key("ES256").kid
    new = await _rotate(world)
    assert {old, new} <= await _kids(world)
    assert await _kid_that_signs(world) == old
    # One cache lifetime later.
    await world.owner.execute("UPDATE authz.signing_key SET sign_from = now() WHERE kid = $1", new)
    assert await _kid_that_signs(world) == new
    assert {old, new} <= await _kids(world)
    # After the last token the old key has signed; it still verifies hints.
    await world.owner.execute("UPDATE authz.signing_key SET retire_at = now() WHERE kid = $1", old)
    assert old not in await _kids(world)
    ring = await world.resources.keys.ring(TENANT)
    assert old not in ring.public
    assert old in ring.hints


async def test_a_rotation_is_timed_by_the_database_and_written_down(world: World) -> None:
    new = await _rotate(world, jwks_seconds=900)
    rows = await world.owner.fetch(
        "SELECT kid, extract(epoch FROM sign_from - publish_at)::int AS wait, "
        "extract(epoch FROM retire_at - now())::int AS left FROM authz.signing_key WHERE alg = 'ES256'"
    )
    by_kid = {row["kid"]: row for row in rows}
    assert by_kid[new]["wait"] == 900
    assert by_kid[new]["left"] is None
    assert by_kid[signing_key("ES256").kid]["left"] > 900 + 3600
    assert await world.owner.fetchval("SELECT count(*) FROM authz.audit WHERE action = 'key.rotated'") == 1
    assert await world.owner.fetchval("SELECT count(*) FROM authz.event WHERE type = 'authz.key_rotated.v1'") == 1


async def test_a_revoked_key_is_gone_and_its_tokens_with_it(world: World) -> None:
    client = await world.client()
    token = (await world.tokens(client))["access_token"]
    old = signing_key("ES256").kid
    async with world.resources.pool.acquire() as connection, connection.transaction():
        assert await keys.revoke(connection, TENANT, old, world.resources.sealer)
        assert not await keys.revoke(connection, TENANT, old, world.resources.sealer)
        assert not await keys.revoke(connection, TENANT, "nothing", world.resources.sealer)
    kids = await _kids(world)
    assert old not in kids
    assert len(kids) == 3
    assert (await world.userinfo(token)).status_code == 401
    assert not await world.active(client, token)
    ring = await world.resources.keys.ring(TENANT)
    assert old not in ring.hints
    assert (await world.userinfo((await world.tokens(client))["access_token"])).status_code == 200


async def test_a_new_tenant_gets_keys_once_however_many_ask(world: World) -> None:
    async with world.resources.pool.acquire() as connection:
        tenant = await create_tenant(connection, "acme", "Acme")
    stores = [KeyStore(world.resources.pool, world.resources.sealer, SystemClock()) for _ in range(3)]
    rings = await asyncio.gather(*(store.ring(tenant) for store in stores))
    assert len({ring.etag for ring in rings}) == 1
    assert set(rings[0].signing) == {"RS256", "ES256", "EdDSA"}
    assert await world.owner.fetchval("SELECT count(*) FROM authz.signing_key WHERE tenant = $1", tenant) == 3
    assert await world.owner.fetchval("SELECT count(*) FROM authz.mac_key WHERE tenant = $1", tenant) == 1


async def test_private_parts_are_sealed_to_their_row(world: World) -> None:
    rows = await world.owner.fetch("SELECT private_sealed, public_jwk::text AS public FROM authz.signing_key")
    for row in rows:
        for alg in jose.SIGNING_ALGORITHMS:
            assert jose.private_bytes(signing_key(alg)) not in row["private_sealed"]
        assert '"d"' not in row["public"]
    await world.owner.execute(
        "UPDATE authz.signing_key a SET private_sealed = b.private_sealed FROM authz.signing_key b "
        "WHERE a.alg = 'ES256' AND b.alg = 'EdDSA'"
    )
    fresh = KeyStore(world.resources.pool, world.resources.sealer, SystemClock())
    with pytest.raises(Exception, match="damaged or belongs elsewhere"):
        await fresh.ring(TENANT)


async def test_a_wrong_key_encryption_key_is_found_at_the_start(
    world: World, make_settings: Callable[..., AuthzSettings]
) -> None:
    other = "test:" + base64.b64encode(b"another key of thirty-two bytes!").decode()
    app = create_app(make_settings(GATEHOUSE_KEY_ENCRYPTION_KEY=other))
    with pytest.raises(StartFault, match="GATEHOUSE_KEY_ENCRYPTION_KEY"):
        async with app.router.lifespan_context(app):
            pass


async def test_keys_are_listed_without_their_private_parts(world: World) -> None:
    async with world.resources.pool.acquire() as connection:
        listed = await keys.list_keys(connection, TENANT)
    assert {key["alg"] for key in listed} == {"RS256", "ES256", "EdDSA"}
    assert not {"private_sealed", "public_jwk"} & set(listed[0])
