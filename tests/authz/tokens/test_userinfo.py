"""Userinfo: the claims the scopes open, for a token that is good now."""

from typing import Any

import pytest

from identity_core.testing.spec import spec
from tests.authz.world import CLAIMS, World

ALL = ("openid", "profile", "email", "address", "phone")


@spec("OIDC Core §5.3.1")
@pytest.mark.parametrize("format_", ["jwt", "opaque"])
async def test_get_and_post_answer_the_same(world: World, format_: str) -> None:
    client, login = await world.client(access_token_format=format_), await world.sign_in()
    token = (await world.tokens(client, login, scopes=ALL))["access_token"]
    bearer = {"authorization": f"Bearer {token}"}
    answers = [
        await world.http.get("/userinfo", headers=bearer),
        await world.http.post("/userinfo", headers=bearer),
        await world.http.post("/userinfo", data={"access_token": token}),
    ]
    for response in answers:
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"] == "no-store"
        claims = response.json()
        assert claims["sub"] == str(login.user_id)
        assert isinstance(claims["updated_at"], int)
        expected = {name: value for name, value in CLAIMS.items() if value != ""}
        assert {name: claims[name] for name in expected} == expected
        assert "phone_number" not in claims


@spec("OIDC Core §5.4")
async def test_only_the_claims_of_the_scopes_are_told(world: World) -> None:
    client = await world.client()
    for scopes, names in ((("openid",), {"sub"}), (("openid", "email"), {"sub", "email", "email_verified"})):
        token = (await world.tokens(client, scopes=scopes))["access_token"]
        assert set((await world.userinfo(token)).json()) == names


@spec("RFC 6750 §3")
async def test_without_a_token_nothing_is_said_of_one(world: World) -> None:
    response = await world.http.get("/userinfo")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="gatehouse"'
    assert response.content == b""


@spec("RFC 6750 §3.1")
async def test_a_bad_token_is_named_so(world: World) -> None:
    for token in ("x", "gs_x", "ga_x", "a.b.c", "ga_" + "0" * 47):
        response = await world.userinfo(token)
        assert response.status_code == 401
        assert 'error="invalid_token"' in response.headers["www-authenticate"]
        assert response.json()["error"] == "invalid_token"


@spec("RFC 6750 §3.1")
async def test_a_token_without_openid_is_not_enough(world: World) -> None:
    token = (await world.tokens(await world.client(), scopes=("profile",)))["access_token"]
    response = await world.userinfo(token)
    assert response.status_code == 403
    assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
    assert 'scope="openid"' in response.headers["www-authenticate"]


async def test_a_client_s_own_token_is_nobody_s(world: World) -> None:
    client = await world.machine("scim")
    token = (await world.post("/token", client, grant_type="client_credentials")).json()["access_token"]
    assert (await world.userinfo(token)).status_code == 401


@spec("RFC 9700 §2.3")
async def test_a_token_for_another_audience_is_refused(world: World) -> None:
    client = await world.client()
    code = await world.code(client, scopes=("profile",), resource=("https://api.example",))
    token = (await world.redeem(client, code)).json()["access_token"]
    assert world.claims(token)["aud"] == "https://api.example"
    assert (await world.userinfo(token)).status_code == 401


async def test_an_id_token_or_refresh_token_is_no_access_token(world: World) -> None:
    tokens = await world.tokens(await world.client())
    for name in ("id_token", "refresh_token"):
        assert (await world.userinfo(tokens[name])).status_code == 401


@spec("RFC 6750 §2")
async def test_a_token_is_presented_in_one_way(world: World) -> None:
    token = (await world.tokens(await world.client()))["access_token"]
    bearer = {"authorization": f"Bearer {token}"}
    wrong: list[Any] = [
        await world.http.post("/userinfo", headers=bearer, data={"access_token": token}),
        await world.http.get(f"/userinfo?access_token={token}"),
        await world.http.get("/userinfo", headers=[("authorization", f"Bearer {token}")] * 2),
        await world.http.get("/userinfo", headers={"authorization": f"Basic {token}"}),
        await world.http.get("/userinfo", headers={"authorization": "Bearer"}),
        await world.http.get("/userinfo", headers={"authorization": f"Bearer {token} x"}),
    ]
    for response in wrong:
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("format_", ["jwt", "opaque"])
@pytest.mark.parametrize("cause", ["user", "client", "tenant", "session", "inactive", "deleted"])
async def test_row_11_userinfo_ends_with_everything_the_token_hangs_on(world: World, format_: str, cause: str) -> None:
    client, login = await world.client(access_token_format=format_), await world.sign_in()
    token = (await world.tokens(client, login))["access_token"]
    assert (await world.userinfo(token)).status_code == 200
    if cause == "session":
        await world.end_session(login)
    elif cause == "inactive":
        await world.owner.execute("UPDATE directory.user_resource SET active = false WHERE id = $1", login.user_id)
    elif cause == "deleted":
        await world.owner.execute("DELETE FROM directory.user_resource WHERE id = $1", login.user_id)
    else:
        key = {"user": str(login.user_id), "client": client.client_id, "tenant": ""}[cause]
        await world.revoke(cause, key)
    response = await world.userinfo(token)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_token")
