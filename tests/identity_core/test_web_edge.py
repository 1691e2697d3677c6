"""The edge: hosts, client addresses, request ids, security headers, and the one order they run in."""

import dataclasses
import ipaddress
from collections.abc import Sequence
from typing import Any, ClassVar

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from identity_core.settings import ServiceSettings, load
from identity_core.testing.spec import spec
from identity_core.web.client_address import client_address
from identity_core.web.headers import policy
from identity_core.web.host import host_of, hosts_of, inside_hosts
from identity_core.web.stack import install_handlers, standard_middleware


@dataclasses.dataclass(frozen=True, kw_only=True)
class EdgeSettings(ServiceSettings):
    service: ClassVar[str] = "authz"


def settings(**more: str) -> EdgeSettings:
    return load(
        EdgeSettings,
        {
            "GATEHOUSE_AUTHZ_DATABASE_URL": "postgresql://x@localhost/x",
            "GATEHOUSE_REDIS_URL": "redis://localhost",
            "GATEHOUSE_TAG_KEY": "A" * 43,
            "GATEHOUSE_ISSUER": "https://id.example",
            "GATEHOUSE_SCIM_BASE_URL": "https://scim.example",
            "GATEHOUSE_SESSIONS_BASE_URL": "https://sessions.example",
        }
        | more,
    )


def build(**more: str) -> FastAPI:
    app = FastAPI(openapi_url=None, middleware=standard_middleware(settings(**more), more_urls=["https://t.example"]))
    install_handlers(app)

    @app.get("/who")
    async def who(request: Request) -> Response:
        return JSONResponse({"client": request.client.host if request.client else None, **request.scope["state"]})

    @app.get("/static")
    async def static() -> Response:
        headers = {"cache-control": "public, max-age=60", "content-security-policy": "mine", "server": "x"}
        return Response("body", headers=headers)

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError

    return app


async def get(
    path: str, headers: Sequence[tuple[str, str]] | dict[str, str] = (), peer: str = "192.0.2.1", **more: str
) -> httpx.Response:
    transport = httpx.ASGITransport(build(**more), client=(peer, 1234))
    async with httpx.AsyncClient(transport=transport, base_url="https://id.example") as client:
        return await client.get(path, headers=httpx.Headers(headers))


ALWAYS = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
}


@spec("OWASP ASVS 5.0 3.4.1", "OWASP ASVS 5.0 3.4.3", "OWASP ASVS 5.0 3.4.4")
@spec("OWASP ASVS 5.0 3.4.5", "OWASP ASVS 5.0 3.4.6", "OWASP ASVS 5.0 3.4.8")
@pytest.mark.parametrize("path", ["/who", "/nowhere", "/broken"])
async def test_every_answer_carries_the_security_headers(path: str) -> None:
    answer = await get(path)
    assert {name: answer.headers[name] for name in ALWAYS} == ALWAYS
    assert "server" not in answer.headers


async def test_a_refused_request_carries_them_too_and_its_request_id() -> None:
    answer = await get("/who", {"host": "evil.example"})
    assert answer.status_code == 400
    assert answer.headers["x-frame-options"] == "DENY"
    assert len(answer.headers["x-request-id"]) == 32


async def test_what_a_route_sets_itself_is_left_alone_but_never_a_server_header() -> None:
    answer = await get("/static")
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert answer.headers.get_list("content-security-policy") == ["mine"]
    assert "server" not in answer.headers


async def test_hsts_is_sent_for_an_https_issuer_only() -> None:
    answer = await get(
        "/who", {"host": "localhost"}, GATEHOUSE_ISSUER="http://localhost:8000", GATEHOUSE_ENV="development"
    )
    assert answer.status_code == 200
    assert "strict-transport-security" not in answer.headers


def test_a_page_s_policy_keeps_what_it_does_not_name() -> None:
    made = policy(style_src="'self'", form_action="'self' https://rp.example")
    assert "default-src 'none'" in made
    assert "frame-ancestors 'none'" in made
    assert "form-action 'self' https://rp.example" in made
    assert made.count("form-action") == 1


@pytest.mark.parametrize("given_id", ["abcdefgh", "a-b.c_d-0123456789"])
async def test_a_sane_request_id_is_kept_and_echoed(given_id: str) -> None:
    answer = await get("/who", {"x-request-id": given_id})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == given_id


