"""The service as operators meet it: health, measures, settings, and the document that describes the API."""

import base64
from collections.abc import Callable

import httpx
import pytest

from gatehouse.dev.devservers import ValkeyServer
from identity_core.ids import uuid7
from identity_core.settings import SettingsError, load
from identity_core.testing.stores import Postgres
from sessions.app import create_app, management_app_for
from sessions.settings import SessionsSettings
from tests.sessions.desk import BASE, Desk, new_desk, settings_of


def inside(desk: Desk) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(management_app_for(desk.app), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8102")


async def test_a_started_service_is_alive_and_ready(desk: Desk) -> None:
    async with inside(desk) as http:
        assert (await http.get("/livez")).status_code == 200
        assert (await http.get("/readyz")).json() == {"status": "ready"}


async def test_a_service_without_its_lease_is_alive_and_not_ready(
    postgres: Postgres, clean_stores: None, private_valkey: Callable[..., ValkeyServer]
) -> None:
    server = private_valkey()
    settings = settings_of(postgres.sessions_url, server.url, GATEHOUSE_LEASE_SECONDS="2")
    async with new_desk(create_app(settings), postgres.owner_url) as desk, inside(desk) as http:
        server.freeze()
        try:
            while desk.resources.follower.age_limit > 0:
                await desk.owner.execute("SELECT pg_sleep(0.05)")
            assert (await http.get("/livez")).status_code == 200
            response = await http.get("/readyz")
            assert (response.status_code, response.json()["failing"]) == (503, ["ledger"])
        finally:
            server.thaw()
        await desk.resources.follower.wait_fresh(15)
        assert (await http.get("/readyz")).status_code == 200


async def test_the_measures_of_a_revocation_are_there_and_name_nobody(desk: Desk) -> None:
    ann = await desk.sign_in()
    await desk.revoke({"subject": str(ann.user_id)})
    await desk.call("DELETE", ann.path)
    async with inside(desk) as http:
        text = (await http.get("/metrics")).text
    for line in (
        'gatehouse_sessions_revocations_total{kind="user"}',
        'gatehouse_sessions_revocations_total{kind="session"}',
        "gatehouse_sessions_confirm_seconds_count",
        "gatehouse_sessions_lease_age_seconds",
        'route="/admin/sessions/{id}"',
    ):
        assert line in text
    assert str(ann.user_id) not in text
    age = next(line for line in text.splitlines() if line.startswith("gatehouse_sessions_lease_age_seconds"))
    assert 0 <= float(age.rpartition(" ")[2]) < 5


async def test_every_answer_carries_the_standard_headers(desk: Desk) -> None:
    for response in (
        await desk.call("GET", "/admin/policy"),
        await desk.http.get("/admin/policy"),
        await desk.call("GET", f"/admin/revocations/{uuid7()}"),
    ):
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-request-id"]


async def test_a_foreign_host_is_refused(desk: Desk) -> None:
    response = await desk.call("GET", "/admin/policy", headers={"host": "evil.example"})
    assert response.status_code == 400


async def test_the_document_names_scheme_scopes_problems_and_the_public_address(desk: Desk) -> None:
    response = await desk.http.get("/openapi.json")
    assert response.status_code == 200
    document = response.json()
    assert document["servers"] == [{"url": BASE}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["security"] == [{"bearer": ["sessions:read" if method == "get" else "sessions:revoke"]}], (
                path
            )
            assert {"400", "401", "403", "503"} <= set(operation["responses"])
            assert "422" not in operation["responses"], "every fault is a 400 that names the field"
            named = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert named == ({"id"} if "{id}" in path else set())


ENVIRONMENT = {
    "GATEHOUSE_ENV": "development",
    "GATEHOUSE_SESSIONS_DATABASE_URL": "postgresql://role:secret@localhost/gatehouse",
    "GATEHOUSE_REDIS_URL": "redis://localhost",
    "GATEHOUSE_TAG_KEY": base64.b64encode(b"k" * 32).decode(),
    "GATEHOUSE_ISSUER": "http://localhost:8000",
    "GATEHOUSE_SCIM_BASE_URL": "http://localhost:8001/scim/v2",
    "GATEHOUSE_SESSIONS_BASE_URL": BASE,
}


def test_the_settings_have_safe_defaults() -> None:
    settings = load(SessionsSettings, ENVIRONMENT)
    day = 86_400
    assert (settings.ended_retention_seconds, settings.event_retention_seconds) == (90 * day, 30 * day)
    assert (settings.port, settings.management_port, settings.sweep_seconds) == (8002, 8102, 5)
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEHOUSE_SESSIONS_SWEEP_SECONDS", "0"),
        ("GATEHOUSE_SESSIONS_ENDED_RETENTION_SECONDS", "60"),
        ("GATEHOUSE_SESSIONS_EVENT_RETENTION_SECONDS", "-1"),
        ("GATEHOUSE_SESSIONS_SWEEP_SECOND", "5"),
    ],
)
def test_a_wrong_setting_is_a_sentence_that_names_it(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(SessionsSettings, ENVIRONMENT | {name: value})
    (fault,) = raised.value.faults
    assert name in fault
