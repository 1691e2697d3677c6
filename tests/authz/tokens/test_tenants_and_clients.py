"""Tenants apart from each other; clients registered, changed, switched off."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from authz.storage import clients
from authz.storage.clients import MetadataRefused
from authz.storage.tenants import create_tenant, list_tenants
from identity_core.secrets import sha256
from identity_core.testing.spec import spec
from tests.authz.world import CALLBACK, ISSUER, TENANT, World, plant_keys


async def _other_tenant(world: World) -> World:
    async with world.resources.pool.acquire() as connection:
        tenant = await create_tenant(connection, "acme", "Acme")
    await plant_keys(world.owner, tenant, world.resources.sealer)
    return replace(world, tenant=tenant, path="/t/acme")


@spec("OIDC Discovery §4.1", "RFC 8414 §3.1")
async def test_a_tenant_has_its_own_issuer_at_every_address(world: World) -> None:
    await _other_tenant(world)
    for path in (
        "/t/acme/.well-known/openid-configuration",
        "/t/acme/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration/t/acme",
        "/.well-known/oauth-authorization-server/t/acme",
    ):
        response = await world.http.get(path)
        assert response.status_code == 200, path
        assert response.json()["issuer"] == f"{ISSUER}/t/acme"
        assert response.json()["token_endpoint"] == f"{ISSUER}/t/acme/token"


async def test_an_unknown_or_inactive_tenant_is_not_found(world: World) -> None:
    acme = await _other_tenant(world)
    assert (await world.http.get("/t/acme/jwks")).status_code == 200
    await world.owner.execute("UPDATE authz.tenant SET active = false WHERE id = $1", acme.tenant)
    world.resources.tenants._cache.forget()  # type: ignore[attr-defined]
    for slug in ("acme", "nobody", "default", "ACME", "a" * 64, "%2e%2e"):
        for path in (f"/t/{slug}/jwks", f"/t/{slug}/token", f"/.well-known/openid-configuration/t/{slug}"):
            response = await world.http.get(path)
            assert response.status_code == 404, path
            # An OAuth endpoint speaks OAuth's JSON, whoever refuses.
            expected = "application/json" if path.endswith("/token") else "application/problem+json"
            assert response.headers["content-type"] == expected


async def test_nothing_of_one_tenant_is_good_in_another(world: World) -> None:
    acme = await _other_tenant(world)
    theirs, ours = await acme.client(), await world.client()
    tokens = await acme.tokens(theirs, scopes=("openid", "offline_access"))
    assert world.claims(tokens["access_token"])["iss"] == f"{ISSUER}/t/acme"
    assert (await acme.userinfo(tokens["access_token"])).status_code == 200
    # Client, code, access token and refresh token of theirs, each at our addresses.
    assert (await world.redeem(theirs, "x")).json()["error"] == "invalid_client"
    code = await acme.code(theirs)
    assert (await world.redeem(ours, code)).json()["error"] == "invalid_grant"
    assert (await acme.redeem(theirs, code)).status_code == 200
    assert (await world.userinfo(tokens["access_token"])).status_code == 401
    for name in ("access_token", "refresh_token"):
        assert not await world.active(ours, tokens[name])
        assert (await world.post("/revoke", ours, token=tokens[name])).status_code == 200
        assert await acme.active(theirs, tokens[name])
    assert (await world.refresh(ours, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await acme.refresh(theirs, tokens["refresh_token"])).status_code == 200


async def test_an_opaque_token_of_one_tenant_is_unknown_in_another(world: World) -> None:
    acme = await _other_tenant(world)
    theirs = await acme.client(access_token_format="opaque")
    token = (await acme.tokens(theirs))["access_token"]
    assert (await acme.userinfo(token)).status_code == 200
    assert (await world.userinfo(token)).status_code == 401


async def test_tenants_are_listed(world: World) -> None:
    await _other_tenant(world)
    async with world.resources.pool.acquire() as connection:
        assert [tenant["slug"] for tenant in await list_tenants(connection)] == ["default", "acme"]


# --- clients


async def _register(world: World, metadata: dict[str, Any], **options: Any) -> clients.RegisteredClient:
    async with world.resources.pool.acquire() as connection, connection.transaction():
        return await clients.register(connection, TENANT, metadata, **options)


@spec("RFC 7591 §3.2.1")
async def test_a_secret_is_shown_once_and_kept_as_its_hash(world: World) -> None:
    made = await _register(world, {"redirect_uris": [CALLBACK]})
    assert made.client_secret is not None
    assert made.client_secret not in repr(made)
    row = await world.owner.fetchrow("SELECT * FROM authz.client WHERE id = $1", made.client_id)
    assert row is not None
    assert row["secret_hash"] == sha256(made.client_secret)
    assert made.client_secret not in str(dict(row))
    public = await _register(world, {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"})
    assert public.client_secret is None


async def test_a_registration_is_written_down(world: World) -> None:
    made = await _register(world, {"redirect_uris": [CALLBACK]}, client_id="demo", secret="s" * 16, first_party=True)
    assert (made.client_id, made.client_secret) == ("demo", "s" * 16)
    assert await world.owner.fetchval("SELECT target FROM authz.audit WHERE action = 'client.registered'") == "demo"
    event = await world.owner.fetchval("SELECT type FROM authz.event WHERE aggregate_id = 'demo'")
    assert event == "authz.client_registered.v1"
    found = await world.resources.clients.get(TENANT, "demo")
    assert found is not None
    assert found.first_party


@pytest.mark.parametrize(
    ("metadata", "options"),
    [
        ({}, {}),
        ({"redirect_uris": ["javascript:alert(1)"]}, {}),
        ({"redirect_uris": [CALLBACK]}, {"client_id": "a b"}),
        ({"redirect_uris": [CALLBACK]}, {"client_id": "../x"}),
        ({"redirect_uris": [CALLBACK]}, {"client_id": "x" * 129}),
        ({"redirect_uris": [CALLBACK]}, {"secret": "short"}),
        ({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}, {"secret": "s" * 16}),
    ],
)
async def test_a_wrong_registration_changes_nothing(
    world: World, metadata: dict[str, Any], options: dict[str, Any]
) -> None:
    with pytest.raises(MetadataRefused):
        await _register(world, metadata, **options)
    assert await world.owner.fetchval("SELECT count(*) FROM authz.client") == 0
    assert await world.owner.fetchval("SELECT count(*) FROM authz.audit") == 0


async def test_row_31_a_change_is_judged_as_a_whole(world: World) -> None:
    made = await _register(world, {"redirect_uris": [CALLBACK]})
    async with world.resources.pool.acquire() as connection, connection.transaction():
        changed = await clients.change(connection, TENANT, made.client_id, {"redirect_uris": [CALLBACK + "2"]})
        assert changed is not None
        assert changed["redirect_uris"] == [CALLBACK + "2"]
        assert await clients.change(connection, TENANT, "nobody", {"redirect_uris": [CALLBACK]}) is None
        for wrong in (
            {"redirect_uris": ["http://rp.example"]},
            {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"},
            {},
        ):
            with pytest.raises(MetadataRefused):
                await clients.change(connection, TENANT, made.client_id, wrong)
    found = await world.resources.clients.get(TENANT, made.client_id)
    assert found is not None
    assert found.redirect_uris == (CALLBACK + "2",)


async def test_clients_are_listed_without_secrets(world: World) -> None:
    made = await _register(world, {"redirect_uris": [CALLBACK]})
    async with world.resources.pool.acquire() as connection:
        listed = await clients.list_clients(connection, TENANT)
        assert await clients.list_clients(connection, UUID(int=9)) == []
    assert [client["client_id"] for client in listed] == [made.client_id]
    assert not [name for name in listed[0] if "secret" in name]


async def test_deactivating_twice_or_nobody_is_none(world: World) -> None:
    made = await _register(world, {"redirect_uris": [CALLBACK]})
    async with world.resources.pool.acquire() as connection, connection.transaction():
        assert await clients.deactivate(connection, TENANT, made.client_id) is not None
        assert await clients.deactivate(connection, TENANT, made.client_id) is None
        assert await clients.deactivate(connection, TENANT, "nobody") is None
