"""The management application: alive, ready or not and why, and metrics; for the inside alone."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette

from identity_core.web.health import Check, management_app


async def passing() -> None:
    return


async def failing() -> None:
    raise ConnectionError("postgresql://x:hunter2@db refused")


async def hanging() -> None:
    await asyncio.Event().wait()


async def get(app: Starlette, path: str, host: str = "127.0.0.1:8100") -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inside") as client:
        return await client.get(path, headers={"host": host})


async def test_livez_answers_whatever_the_checks_say() -> None:
    assert (await get(management_app({"postgres": failing}), "/livez")).json() == {"status": "alive"}


async def test_readyz_is_ready_when_every_check_passes() -> None:
    answer = await get(management_app({"postgres": passing, "redis": passing}), "/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


@pytest.mark.parametrize("bad", [failing, hanging])
async def test_readyz_names_what_fails_and_not_why(bad: Check) -> None:
    app = management_app({"postgres": passing, "redis": bad}, check_seconds=0.05)
    answer = await get(app, "/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["failing"] == ["redis"]
    assert "hunter2" not in answer.text


async def test_a_stopping_service_is_alive_and_not_ready() -> None:
    app = management_app({"postgres": passing})
    app.state.stopping = True
    assert (await get(app, "/readyz")).status_code == 503
    assert (await get(app, "/livez")).status_code == 200


async def test_metrics_are_prometheus_text() -> None:
    answer = await get(management_app({}), "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE gatehouse_http_requests_total counter" in answer.text


async def test_a_stranger_s_name_is_refused() -> None:
    assert (await get(management_app({}), "/metrics", host="rebind.evil.example")).status_code == 400
