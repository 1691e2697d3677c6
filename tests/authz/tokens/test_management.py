"""Health, and what the application says of its routes."""

from collections.abc import Callable

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from authz.app import management_app_for
from authz.settings import AuthzSettings
from identity_core import telemetry
from identity_core.ids import uuid7
from identity_core.testing.stores import Postgres
from tests.authz.world import World, open_world


async def test_the_service_is_ready_while_its_stores_and_keys_are_there(world: World) -> None:
    management = management_app_for(world.app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(management), base_url="http://localhost:8100") as http:
        assert (await http.get("/livez")).status_code == 200
        assert (await http.get("/readyz")).status_code == 200
        world.resources.follower._fresh_until = float("-inf")
        response = await http.get("/readyz")
        assert (response.status_code, response.json()["failing"]) == (503, ["ledger"])


async def test_requests_are_counted_by_route_template_and_token_requests_by_outcome(world: World) -> None:
    client = await world.machine()
    await world.post("/token", client, grant_type="client_credentials")
    await world.post("/token", client, grant_type="password")
    await world.http.get("/t/phantom-tenant/jwks")
    management = management_app_for(world.app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(management), base_url="http://localhost:8100") as http:
        page = (await http.get("/metrics")).text
    assert 'gatehouse_token_requests_total{grant_type="client_credentials",outcome="issued"}' in page
    assert 'gatehouse_token_requests_total{grant_type="unread",outcome="unsupported_grant_type"}' in page
    assert 'gatehouse_http_requests_total{method="POST",route="/token",status="2xx"}' in page
    assert "phantom-tenant" not in page


async def test_a_request_s_span_has_the_template_of_its_route_for_a_name(
    make_settings: Callable[..., AuthzSettings], postgres: Postgres, clean_stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(telemetry, "configure", lambda settings, service: telemetry.Telemetry(provider, 1.0))
    async with open_world(make_settings(), postgres.owner_url) as world:
        await world.owner.execute("INSERT INTO authz.tenant (id, slug, name) VALUES ($1, 'acme', 'Acme')", uuid7())
        for path in ("/jwks", "/t/acme/.well-known/openid-configuration", "/static/nothing.css"):
            await world.http.get(path)
        await world.http.request("ODD", "/token")
        names = [span.name for span in spans.get_finished_spans() if span.kind is SpanKind.SERVER]
    wanted = ["GET /jwks", "GET /t/{slug}/.well-known/openid-configuration", "GET /static/{name}", "HTTP /token"]
    assert names == wanted
