"""Traces: nothing when off, one span a request when on, no query value in any, carried through event rows."""

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from identity_core import telemetry
from identity_core.settings import ServiceSettings, load
from identity_core.telemetry import Telemetry, configure, extract, inject, propagate_to, root_span, span, store_span

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TraceSettings(ServiceSettings):
    service: ClassVar[str] = "authz"


class Collected(SpanExporter):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Any) -> SpanExportResult:
        self.spans.extend(spans)
        return SpanExportResult.SUCCESS


def settings(**more: str) -> TraceSettings:
    return load(
        TraceSettings,
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


@pytest.fixture
def off() -> Telemetry:
    return configure(settings(), "authz")


@pytest.fixture
def collected() -> Iterator[Collected]:
    exporter = Collected()
    made = configure(settings(GATEHOUSE_OTEL="console"), "authz", exporter=exporter)
    yield exporter
    made.shutdown()
    configure(settings(), "authz")


def finished(collected: Collected) -> list[ReadableSpan]:
    assert telemetry._current.provider is not None
    telemetry._current.provider.force_flush()
    return collected.spans


class _Raw:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with store_span("redis.read_standing", rows=1):
            pass
        await Response(inject() or "none")(scope, receive, send)


def build() -> FastAPI:
    app = FastAPI(openapi_url=None, telemetry=telemetry._current.for_fastapi())

    @app.get("/things/{number}")
    async def thing(number: int) -> str:
        with span("rules"):
            return inject() or "none"

    async def plain(request: Request) -> Response:
        return Response(inject() or "none")

    app.router.routes += [Route("/raw/{tenant}", _Raw()), Route("/plain", plain)]
    return app


async def get(path: str, **headers: str) -> str:
    transport = httpx.ASGITransport(build())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return (await client.get(path, headers=headers)).text


async def test_off_is_nothing_at_all(off: Telemetry) -> None:
    assert off.provider is None
    assert await get("/raw/acme", traceparent=SAMPLED) == "none"
    assert span("a") is span("b") is store_span("c")
    with root_span("work", SAMPLED):
        assert inject() is None


@pytest.mark.parametrize(
    ("path", "name"),
    [("/things/7", "GET /things/{number}"), ("/raw/acme", "GET /raw/{tenant}"), ("/plain", "GET /plain")],
)
async def test_every_kind_of_route_has_its_request_span(collected: Collected, path: str, name: str) -> None:
    await get(path)
    [request] = [one for one in finished(collected) if one.kind is trace.SpanKind.SERVER]
    assert request.name == name
    assert request.resource.attributes["service.name"] == "gatehouse-authz"


async def test_hand_spans_are_children_of_the_request(collected: Collected) -> None:
    await get("/raw/acme")
    child, parent = finished(collected)
    assert (child.name, parent.name) == ("redis.read_standing", "GET /raw/{tenant}")
    assert child.parent is not None
    assert child.parent.span_id == parent.context.span_id
    assert child.kind is trace.SpanKind.CLIENT


async def test_no_value_of_a_query_reaches_a_span(collected: Collected) -> None:
    await get("/plain?code=hunter2&state=hunter2&id_token_hint=hunter2")
    [request] = finished(collected)
    assert request.attributes is not None
    assert request.attributes["url.query"] == "code&id_token_hint&state"
    assert "hunter2" not in request.to_json()


async def test_a_caller_s_decision_is_followed(collected: Collected) -> None:
    assert (await get("/plain", traceparent=SAMPLED)).split("-")[1] == TRACE
    assert await get("/plain", traceparent=UNSAMPLED) == "none"
    assert len(finished(collected)) == 1


@pytest.mark.parametrize(("share", "untraced"), [("0", True), ("1", False)])
def test_without_a_caller_s_decision_the_share_decides(share: str, untraced: bool) -> None:
    made = configure(settings(GATEHOUSE_OTEL_SAMPLE=share), "authz", exporter=Collected())
    for headers in ([], [(b"traceparent", b"garbage")]):
        assert made.exclude({"headers": headers}) is untraced
    made.shutdown()
    configure(settings(), "authz")


def test_a_trace_goes_on_through_an_event_row(collected: Collected) -> None:
    with root_span("write", SAMPLED):
        row = inject()
    assert row is not None
    with root_span("consume", row):
        pass
    written, consumed = finished(collected)
    assert written.context.trace_id == consumed.context.trace_id == int(TRACE, 16)
    assert consumed.parent is not None
    assert consumed.parent.span_id == written.context.span_id


def test_background_work_of_an_unsampled_trace_is_not_traced(collected: Collected) -> None:
    with root_span("consume", UNSAMPLED), span("inner"):
        pass
    assert finished(collected) == []


@pytest.mark.parametrize("stored", [None, "", "garbage", "00-0-0-01"])
def test_a_malformed_traceparent_is_no_context(stored: str | None) -> None:
    assert not trace.get_current_span(extract(stored)).get_span_context().is_valid


async def test_an_httpx_client_carries_the_trace(collected: Collected) -> None:
    async def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=request.headers.get("traceparent", "none"))

    async with propagate_to(httpx.AsyncClient(transport=httpx.MockTransport(echo))) as client:
        assert (await client.get("http://x/")).text == "none"
        with root_span("call"):
            assert (await client.get("http://x/")).text == inject()


async def test_an_exception_s_text_reaches_no_span(collected: Collected) -> None:
    with pytest.raises(LookupError), root_span("work"), span("inner"):
        raise LookupError("hunter2")
    assert all("hunter2" not in one.to_json() for one in finished(collected))
