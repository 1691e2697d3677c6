"""A client for itself, and client authentication over HTTP."""

import base64
import time
from typing import Any

import httpx
import pytest

from authz.storage import clients
from identity_core import jose
from identity_core.bearer import BearerVerifier, Caller
from identity_core.testing.spec import spec
from tests.authz.world import ISSUER, SCIM, SESSIONS, TENANT, World


async def _token(world: World, client: Any, **form: Any) -> httpx.Response:
    return await world.post("/token", client, {"grant_type": "client_credentials", **form})


@spec("RFC 6749 §4.4.3", "RFC 9068 §3")
async def test_a_client_gets_a_token_for_an_api_and_no_refresh_token(world: World) -> None:
    client = await world.machine("scim sessions:read")
    body = (await _token(world, client, scope="scim")).json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    claims = world.claims(body["access_token"])
    assert claims["sub"] == f"client:{client.client_id}"
    assert claims["aud"] == SCIM
    assert not {"auth_time", "acr", "amr", "sid"} & set(claims)


async def test_the_token_is_good_at_its_api_and_nowhere_else(world: World) -> None:
    client = await world.machine("scim")
    token = (await _token(world, client)).json()["access_token"]
    pool, store = world.resources.pool, world.resources.store
    caller = await BearerVerifier(pool, store, ISSUER, SCIM).verify(f"Bearer {token}")
    assert isinstance(caller, Caller)
    assert (caller.tenant, caller.client_id, caller.scopes) == (TENANT, client.client_id, frozenset({"scim"}))
    assert not isinstance(await BearerVerifier(pool, store, ISSUER, SESSIONS).verify(f"Bearer {token}"), Caller)


async def test_resource_may_be_repeated(world: World) -> None:
    client = await world.machine("scim sessions:read")
    token = (await _token(world, client, resource=[SCIM, SESSIONS])).json()["access_token"]
    assert world.claims(token)["aud"] == [SCIM, SESSIONS]


async def test_row_29_scopes_beyond_the_registration_are_refused(world: World) -> None:
    client = await world.machine("scim")
    for scope in ("scim sessions:revoke", "openid", "clients:write", "x"):
        response = await _token(world, client, scope=scope)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_scope")


async def test_row_11_a_revoked_client_or_tenant_gets_nothing_and_its_tokens_are_dead(world: World) -> None:
    watcher = await world.client()
    for kind in ("client", "tenant"):
        client = await world.machine("scim")
        token = (await _token(world, client)).json()["access_token"]
        assert await world.active(watcher, token)
        await world.revoke(kind, client.client_id if kind == "client" else "")
        # The secret was trusted on stamps that are too old now.
        refused = await _token(world, client)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
        world.resources.clients.forget()  # type: ignore[attr-defined]
        assert not await world.active(watcher, token)


async def test_row_11_a_deactivated_client_is_no_client(world: World) -> None:
    client = await world.machine("scim")
    watcher = await world.client()
    token = (await _token(world, client)).json()["access_token"]
    async with world.resources.pool.acquire() as connection, connection.transaction():
        entry = await clients.deactivate(connection, TENANT, client.client_id)
    assert entry is not None
    await world.resources.revoker.confirm([entry])
    world.resources.clients.forget()  # type: ignore[attr-defined]
    assert (await _token(world, client)).json()["error"] == "invalid_client"
    assert not await world.active(watcher, token)


# --- authentication


@spec("RFC 6749 §5.2")
async def test_a_refused_basic_authentication_is_challenged(world: World) -> None:
    client = await world.machine()
    response = await world.http.post(
        "/token", data={"grant_type": "client_credentials"}, auth=(client.client_id, "wrong")
    )
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Basic ")
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {"error": "invalid_client", "error_description": "client authentication failed"}


