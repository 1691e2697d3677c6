"""Whatever fails before a handler runs is a page where a person is looking, and a problem document elsewhere."""

import pytest

from tests.authz.world import World

BROWSER = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/nowhere", "/t/nobody/login", "/t/nobody/authorize"])
async def test_an_unknown_address_is_a_page_for_a_browser(world: World, path: str) -> None:
    answer = await world.http.get(path, headers=BROWSER)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "Something went wrong" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_the_same_address_is_a_problem_document_for_a_machine(world: World) -> None:
    answer = await world.http.get("/t/nobody/login")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_a_token_endpoint_speaks_json_whatever_is_accepted(world: World) -> None:
    answer = await world.http.get("/token", headers=BROWSER)
    assert answer.headers["content-type"].startswith("application/json")