@pytest.mark.parametrize("given_id", ["short", "x" * 65, "with space-1", 'quote"quote"', "new=line;12", ""])
async def test_any_other_request_id_is_replaced(given_id: str) -> None:
    answer = await get("/who", {"x-request-id": given_id})
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert answer.headers["x-request-id"] != given_id
    assert len(answer.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    "host", ["id.example", "ID.EXAMPLE", "id.example:8443", "id.example.", "scim.example", "t.example"]
)
async def test_our_own_hosts_are_served(host: str) -> None:
    assert (await get("/who", {"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "id.example.evil", "xid.example", "localhost", "127.0.0.1", "id.example:port", ""),
        *("id.example@evil.example", "id.example/x", "id.example, evil.example", "[::1", "id.example:123456"),
    ],
)
@spec("CVE-2026-48710", "GHSA-93m4-mfpg-c3xf")
async def test_any_other_host_is_400(host: str) -> None:
    answer = await get("/who", {"host": host})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert "evil" not in answer.text


@pytest.mark.parametrize("hosts", [[], ["id.example", "id.example"]])
def test_no_host_and_two_hosts_are_none(hosts: list[str]) -> None:
    assert host_of({"headers": [(b"host", host.encode()) for host in hosts]}) is None


def test_loopback_hosts_are_for_development() -> None:
    assert hosts_of(["https://id.example"], development=True)("localhost")
    assert hosts_of(["https://id.example"], development=True)("::1")
    assert not hosts_of(["https://id.example"])("localhost")


def test_the_management_listener_answers_to_inside_names_alone() -> None:
    inside = ["localhost", "127.0.0.1", "10.1.2.3", "::1", "authz", "authz.ns.svc", "a.b.svc.cluster.local"]
    assert all(inside_hosts(host) for host in inside)
    assert not any(inside_hosts(host) for host in ["evil.example", "10.1.2.3.evil.example", "svc.example"])


def scope(peer: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    return {"client": (peer, 1) if peer else None, "headers": headers}


TRUSTED = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
        ("192.0.2.1", ["garbage"], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["198.51.100.7, 10.9.9.9"], "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["garbage, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["10.2.2.2, 10.3.3.3"], "10.2.2.2"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.7"], "198.51.100.7"),
        ("2001:db8::1", ["2001:DB9:0::5"], "2001:db9::5"),
    ],
)
def test_the_client_s_address(peer: str, forwarded: list[str], address: str) -> None:
    assert client_address(scope(peer, *forwarded), TRUSTED) == address


@pytest.mark.parametrize(
    "forwarded",
    [
        *("garbage", "198.51.100.7, garbage", "198.51.100.7,", ",", " ", "198.51.100.7:80", "1.2.3", "fe80::1%eth0"),
        *("garbage, 10.2.2.2", "0x7f.1", "localhost", "1.1.1.1 " * 400, "\xe9"),
    ],
)
@spec("CVE-2024-47070")
def test_a_forwarded_address_that_must_be_read_and_is_none_refuses(forwarded: str) -> None:
    assert client_address(scope("10.0.0.1", forwarded), TRUSTED) is None


def test_a_peer_without_an_address_refuses() -> None:
    assert client_address(scope(None), TRUSTED) is None
    assert client_address(scope("testclient"), TRUSTED) is None


@given(st.lists(st.text(st.characters(max_codepoint=255)), min_size=1, max_size=4))
def test_no_x_forwarded_for_makes_an_address_of_something_else(values: list[str]) -> None:
    address = client_address(scope("10.0.0.1", *values), TRUSTED)
    if address is not None and address != "10.0.0.1":
        assert address in ",".join(values) or ipaddress.ip_address(address).version == 6
    assert client_address(scope("192.0.2.1", *values), TRUSTED) == "192.0.2.1"


async def test_the_address_reaches_the_route_and_a_bad_one_is_400() -> None:
    behind = {"GATEHOUSE_TRUSTED_PROXIES": "10.0.0.0/8"}
    answer = await get("/who", {"x-forwarded-for": "198.51.100.7"}, peer="10.0.0.1", **behind)
    assert answer.json()["client"] == answer.json()["client_address"] == "198.51.100.7"
    refused = await get("/who", {"x-forwarded-for": "hunter2"}, peer="10.0.0.1", **behind)
    assert refused.status_code == 400
    assert "hunter2" not in refused.text
    assert (await get("/who", {"x-forwarded-for": "hunter2"})).json()["client"] == "192.0.2.1"
