"""PostgreSQL or Redis away, and back: 503 with Retry-After, no open door, never a 500, and no restart of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from identity_core.secrets import random_token
from identity_core.testing.relying_party import RelyingParty
from identity_core.testing.spec import spec
from identity_core.testing.stack import USER_SCHEMA
from tests.flows.fragile import Fragile, Scene, _fragile, fragile, scene
from tests.flows.houses import first_sign_in, new_person, new_visitor

__all__ = ["_fragile", "fragile", "scene"]

Fault = Callable[[Fragile], None]


def redis_frozen(house: Fragile) -> None:
    house.valkey.freeze()


def redis_killed(house: Fragile) -> None:
    house.valkey.kill()


def postgres_frozen(house: Fragile) -> None:
    house.postgres.freeze()


def postgres_killed(house: Fragile) -> None:
    house.postgres.kill()


FAULTS = [redis_frozen, redis_killed, postgres_frozen, postgres_killed]
Ask = Callable[[], Awaitable[httpx.Response]]


async def questions(scene: Scene) -> dict[str, Ask]:
    """One request to each endpoint that must not answer without its stores, with what would be good otherwise."""
    house, http = scene.stack.house, scene.operator.http
    admin = await scene.operator.token("sessions:read sessions:revoke", house.sessions_base_url)
    bearer = {"Authorization": f"Bearer {admin}"}
    begin = (await scene.application.begin()).url
    client = httpx.BasicAuth(house.admin.client_id, house.admin.client_secret or "")
    login_form = (await scene.visitor.open((await scene.application.begin(prompt="login")).url)).fields

    cookies = {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in scene.visitor.cookies.jar)}

    async def sign_in() -> httpx.Response:
        data = {**login_form, "username": scene.person.username, "password": scene.person.password}
        return await http.post(f"{house.issuer}/login", data=data, headers=cookies)

    async def authorize() -> httpx.Response:
        return await http.get(begin, headers=cookies)

    revocation = {"selector": {"subject": scene.person.id}, "reason": "while a store is away"}
    user = {"schemas": [USER_SCHEMA], "userName": f"{random_token(64)}@example.com"}
    return {
        "authorize": authorize,
        "login": sign_in,
        "userinfo": lambda: scene.userinfo(scene.tokens.access_token),
        "introspect": lambda: scene.introspect(scene.tokens.access_token),
        "introspect a refresh token": lambda: scene.introspect(scene.tokens.refresh_token),
        "own token": lambda: http.post(f"{house.issuer}/token", data={"grant_type": "client_credentials"}, auth=client),
        "read users": lambda: scene.operator.scim("GET", f"/Users/{scene.person.id}"),
        "create a user": lambda: scene.operator.scim("POST", "/Users", json=user),
        "list sessions": lambda: http.get(f"{house.sessions_base_url}/admin/sessions", headers=bearer),
        "revoke": lambda: http.post(f"{house.sessions_base_url}/admin/revocations", json=revocation, headers=bearer),
    }


@spec("revocation rule 5", "RFC 9110 §15.6.4")
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_store_away_is_503_everywhere_and_heals_by_itself(scene: Scene, fault: Fault) -> None:
    asked = await questions(scene)
    fault(scene.fragile)
    async with asyncio.timeout(120):
        # Within a lease some may still be answered, rightly; after it none.
        while (answers := await all_answers(asked)) and any(answer.status_code != 503 for answer in answers.values()):
            for name, answer in answers.items():
                assert answer.status_code < 500 or is_unavailable(answer), (name, answer.status_code, answer.text)
            await asyncio.sleep(0.2)
    for name, answer in answers.items():
        assert is_unavailable(answer), (name, dict(answer.headers), answer.text)
        for word in ("redis", "valkey", "postgres", "asyncpg", "traceback"):
            assert word not in answer.text.lower(), name
    async with asyncio.timeout(60):
        while {await health(scene, service) for service in ("authz", "scim", "sessions")} != {503}:  # noqa: ASYNC110
            await asyncio.sleep(0.2)

    await scene.fragile.heal()
    await everything_works(scene)


async def all_answers(asked: dict[str, Ask]) -> dict[str, httpx.Response]:
    return dict(zip(asked, await asyncio.gather(*(ask() for ask in asked.values())), strict=True))


def is_unavailable(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1


async def health(scene: Scene, service: str) -> int:
    answer = await scene.operator.http.get(f"{scene.stack.house.management[service]}/readyz")
    return answer.status_code


async def everything_works(scene: Scene) -> None:
    """What was given out before still works, and so does a new life from its beginning to its end."""
    refreshed = await scene.application.refresh(scene.tokens)
    assert (await answered(lambda: scene.userinfo(refreshed.access_token))).status_code == 200
    person = await new_person(scene.operator)
    async with new_visitor(scene.stack) as visitor:
        tokens = await first_sign_in(visitor, scene.application, person)
    await scene.operator.revoke({"subject": person.id})
    assert (await answered(lambda: scene.userinfo(tokens.access_token))).status_code == 401


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_was_revoked_stays_out_while_a_store_goes_and_comes_back(scene: Scene, fault: Fault) -> None:
    await scene.operator.revoke({"subject": scene.person.id})
    async with never_accepted(scene):
        fault(scene.fragile)
        await asyncio.sleep(3)
        await scene.fragile.heal()
        await asyncio.sleep(1)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_directory_that_lost_a_store_acknowledges_nothing_it_did_not_do(scene: Scene, fault: Fault) -> None:
    """A deactivation that was answered with success holds; one that was not may be sent again until it is."""
    fault(scene.fragile)
    task = asyncio.create_task(scene.operator.scim("DELETE", f"/Users/{scene.person.id}"))
    await asyncio.sleep(1)
    await scene.fragile.heal()
    answer = await task
    assert answer.status_code == 204 or is_unavailable(answer), (answer.status_code, answer.text)
    while answer.status_code == 503:
        answer = await scene.operator.scim("DELETE", f"/Users/{scene.person.id}")
    assert answer.status_code in (204, 404)
    await dead_everywhere(scene)


@spec("revocation rule 4")
async def test_redis_restarted_empty_revives_nothing(scene: Scene) -> None:
    await scene.operator.revoke({"subject": scene.person.id})
    async with never_accepted(scene):
        scene.fragile.valkey.restart(empty=True)
        await scene.stack.ready()
        await asyncio.sleep(1)
    await dead_everywhere(scene)
    await a_new_life(scene)


@spec("revocation rule 4")
@pytest.mark.parametrize("how", ["by the administrator", "by deactivation", "by deletion", "by logout"])
async def test_redis_with_the_state_of_a_minute_ago_revives_nothing(scene: Scene, how: str) -> None:
    async with RelyingParty(scene.stack.house, scope="openid") as online:
        attempt = await online.begin()
        tokens = await online.finish(attempt, (await scene.visitor.open(attempt.url)).url)
        if how == "by logout":
            scene.tokens = tokens
        scene.fragile.valkey.save_snapshot()
        await asyncio.sleep(1.5)  # the copies are older than the next check
        match how:
            case "by the administrator":
                await scene.operator.revoke({"subject": scene.person.id})
            case "by deactivation":
                await scene.operator.set_active(scene.person.id, False)
            case "by deletion":
                await scene.operator.delete_user(scene.person.id)
            case _:
                assert (await scene.visitor.open(await online.logout_url(tokens))).left
    async with never_accepted(scene):
        scene.fragile.valkey.restore_snapshot()
        await scene.stack.ready()
        await asyncio.sleep(1)
    await dead_everywhere(scene)
    await a_new_life(scene)


@asynccontextmanager
async def never_accepted(scene: Scene) -> AsyncIterator[None]:
    """While the block runs, the revoked tokens and the revoked browser are tried without a pause: never let in."""
    over, tries = asyncio.Event(), 0

    async def knock() -> None:
        nonlocal tries
        while not over.is_set():
            userinfo, known, refreshed = await asyncio.gather(
                scene.userinfo(scene.tokens.access_token),
                scene.introspect(scene.tokens.access_token),
                scene.refresh(scene.tokens.refresh_token),
            )
            assert userinfo.status_code in (401, 503), userinfo.text
            assert known.status_code == 503 or known.json() == {"active": False}, known.text
            assert refreshed.status_code in (400, 503), refreshed.text
            page = await scene.visitor.open((await scene.application.begin(prompt="none")).url)
            assert page.status == 503 or page.query["error"] == "login_required", page.url
            tries += 1

    knocking = asyncio.create_task(knock())
    try:
        yield
    finally:
        over.set()
        await knocking
    assert tries


async def answered(ask: Ask) -> httpx.Response:
    """What is answered once the store is back; until then it is 503, and no open door."""
    answer = await ask()
    while is_unavailable(answer):
        answer = await ask()
    return answer


async def dead_everywhere(scene: Scene) -> None:
    tokens = scene.tokens
    assert (await answered(lambda: scene.userinfo(tokens.access_token))).status_code == 401
    assert (await answered(lambda: scene.introspect(tokens.access_token))).json() == {"active": False}
    assert (await answered(lambda: scene.refresh(tokens.refresh_token))).json()["error"] == "invalid_grant"
    page = await scene.visitor.open((await scene.application.begin()).url)
    assert page.heading == "Sign in"


async def a_new_life(scene: Scene) -> None:
    """Who comes new signs in as ever."""
    person = await new_person(scene.operator)
    async with new_visitor(scene.stack) as visitor:
        tokens = await first_sign_in(visitor, scene.application, person)
    assert (await answered(lambda: scene.userinfo(tokens.access_token))).status_code == 200
