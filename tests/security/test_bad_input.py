"""Bad input at every endpoint there is: an error in the endpoint's own words, never a 500, nothing half-written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import asyncpg
import httpx
import pytest
import pytest_asyncio

from identity_core.testing.relying_party import RelyingParty
from identity_core.testing.spec import spec
from identity_core.testing.stack import Operator
from tests.flows.houses import first_sign_in, new_address, new_person, new_visitor
from tests.flows.stack import Stack
from tests.security.answers import check
from tests.security.bad_input import FORM, JSON, PATH_VALUES, Bad, documents, forms, queries
from tests.security.inventory import FAMILIES, Endpoint, endpoints

ENDPOINTS = endpoints()
WITH_BODY = [endpoint for endpoint in ENDPOINTS if endpoint.method in ("POST", "PUT", "PATCH")]
WITH_ID = [endpoint for endpoint in ENDPOINTS if "{" in endpoint.path]
PROTECTED = [
    endpoint
    for endpoint in ENDPOINTS
    # RFC 7643 §5: a client learns at ServiceProviderConfig how to authenticate.
    if endpoint.family in ("oauth", "resource", "scim", "problem") and "ServiceProviderConfig" not in endpoint.path
]
# This path is also that of a user whose id would be ".search".
TWO_MEANINGS = {("scim", "/scim/v2/Users/.search")}
# RFC 6750 §2.2: a body of another kind is not looked at where the token may stand in the header.
IGNORES_OTHER_BODIES = {("authz", "/userinfo")}
# OIDC Core §3.1.2.1: a form posted here is asked again by GET, so that the browser sends its cookies.
REPEATED_BY_GET = {Endpoint("authz", "/authorize", "POST")}
# RFC 6749 §5.2: `invalid_request` may be 400 whatever is wrong with the form.
FORM_ERRORS = {"/token", "/introspect", "/revoke", "/userinfo"}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


def test_every_route_belongs_to_a_family() -> None:
    known = {(endpoint.service, endpoint.path) for endpoint in ENDPOINTS}
    assert known == set(FAMILIES), "say in tests/security/inventory.py what is new, and what is gone"


@dataclass
class Target:
    """The house, and what each endpoint wants to see before it reads on."""

    stack: Stack
    http: httpx.AsyncClient
    database: asyncpg.Connection
    bearer: dict[str, str]
    cookie: str
    forms: dict[str, dict[str, str]]

    def base(self, service: str) -> str:
        house = self.stack.house
        parts = urlsplit(
            {"authz": house.issuer, "scim": house.scim_base_url, "sessions": house.sessions_base_url}[service]
        )
        return f"{parts.scheme}://{parts.netloc}"

    def headers(self, endpoint: Endpoint) -> dict[str, str]:
        if endpoint.family == "page":
            return {"Cookie": self.cookie, "Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
        if endpoint.family in ("scim", "problem"):
            return {"Authorization": self.bearer[endpoint.service]}
        if endpoint.family == "resource":
            return {"Authorization": self.bearer["userinfo"]}
        return {}

    async def send(self, endpoint: Endpoint, bad: Bad, path: bytes | None = None) -> httpx.Response:
        raw = (
            path
            or endpoint.path.replace("{id}", "0197d2a5-0000-7000-8000-000000000000")
            .replace("{name}", "no-such-file")
            .encode()
        )
        url = httpx.URL(self.base(endpoint.service)).copy_with(raw_path=raw + (b"?" + bad.query if bad.query else b""))
        headers = {**self.headers(endpoint), "X-Forwarded-For": new_address(), **bad.headers}
        web = self.stack.house.web
        auth = httpx.BasicAuth(web.client_id, web.client_secret or "") if endpoint.family == "oauth" else None
        if bad.announced:
            headers["Content-Length"] = str(bad.announced)
            request = self.http.build_request(endpoint.method, url, headers=headers)
            return await answer_to_the_head(next(auth.auth_flow(request)) if auth else request)
        request = self.http.build_request(endpoint.method, url, headers=headers, content=bad.body)
        answer = await self.http.send(request, auth=auth)
        if endpoint in REPEATED_BY_GET and answer.status_code == 303:
            again = url.join(answer.headers["location"])
            answer = await self.http.get(again, headers=self.headers(endpoint))
        return answer

    async def counts(self) -> dict[str, int]:
        """Rows of every table but the audit's, which also tells of what was refused."""
        names = await self.database.fetch(
            "SELECT schemaname || '.' || tablename AS name FROM pg_tables "
            "WHERE schemaname IN ('authz', 'directory', 'sessions') AND tablename <> 'audit'"
        )
        parts = " UNION ALL ".join(f"SELECT '{row['name']}', count(*) FROM {row['name']}" for row in names)
        return {row[0]: row[1] for row in await self.database.fetch(parts)}


