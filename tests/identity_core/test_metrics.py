"""Metrics by route template: closed label sets, whatever clients send."""

import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from identity_core.metrics import HttpMetrics, counter, gauge, histogram, render


class _Raw:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Response("raw")(scope, receive, send)


async def _plain(request: Request) -> Response:
    return Response("plain")


def build() -> FastAPI:
    app = FastAPI(openapi_url=None, middleware=[Middleware(HttpMetrics)])
    users = APIRouter(prefix="/m-users")

    @users.get("/{user}")
    async def user(user: str) -> str:
        return user

    @users.delete("/{user}")
    async def crash(user: str) -> None:
        raise LookupError

    inner = Starlette(routes=[Route("/deep/{leaf}", _plain)])
    raw = _Raw()
    app.include_router(users)
    app.include_router(users, prefix="/t/{slug}")
    app.router.routes += [
        Route("/m-raw", raw, methods=["POST"]),
        Route("/t/{slug}/m-raw", raw, methods=["POST"]),
        Mount("/m-mount/{branch}", inner),
        Mount("/m-asgi", app=_Raw()),
    ]
    return app


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(build())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


def requests(method: str, route: str, status: str) -> float:
    labels = {"method": method, "route": route, "status": status}
    return REGISTRY.get_sample_value("gatehouse_http_requests_total", labels) or 0.0


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/m-users/anna", "/m-users/{user}", "2xx"),
        ("GET", "/t/acme/m-users/anna", "/t/{slug}/m-users/{user}", "2xx"),
        ("POST", "/m-raw", "/m-raw", "2xx"),
        ("POST", "/t/acme/m-raw", "/t/{slug}/m-raw", "2xx"),
        ("GET", "/m-mount/oak/deep/leaf", "/m-mount/{branch}/deep/{leaf}", "2xx"),
        ("GET", "/m-asgi/any/thing", "/m-asgi/{path}", "2xx"),
        ("DELETE", "/m-raw", "/m-raw", "4xx"),
        ("GET", "/no/such/path/hunter2", "unmatched", "4xx"),
        ("SPY", "/no/such/path", "unmatched", "4xx"),
    ],
)
async def test_a_request_is_counted_by_its_template(
    client: httpx.AsyncClient, method: str, path: str, route: str, status: str
) -> None:
    label = method if method != "SPY" else "OTHER"
    before = requests(label, route, status)
    await client.request(method, path)
    assert requests(label, route, status) == before + 1
    assert b"hunter2" not in render()
    timed = {"method": label, "route": route}
    assert (REGISTRY.get_sample_value("gatehouse_http_request_seconds_count", timed) or 0) >= 1


async def test_a_request_that_ends_without_an_answer_is_counted_and_not_left_in_flight(
    client: httpx.AsyncClient,
) -> None:
    before = requests("DELETE", "/m-users/{user}", "none")
    flying = REGISTRY.get_sample_value("gatehouse_http_requests_in_flight")
    with contextlib.suppress(LookupError):
        await client.delete("/m-users/anna")
    assert requests("DELETE", "/m-users/{user}", "none") == before + 1
    assert REGISTRY.get_sample_value("gatehouse_http_requests_in_flight") == flying


def test_a_metric_is_made_once_and_of_one_kind() -> None:
    first = counter("test_things_total", "Things.", ("outcome",))
    assert counter("test_things_total", "Things.", ("outcome",)) is first
    with pytest.raises(TypeError):
        gauge("test_things_total", "Things.")
    first.labels("ok").inc()
    gauge("test_depth", "Depth.").set(3)
    histogram("test_seconds", "Seconds.").observe(0.2)
    page = render().decode()
    assert 'test_things_total{outcome="ok"} 1.0' in page
    assert "test_depth 3.0" in page
    assert "test_seconds_count 1.0" in page