async def test_unknown_clients_and_wrong_secrets_answer_byte_for_byte_the_same(world: World) -> None:
    client = await world.machine()
    answers = []
    for name, secret in ((client.client_id, "wrong"), ("nobody", "wrong"), ("no body!", "wrong"), ("x" * 5000, "y")):
        response = await world.http.post("/token", data={"grant_type": "client_credentials"}, auth=(name, secret))
        headers = {k: v for k, v in response.headers.items() if k not in ("x-request-id", "date")}
        answers.append((response.status_code, headers, response.content))
    assert all(answer == answers[0] for answer in answers)


@spec("RFC 6749 §2.3.1")
async def test_each_client_uses_its_registered_method(world: World) -> None:
    form = {"grant_type": "client_credentials"}
    for method in ("client_secret_basic", "client_secret_post"):
        client = await world.machine(token_endpoint_auth_method=method)
        in_body = await world.http.post(
            "/token", data={**form, "client_id": client.client_id, "client_secret": str(client.client_secret)}
        )
        in_header = await world.http.post("/token", data=form, auth=(client.client_id, str(client.client_secret)))
        assert (in_header.status_code == 200) is (method == "client_secret_basic")
        assert (in_body.status_code == 200) is (method == "client_secret_post")
        assert "www-authenticate" not in in_body.headers


@spec("RFC 6749 §3.2")
@pytest.mark.parametrize(
    "body",
    [
        "grant_type=client_credentials&grant_type=client_credentials",
        "grant_type=client_credentials&scope=scim&scope=scim",
        "grant_type=client_credentials&client_id=a&client_id=b",
        "grant_type=authorization_code&code=a&code=b",
        "grant_type=client_credentials&client_secret=&client_secret=",
        "grant_type=%zz",
        "grant_type=%ff",
        "grant_type=client_credentials&x=%00",
        "",
    ],
)
async def test_row_26_a_parameter_twice_or_malformed_is_refused(world: World, body: str) -> None:
    client = await world.machine()
    response = await world.http.post(
        "/token",
        content=body,
        headers={"content-type": "application/x-www-form-urlencoded"},
        auth=(client.client_id, str(client.client_secret)),
    )
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
async def test_only_forms_are_read(world: World, content_type: str) -> None:
    response = await world.http.post("/token", content=b"{}", headers={"content-type": content_type})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_credentials_in_the_query_are_refused(world: World) -> None:
    client = await world.machine()
    auth = (client.client_id, str(client.client_secret))
    response = await world.http.post("/token?grant_type=client_credentials", auth=auth)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_two_methods_of_authentication_are_refused(world: World) -> None:
    client = await world.machine()
    data = {
        "grant_type": "client_credentials",
        "client_id": client.client_id,
        "client_secret": str(client.client_secret),
    }
    response = await world.http.post("/token", data=data, auth=(client.client_id, str(client.client_secret)))
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    basic = "Basic " + base64.b64encode(f"{client.client_id}:{client.client_secret}".encode()).decode()
    twice = [("authorization", basic), ("authorization", basic)]
    response = await world.http.post("/token", data={"grant_type": "client_credentials"}, headers=twice)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@spec("RFC 6749 §3.2")
async def test_the_endpoint_wants_post_and_says_so_in_its_own_format(world: World) -> None:
    response = await world.http.get("/token")
    assert response.status_code == 405
    assert response.json()["error"] == "invalid_request"
    assert "POST" in response.headers["allow"]


async def test_no_other_origin_is_told_it_may_read_tokens(world: World) -> None:
    client = await world.machine()
    response = await world.http.post(
        "/token",
        data={"grant_type": "client_credentials"},
        headers={"origin": "https://evil.example"},
        auth=(client.client_id, str(client.client_secret)),
    )
    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_an_opaque_token_is_good_until_its_end(world: World) -> None:
    client = await world.machine("scim", access_token_format="opaque")
    token = (await _token(world, client)).json()["access_token"]
    assert token.startswith("ga_")
    watcher = await world.client()
    said = (await world.post("/introspect", watcher, token=token)).json()
    assert said["active"] is True
    assert said["aud"] == SCIM
    assert said["sub"] == f"client:{client.client_id}"
    assert 0 < said["exp"] - time.time() <= 300
    assert isinstance(jose.peek(token), jose.Refusal)