@pytest_asyncio.fixture(scope="module")
async def target(stack: Stack) -> AsyncIterator[Target]:
    async with AsyncExitStack() as exits:
        operator = await exits.enter_async_context(Operator(stack.house))
        application = await exits.enter_async_context(RelyingParty(stack.house))
        visitor = await exits.enter_async_context(new_visitor(stack))
        tokens = await first_sign_in(visitor, application, await new_person(operator))
        admin = await operator.token("sessions:read sessions:revoke", stack.house.sessions_base_url)
        login = await visitor.open((await application.begin(prompt="login")).url)
        http = await exits.enter_async_context(stack.house.http(timeout=60))
        database = await asyncpg.connect(stack.stores.postgres.owner_url)
        exits.push_async_callback(database.close)
        yield Target(
            stack,
            http,
            database,
            {
                "scim": f"Bearer {stack.house.scim_token}",
                "sessions": f"Bearer {admin}",
                "userinfo": f"Bearer {tokens.access_token}",
            },
            "; ".join(f"{cookie.name}={cookie.value}" for cookie in visitor.cookies.jar),
            {
                "/token": {"grant_type": "client_credentials"},
                "/introspect": {"token": tokens.access_token},
                "/revoke": {"token": "ga_none"},
                "/userinfo": {"schema": "openid"},
                "/login": login.fields | {"username": "nobody", "password": "nothing"},
                "/login/totp": login.fields | {"code": "000000"},
                "/enroll/totp": login.fields | {"code": "000000"},
                "/consent": login.fields | {"decision": "allow"},
                "/logout": {"confirm": "no"},
                "/authorize": {"client_id": "web", "response_type": "code"},
            },
        )


async def answer_to_the_head(request: httpx.Request) -> httpx.Response:
    """Send a request's head alone, and read what the server says to it."""
    reader, writer = await asyncio.open_connection(request.url.host, request.url.port)
    head = [request.method.encode() + b" " + request.url.raw_path + b" HTTP/1.1"]
    head += [name + b": " + value for name, value in request.headers.raw]
    writer.write(b"\r\n".join(head) + b"\r\n\r\n")
    try:
        answered = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        status, *lines = answered.decode("latin-1").split("\r\n")[:-2]
        headers = httpx.Headers([(name, value) for name, _, value in (line.partition(": ") for line in lines)])
        body = await asyncio.wait_for(reader.readexactly(int(headers["content-length"])), 60)
    finally:
        writer.close()
    return httpx.Response(int(status.split(" ")[1]), headers=headers, content=body, request=request)


@spec("RFC 6749 §3.1", "RFC 7644 §3.12", "RFC 9457 §3")
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
async def test_a_bad_query_is_refused_in_the_endpoints_own_words(target: Target, endpoint: Endpoint) -> None:
    before = await target.counts()
    for bad in queries(
        {"/authorize": "client_id", "/logout": "state", "/scim/v2/Users": "filter"}.get(endpoint.path, "")
    ):
        answer = await target.send(endpoint, bad)
        if len(bad.query) > 60_000 and answer.status_code in (400, 414, 431):
            continue  # the server itself refuses to read a line that long
        check(endpoint.family, answer, f"{endpoint}, {bad.name}")
        assert "x-injected" not in answer.headers
        assert "<script>alert" not in answer.text
    assert await target.counts() == before


