"""Who may come in, with what: tokens, scopes, tenants, bodies; and what is answered while a store is away."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from gatehouse.dev.devservers import PostgresServer, ValkeyServer
from identity_core import jose
from identity_core.contracts.stamps import Binding
from identity_core.ids import uuid7
from identity_core.testing.keys import signing_key
from identity_core.testing.spec import spec
from identity_core.testing.stores import Postgres
from sessions.app import create_app
from tests.sessions.desk import ALL, OTHER_TENANT, TENANT, Desk, new_desk, settings_of

POLICY = {"max_sessions_per_user": 3, "on_limit": "refuse", "idle_seconds": 900, "absolute_seconds": 3600}
ABSENT = "00000000-0000-7000-8000-0000000000ff"
# Every operation of the API: its scope, a body, and what a stranger's tenant answers to our ids.
OPERATIONS: dict[tuple[str, str], tuple[str, dict[str, Any] | None]] = {
    ("get", "/admin/sessions"): ("sessions:read", None),
    ("get", "/admin/sessions/{id}"): ("sessions:read", None),
    ("delete", "/admin/sessions/{id}"): ("sessions:revoke", None),
    ("post", "/admin/revocations"): ("sessions:revoke", {"selector": {"tenant": True}, "reason": "test"}),
    ("get", "/admin/revocations/{id}"): ("sessions:read", None),
    ("get", "/admin/policy"): ("sessions:read", None),
    ("put", "/admin/policy"): ("sessions:revoke", POLICY),
}
EACH = pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=str)


def test_every_operation_is_in_the_tables_of_this_file() -> None:
    app = create_app(settings_of("postgresql://nobody@nowhere/none", "redis://nowhere"))
    documented = {(method, path) for path, methods in app.openapi()["paths"].items() for method in methods}
    assert documented == set(OPERATIONS)


def url(path: str, target: object = ABSENT) -> str:
    return path.format(id=target)


@EACH
@spec("RFC 6750 §3")
async def test_without_a_token_the_answer_is_a_challenge(desk: Desk, method: str, path: str) -> None:
    response = await desk.http.request(method.upper(), url(path), json=OPERATIONS[method, path][1])
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["content-type"] == "application/problem+json"


@EACH
@spec("RFC 6750 §3.1")
async def test_a_token_without_the_scope_is_refused_by_name(desk: Desk, method: str, path: str) -> None:
    scope, body = OPERATIONS[method, path]
    other = ({"sessions:read", "sessions:revoke"} - {scope}).pop()
    before = await desk.snapshot()
    for scopes in (other, "openid scim", "", f"{scope}s"):
        response = await desk.call(method.upper(), url(path), token=desk.token(scopes), json=body)
        assert response.status_code == 403
        challenge = response.headers["www-authenticate"]
        assert challenge == f'Bearer error="insufficient_scope", scope="{scope}"'
        assert response.json()["status"] == 403
    assert await desk.snapshot() == before


@EACH
async def test_the_scope_alone_suffices(desk: Desk, method: str, path: str) -> None:
    scope, body = OPERATIONS[method, path]
    response = await desk.call(method.upper(), url(path), token=desk.token(scope), json=body)
    assert response.status_code in (200, 201, 404), response.text


@spec("RFC 9068 §4", "RFC 6750 §3.1")
async def test_a_token_that_is_not_exactly_for_us_is_invalid(desk: Desk) -> None:
    good = desk.token()
    stranger = signing_key("ES256", "a stranger")
    claims = jose.peek(good)
    assert isinstance(claims, jose.Unverified)
    wrong = {
        "other audience": desk.token(aud="http://localhost:8001/scim/v2"),
        "base with a slash": desk.token(aud="http://localhost:8002/"),
        "no audience": desk.token(aud=[]),
        "other issuer": desk.token(iss="http://localhost:8000/t/unknown"),
        "other tenant's issuer": desk.token(iss="http://localhost:8000/t/other"),
        "expired": desk.token(exp=int(time.time()) - 60),
        "not yet": desk.token(nbf=int(time.time()) + 60),
        "no stamps": desk.token(gh="1"),
        "no jti": desk.token(jti=""),
        "id token": jose.sign(signing_key("ES256", str(TENANT)), claims.claims, "JWT"),
        "stranger's key": jose.sign(stranger, claims.claims, "at+jwt"),
        "no signature": good.rpartition(".")[0] + ".",
        "opaque": "ga_" + "a" * 47,
        "not a token": "x",
        "two": f"{good} {good}",
    }
    for name, token in wrong.items():
        response = await desk.call("GET", "/admin/policy", token=token)
        assert response.status_code == 401, name
        assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"', name
    for header in (f"Basic {good}", good, ""):
        response = await desk.http.get("/admin/policy", headers={"authorization": header})
        assert response.status_code == 401
    twice = [("authorization", f"Bearer {good}")] * 2
    assert (await desk.http.get("/admin/policy", headers=twice)).status_code == 401
    assert (await desk.call("GET", "/admin/policy", token=good)).status_code == 200


async def test_a_token_in_the_query_or_a_cookie_is_none(desk: Desk) -> None:
    for options in (
        {"params": {"access_token": desk.token()}},
        {"headers": {"cookie": f"access_token={desk.token()}"}},
    ):
        assert (await desk.http.get("/admin/policy", **options)).status_code == 401  # type: ignore[arg-type]


async def test_a_revoked_token_is_refused_at_once(desk: Desk) -> None:
    token = desk.token()
    assert (await desk.call("GET", "/admin/policy", token=token)).status_code == 200
    await desk.revoke({"client_id": "admin-cli"}, token=token)
    assert (await desk.call("GET", "/admin/policy", token=token)).status_code == 401


async def test_a_persons_token_dies_with_their_session(desk: Desk) -> None:
    login = await desk.sign_in()
    tag = desk.store.tag(TENANT, login.user_id)
    binding = Binding(tag, login.stamps, login.session_id, uuid7())
    token = desk.token(sub=str(login.user_id), gh=binding.to_claim())
    assert (await desk.call("GET", "/admin/policy", token=token)).status_code == 200
    assert (await desk.call("DELETE", login.path, token=token)).status_code == 204
    assert (await desk.call("GET", "/admin/policy", token=token)).status_code == 401
    row = await desk.owner.fetchrow("SELECT actor_kind, actor FROM sessions.audit")
    assert row is not None
    assert tuple(row) == ("user", str(login.user_id))


@EACH
async def test_another_tenants_administrator_reaches_nothing_of_ours(desk: Desk, method: str, path: str) -> None:
    """The cross-tenant matrix: their full token on every operation, aimed at our session, revocation and policy."""
    login = await desk.sign_in()
    revocation = await desk.revoke({"subject": str(uuid7())})
    await desk.call("PUT", "/admin/policy", json=POLICY)
    theirs = desk.token(ALL, tenant=OTHER_TENANT)
    ours = await desk.owner.fetch("SELECT kind, key, epoch FROM sessions.ledger WHERE tenant = $1", TENANT)
    body = OPERATIONS[method, path][1]
    if method == "put":
        body = POLICY | {"idle_seconds": 60}
    target = revocation["id"] if "revocations" in path else login.session_id
    response = await desk.call(method.upper(), url(path, target), token=theirs, json=body)
    assert response.status_code == (404 if "{id}" in path else response.status_code)
    for secret in (str(login.session_id), str(login.user_id), revocation["id"]):
        assert secret not in response.text
    assert await desk.verdict(login) is None
    assert await desk.get("/admin/policy") == POLICY
    assert ours == await desk.owner.fetch("SELECT kind, key, epoch FROM sessions.ledger WHERE tenant = $1", TENANT)


async def test_another_tenants_selectors_do_not_touch_the_same_ids_here(desk: Desk) -> None:
    login = await desk.sign_in()
    theirs = desk.token(ALL, tenant=OTHER_TENANT)
    grant = uuid7()
    selectors: list[dict[str, Any]] = [
        {"subject": str(login.user_id)},
        {"client_id": "web"},
        {"grant_id": str(grant), "subject": str(login.user_id)},
        {"tenant": True},
    ]
    for selector in selectors:
        made = await desk.revoke(selector, token=desk.token(tenant=OTHER_TENANT, stamps=desk.last_stamps()))
        assert made["found"] == 0
    body = {"selector": {"session_id": str(login.session_id)}, "reason": "test"}
    assert (await desk.call("POST", "/admin/revocations", token=theirs, json=body)).status_code in (401, 404)
    assert await desk.verdict(login) is None
    assert await desk.verdict(login, grant_id=grant, offline=True) is None


BODIES = [
    ("POST", "/admin/revocations", b'{"selector": {"tenant": true}, "reason": "x"}'),
    (
        "PUT",
        "/admin/policy",
        b'{"max_sessions_per_user": 3, "on_limit": "refuse", "idle_seconds": 900, "absolute_seconds": 3600}',
    ),
]


@pytest.mark.parametrize(("method", "path", "good"), BODIES)
async def test_a_body_that_is_no_json_object_with_one_meaning_is_400(
    desk: Desk, method: str, path: str, good: bytes
) -> None:
    before = await desk.snapshot()
    wrongs = [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        good + b"x",
        good[:-1] + b',"reason": "y", "on_limit": "refuse"}',
        b"{" + b'"a":{' * 5000,
        b"\xff\xfe" + good,
        good.replace(b'"x"', b'"\xff"').replace(b"refuse", b"ref\xffuse"),
        good.replace(b'"x"', b'"a\\u0000b"').replace(b"refuse", b"ref\\u0000use"),
        good.replace(b'"x"', b'"\\ud800"').replace(b"refuse", b"\\ud800"),
        good.replace(b"true", b"NaN").replace(b"900", b"1e999"),
        good.replace(b"900", b"9" * 5000) if b"900" in good else b"NaN",
    ]
    for wrong in wrongs:
        response = await desk.call(method, path, content=wrong, headers={"content-type": "application/json"})
        assert response.status_code == 400, (wrong[:60], response.text)
        assert response.headers["content-type"] == "application/problem+json"
    assert await desk.snapshot() == before


@pytest.mark.parametrize(("method", "path", "good"), BODIES)
async def test_a_body_of_another_kind_or_size_is_refused(desk: Desk, method: str, path: str, good: bytes) -> None:
    before = await desk.snapshot()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json-patch+json", ""):
        response = await desk.call(method, path, content=good, headers={"content-type": kind})
        assert response.status_code == 415, kind
    packed = {"content-type": "application/json", "content-encoding": "gzip"}
    assert (await desk.call(method, path, content=good, headers=packed)).status_code == 415
    long = good[:-1] + b" " * 65_536 + b"}"
    assert (
        await desk.call(method, path, content=long, headers={"content-type": "application/json"})
    ).status_code == 413
    assert await desk.snapshot() == before
    spelt = {"content-type": "Application/JSON; charset=utf-8"}
    assert (await desk.call(method, path, content=good, headers=spelt)).status_code in (200, 201)


async def test_a_field_nobody_knows_is_named(desk: Desk) -> None:
    body = {"selector": {"subject": str(uuid7())}, "reason": "test", "dryrun": True}
    response = await desk.call("POST", "/admin/revocations", json=body)
    assert response.status_code == 400
    assert response.json() == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "dryrun is not known here",
        "field": "dryrun",
    }


@spec("RFC 9110 §15.5.6")
async def test_unknown_paths_and_methods_are_problems_too(desk: Desk) -> None:
    for method, path, status, allow in (
        ("GET", "/", 404, None),
        ("GET", "/docs", 404, None),
        ("GET", "/admin/sessions/", 404, None),
        ("POST", "/admin/sessions", 405, "GET"),
        ("DELETE", "/admin/policy", 405, "GET, PUT"),
        ("PATCH", "/admin/policy", 405, "GET, PUT"),
        ("OPTIONS", f"/admin/sessions/{ABSENT}", 405, "DELETE, GET"),
        ("POST", "/openapi.json", 405, "GET, HEAD"),
    ):
        response = await desk.call(method, path)
        assert response.status_code == status, path
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers.get("allow") == allow


async def test_while_redis_is_away_nothing_is_answered_and_nothing_ends(
    postgres: Postgres, clean_stores: None, private_valkey: Callable[..., ValkeyServer]
) -> None:
    server = private_valkey()
    settings = settings_of(postgres.sessions_url, server.url, GATEHOUSE_LEASE_SECONDS="2")
    async with new_desk(create_app(settings), postgres.owner_url) as desk:
        login, token = await desk.sign_in(), desk.token()
        before = await desk.snapshot()
        server.freeze()
        try:
            for (method, path), (_, body) in OPERATIONS.items():
                response = await desk.call(method.upper(), url(path, login.session_id), token=token, json=body)
                assert response.status_code == 503, path
                assert int(response.headers["retry-after"]) >= 1
                assert response.headers["content-type"] == "application/problem+json"
        finally:
            server.thaw()
        assert await desk.snapshot() == before
        await desk.resources.follower.wait_fresh(15)
        assert await desk.verdict(login) is None


async def test_while_postgresql_is_away_the_answer_is_503(
    private_database: Callable[[], tuple[PostgresServer, Postgres]],
    redis_url: str,
    clean_stores: None,
) -> None:
    server, urls = private_database()
    settings = settings_of(urls.sessions_url, redis_url, GATEHOUSE_LEASE_SECONDS="30")
    async with new_desk(create_app(settings), urls.owner_url) as desk:
        token = desk.token()
        assert (await desk.call("GET", "/admin/policy", token=token)).status_code == 200
        server.kill()
        for (method, path), (_, body) in OPERATIONS.items():
            response = await desk.call(method.upper(), url(path), token=token, json=body)
            assert response.status_code == 503, path
            assert response.headers["content-type"] == "application/problem+json"
