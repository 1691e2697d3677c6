"""Who may come in, and how the others are told."""

from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import orjson
import pytest
from fastapi import FastAPI

from identity_core import jose
from identity_core.contracts.stamps import Binding, Stamps
from identity_core.ids import uuid7
from identity_core.testing.keys import signing_key
from identity_core.testing.spec import spec
from scim.http import admission
from scim.storage.sources import create_source
from tests.scim.directory import BASE, ISSUER, Directory, client_of, is_error, new_directory


async def _get(directory: Directory, authorization: str | None, base: str = BASE) -> httpx.Response:
    async with client_of(directory.app, None, base) as http:
        headers = {} if authorization is None else {"Authorization": authorization}
        return await http.get("/Users", headers=headers)


@spec("RFC 6750 §3", "RFC 7644 §3.12")
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer nonsense",
        "Bearer gm_short",
        "Bearer gm_" + 43 * "A",
        "Bearer a.b.c",
        "Bearer  two",
    ],
)
async def test_no_or_a_wrong_token_is_401_with_a_scim_body(directory: Directory, authorization: str | None) -> None:
    reply = await _get(directory, authorization)

    is_error(reply, 401)
    assert reply.headers["www-authenticate"].startswith("Bearer")


async def test_two_authorization_headers_are_none(directory: Directory) -> None:
    headers = [("Authorization", f"Bearer {directory.token}")] * 2
    async with client_of(directory.app, None) as http:
        is_error(await http.get("/Users", headers=headers), 401)


async def test_the_scheme_is_known_in_any_case(directory: Directory) -> None:
    assert (await _get(directory, f"bearer {directory.token}")).status_code == 200


async def test_a_source_that_is_switched_off_is_401_at_once(directory: Directory) -> None:
    await directory.db.execute("UPDATE directory.source SET active = false WHERE id = $1", directory.source_id)

    is_error(await directory.http.get("/Users"), 401)


async def test_a_suspended_tenant_is_401_at_once(directory: Directory) -> None:
    await directory.db.execute("UPDATE authz.tenant SET active = false WHERE id = $1", directory.tenant)

    is_error(await directory.http.get("/Users"), 401)


async def test_an_expired_source_token_is_401(directory: Directory) -> None:
    soon, past = (datetime.now(UTC) + timedelta(seconds=sign * 60) for sign in (1, -1))
    _, live = await create_source(directory.db, directory.tenant, "live", expires_at=soon)
    _, dead = await create_source(directory.db, directory.tenant, "dead", expires_at=past)

    assert (await _get(directory, f"Bearer {live}")).status_code == 200
    is_error(await _get(directory, f"Bearer {dead}"), 401)


async def test_only_the_hash_of_a_source_token_is_kept(directory: Directory) -> None:
    rows = await directory.db.fetch("SELECT t::text FROM directory.source_token t WHERE tenant = $1", directory.tenant)

    assert rows
    assert not any(directory.token in row[0] for row in rows)


async def _access_token(directory: Directory, **changes: object) -> str:
    """An RFC 9068 access token of a client of the tenant, as authz makes it."""
    key = signing_key("ES256", "scim")
    await directory.db.execute(
        "INSERT INTO authz.signing_key (tenant, kid, alg, public_jwk, private_sealed, sign_from) "
        "VALUES ($1, $2, $3, $4, '', now()) ON CONFLICT DO NOTHING",
        directory.tenant,
        key.kid,
        key.alg,
        orjson.dumps(dict(key.public.jwk)).decode(),
    )
    now = int(datetime.now(UTC).timestamp())
    claims = {
        "iss": f"{ISSUER}/t/{directory.slug}",
        "aud": BASE,
        "sub": "client:hr",
        "client_id": "hr",
        "jti": str(uuid7()),
        "iat": now,
        "exp": now + 60,
        "scope": "scim",
        "gh": Binding(7, Stamps()).to_claim(),
    }
    return jose.sign(key, claims | changes, "at+jwt")


@pytest.fixture
def fresh_keys(scim_app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verifier keeps keys for a second; a test's own tenant is younger than that."""
    monkeypatch.setattr("identity_core.bearer.KEYS_KEPT_S", 0.0)


@spec("RFC 9068 §4")
@pytest.mark.usefixtures("fresh_keys")
async def test_a_client_with_the_scope_and_our_audience_comes_in(directory: Directory) -> None:
    token = await _access_token(directory)

    async with client_of(directory.app, token) as http:
        reply = await http.post("/Users", json={"userName": "ada"})

    assert reply.status_code == 201, reply.text
    row = await directory.row(reply.json()["id"])
    assert row is not None
    assert row["source_id"] is None
    audit = (await directory.audit())[0]
    assert (audit["actor_kind"], audit["actor"], audit["client_id"]) == ("client", "hr", "hr")


@pytest.mark.usefixtures("fresh_keys")
async def test_a_client_without_the_scope_is_403(directory: Directory) -> None:
    reply = await _get(directory, f"Bearer {await _access_token(directory, scope='openid')}")

    is_error(reply, 403)
    assert 'scope="scim"' in reply.headers["www-authenticate"]


@pytest.mark.usefixtures("fresh_keys")
@pytest.mark.parametrize("changes", [{"aud": "http://localhost:8002"}, {"exp": 1}, {"iss": ISSUER}, {"gh": "x"}])
async def test_a_token_for_others_or_past_its_end_is_401(directory: Directory, changes: dict) -> None:
    is_error(await _get(directory, f"Bearer {await _access_token(directory, **changes)}"), 401)


async def test_a_credential_opens_its_own_tenants_path_only(directory: Directory, owner: asyncpg.Connection) -> None:
    other = await new_directory(directory.app, owner)
    await other.http.aclose()
    ours, theirs = (f"http://localhost:8001/t/{slug}/scim/v2" for slug in (directory.slug, other.slug))

    assert (await _get(directory, f"Bearer {directory.token}", ours)).status_code == 200
    is_error(await _get(directory, f"Bearer {directory.token}", theirs), 404)
    is_error(await _get(directory, None, theirs), 401)


async def test_a_user_of_another_tenant_is_not_there(directory: Directory, owner: asyncpg.Connection) -> None:
    other = await new_directory(directory.app, owner)
    user = await other.create("ada")
    path = f"/Users/{user['id']}"

    for method in ("GET", "PUT", "PATCH", "DELETE"):
        body = {"userName": "x", "Operations": [{"op": "replace", "path": "active", "value": False}]}
        is_error(await directory.http.request(method, path, json=body), 404)
    for name, value in (("userName", "ada"), ("id", user["id"])):
        found = await directory.http.get("/Users", params={"filter": f'{name} eq "{value}"'})
        assert found.json()["totalResults"] == 0
    assert (await other.http.get(path)).json() == user
    await other.http.aclose()


@spec("RFC 6585 §4")
async def test_a_source_beyond_its_rate_is_told_when_to_come_again(
    directory: Directory, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (admission.PER_SECOND, admission.BURST) == (200, 400)
    monkeypatch.setattr(admission, "PER_SECOND", 0.01)
    monkeypatch.setattr(admission, "BURST", 2)

    replies = [await directory.http.get("/ResourceTypes") for _ in range(3)]

    assert [reply.status_code for reply in replies] == [200, 200, 429]
    is_error(replies[2], 429)
    assert int(replies[2].headers["retry-after"]) > 1
    other = await new_directory(directory.app, owner)
    assert (await other.http.get("/ResourceTypes")).status_code == 200, "each source has its own rate"
    await other.http.aclose()