@spec("RFC 6749 §3.2", "RFC 6749 §5.2", "RFC 7644 §3.12", "RFC 9457 §3")
@pytest.mark.parametrize("endpoint", WITH_BODY, ids=str)
async def test_a_bad_body_is_refused_in_the_endpoints_own_words(target: Target, endpoint: Endpoint) -> None:
    if endpoint.family in ("scim", "problem"):
        bodies = documents("application/scim+json" if endpoint.family == "scim" else JSON)
    else:
        bodies = forms(urlencode(target.forms[endpoint.path]).encode())
    before = await target.counts()
    for bad in bodies:
        answer = await target.send(endpoint, bad)
        check(endpoint.family, answer, f"{endpoint}, {bad.name}")
        about = f"{endpoint}, {bad.name}: {answer.status_code} {answer.text[:200]}"
        if bad.headers.get("Content-Type") == FORM or (endpoint.service, endpoint.path) not in IGNORES_OTHER_BODIES:
            assert answer.status_code >= 400, about
        if bad.announced:
            assert answer.status_code == 413 or (answer.status_code == 400 and endpoint.path in FORM_ERRORS), about
    assert await target.counts() == before


@pytest.mark.parametrize("endpoint", WITH_ID, ids=str)
async def test_a_name_that_cannot_be_is_not_found(target: Target, endpoint: Endpoint) -> None:
    before = await target.counts()
    for value in PATH_VALUES:
        path = endpoint.path.encode().replace(b"{id}", value).replace(b"{name}", value)
        body, headers = (b"{}", {"Content-Type": JSON}) if endpoint in WITH_BODY else (None, {})
        answer = await target.send(endpoint, Bad("a name", body=body, headers=headers), path)
        check(endpoint.family, answer, f"{endpoint}, {value[:40]!r}")
        assert 400 <= answer.status_code < 500, f"{endpoint}, {value[:40]!r}: {answer.status_code}"
        assert "x-injected" not in answer.headers
    assert await target.counts() == before


@spec("RFC 9110 §15.5.6")
@pytest.mark.parametrize("path", sorted(set(FAMILIES) - TWO_MEANINGS), ids=" ".join)
async def test_another_method_is_405_and_says_which_ones_there_are(target: Target, path: tuple[str, str]) -> None:
    there = {endpoint.method for endpoint in ENDPOINTS if (endpoint.service, endpoint.path) == path}
    for method in METHODS:
        if method in there:
            continue
        answer = await target.send(Endpoint(*path, method), Bad("another method"))
        about = f"{method} {path}: {answer.status_code} {answer.text[:200]}"
        if method == "OPTIONS" and answer.status_code < 400:
            continue  # where browsers of other origins are let in
        check(FAMILIES[path], answer, about)
        assert answer.status_code == 405, about
        assert there <= {name.strip() for name in answer.headers["allow"].split(",")}, about


@pytest.mark.parametrize("service", ["authz", "scim", "sessions"])
@pytest.mark.parametrize(
    "path", [b"/no-such-path", b"/t/no-such-tenant/token", b"//", b"/%00", b"/%ff", b"/" + b"a" * 5000]
)
async def test_what_is_not_there_is_404_in_words(target: Target, service: str, path: bytes) -> None:
    url = httpx.URL(target.base(service)).copy_with(raw_path=path)
    answer = await target.http.get(url)
    assert answer.status_code == 404, answer.text[:200]
    kind = answer.headers["content-type"].partition(";")[0]
    assert kind in ("application/problem+json", "application/scim+json", "application/json", "text/html")
    assert "detail" not in answer.json() or {"status", "schemas", "title", "error"} & answer.json().keys()


@pytest.mark.parametrize("endpoint", PROTECTED, ids=str)
@pytest.mark.parametrize("credential", ["none", "garbage", "another scheme", "two", "not ASCII", "a megabyte"])
async def test_without_a_good_credential_nothing_is_answered(
    target: Target, endpoint: Endpoint, credential: str
) -> None:
    values = {
        "none": [],
        "garbage": [b"Bearer not.a.token"],
        "another scheme": [b"Negotiate YII="],
        "two": [b"Bearer a", b"Bearer b"],
        "not ASCII": [b"Bearer \xff\xfe"],
        "a megabyte": [b"Bearer " + b"a" * 30_000],
    }[credential]
    path = endpoint.path.replace("{id}", "0197d2a5-0000-7000-8000-000000000000")
    request = target.http.build_request(
        endpoint.method,
        f"{target.base(endpoint.service)}{path}",
        headers=[(b"Authorization", value) for value in values],
    )
    answer = await target.http.send(request)
    check(endpoint.family, answer, f"{endpoint}, {credential}")
    assert 400 <= answer.status_code < 500, f"{endpoint}, {credential}: {answer.status_code}"
