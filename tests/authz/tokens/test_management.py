"""Health, and what the application says of its routes."""

import httpx

from authz.app import management_app_for
from tests.authz.world import World


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
