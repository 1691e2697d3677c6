"""kill -9 of each service in the middle of the flow: nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from identity_core.secrets import random_token
from identity_core.testing.stack import USER_SCHEMA
from tests.flows.fragile import Scene, _fragile, fragile, scene
from tests.flows.houses import new_person, new_visitor, sign_in_again
from tests.flows.stack import Stack

__all__ = ["_fragile", "fragile", "scene"]


async def killed_and_started(stack: Stack, service: str) -> None:
    stack.kill(service)
    await stack.restart(service)


async def test_the_provider_dies_at_every_step_of_a_sign_in_and_the_person_goes_on(scene: Scene) -> None:
    person, application = scene.person, scene.application
    assert person.authenticator is not None
    async with new_visitor(scene.stack) as visitor:
        attempt = await application.begin()
        page = await visitor.open(attempt.url)
        await killed_and_started(scene.stack, "authz")
        page = await visitor.sign_in_until_code(page, person.username, person.password)
        await killed_and_started(scene.stack, "authz")
        page = await visitor.submit(page, "totp-submit", totp_code=await person.authenticator.code())
        assert page.left, page.heading
        await killed_and_started(scene.stack, "authz")
        tokens = await application.finish(attempt, page.url)
        await killed_and_started(scene.stack, "authz")
        assert (await application.userinfo(tokens)).status_code == 200
        await application.refresh(tokens)
        again = await visitor.open((await application.begin()).url)
        assert again.left, "the session outlives the process that opened it"


async def test_every_acknowledged_refresh_survives_the_death_of_the_provider(scene: Scene) -> None:
    heads = [scene.tokens.refresh_token]

    async def rotate() -> None:
        while (answer := await scene.refresh(heads[-1])).status_code == 200:
            heads.append(answer.json()["refresh_token"])

    await kill_while(scene, "authz", rotate, until=lambda: len(heads) > 10)
    answer = await scene.refresh(heads[-1])
    assert answer.status_code == 200, answer.text
    assert (await scene.introspect(answer.json()["refresh_token"])).json()["active"] is True


async def test_every_acknowledged_user_survives_the_death_of_the_directory(scene: Scene) -> None:
    made: dict[str, str] = {}
    tried: dict[str, str] = {}

    async def create() -> None:
        while True:
            username, key = f"{random_token(64)}@example.com", random_token()
            tried[username] = key
            made[username] = (await post_user(scene, username, key)).json()["id"]

    await kill_while(scene, "scim", create, until=lambda: len(made) > 15, callers=4)
    for username, key in tried.items():
        # A retry with the same key finds what was acknowledged, and makes what was not.
        answer = await post_user(scene, username, key)
        assert answer.status_code == 201, answer.text
        assert made.get(username, answer.json()["id"]) == answer.json()["id"]
        found = await scene.operator.scim("GET", "/Users", params={"filter": f'userName eq "{username}"'})
        assert found.json()["totalResults"] == 1


async def post_user(scene: Scene, username: str, key: str) -> httpx.Response:
    resource = {"schemas": [USER_SCHEMA], "userName": username}
    return await scene.operator.scim("POST", "/Users", json=resource, headers={"Idempotency-Key": key})


async def test_every_acknowledged_revocation_survives_the_death_of_the_session_service(scene: Scene) -> None:
    people = [await new_person(scene.operator) for _ in range(12)]
    token = await scene.operator.token("sessions:revoke sessions:read", scene.stack.house.sessions_base_url)
    waiting, records = list(people), []

    async def revoke() -> None:
        while waiting:
            person = waiting.pop()
            answer = await post_revocation(scene, token, person.id)
            assert answer.status_code == 201
            records.append(answer)
        await asyncio.sleep(30)

    await kill_while(scene, "sessions", revoke, until=lambda: len(records) > 5)
    for record in records:
        url, headers = record.headers["location"], {"Authorization": f"Bearer {token}"}
        kept = await scene.operator.http.get(url, headers=headers)
        assert kept.status_code == 200
        assert kept.json()["epoch"] == record.json()["epoch"]


async def test_what_was_revoked_just_before_a_service_died_stays_revoked(scene: Scene) -> None:
    await scene.operator.revoke({"subject": scene.person.id})
    for service in ("sessions", "authz"):
        await killed_and_started(scene.stack, service)
        await nothing_works(scene)


async def test_a_revocation_that_died_with_its_service_holds_whole_or_not_at_all(scene: Scene) -> None:
    """Killed at any moment: when it comes back, all endpoints agree, and a second try revokes for good."""
    token = await scene.operator.token("sessions:revoke", scene.stack.house.sessions_base_url)
    task = asyncio.create_task(post_revocation(scene, token, scene.person.id))
    await asyncio.sleep(0.003)
    scene.stack.kill("sessions")
    answered = not isinstance((await asyncio.gather(task, return_exceptions=True))[0], BaseException)
    await scene.stack.restart("sessions")
    alive = [
        (await scene.introspect(scene.tokens.access_token)).json()["active"],
        (await scene.introspect(scene.tokens.refresh_token)).json()["active"],
        (await scene.userinfo(scene.tokens.access_token)).status_code == 200,
    ]
    assert len(set(alive)) == 1
    assert not (answered and alive[0])
    await scene.operator.revoke({"subject": scene.person.id})
    await nothing_works(scene)


async def test_other_services_answer_while_one_is_away(scene: Scene) -> None:
    scene.stack.kill("sessions")
    await scene.application.refresh(scene.tokens)
    assert scene.person.authenticator is not None
    async with new_visitor(scene.stack) as visitor:
        await sign_in_again(visitor, scene.application, scene.person)
    await scene.operator.set_active(scene.person.id, False)
    await nothing_works(scene)
    scene.stack.kill("scim")
    assert (await scene.token(grant_type="refresh_token", refresh_token="gr_no")).status_code == 400


async def nothing_works(scene: Scene) -> None:
    assert (await scene.userinfo(scene.tokens.access_token)).status_code == 401
    assert (await scene.refresh(scene.tokens.refresh_token)).json()["error"] == "invalid_grant"
    for token in (scene.tokens.access_token, scene.tokens.refresh_token):
        assert (await scene.introspect(token)).json() == {"active": False}
    page = await scene.visitor.open((await scene.application.begin()).url)
    assert page.heading == "Sign in"


async def post_revocation(scene: Scene, token: str, subject: str) -> httpx.Response:
    return await scene.operator.http.post(
        f"{scene.stack.house.sessions_base_url}/admin/revocations",
        json={"selector": {"subject": subject}, "reason": "a test of death"},
        headers={"Authorization": f"Bearer {token}"},
    )


async def kill_while(
    scene: Scene,
    service: str,
    work: Callable[[], Awaitable[Any]],
    *,
    until: Callable[[], bool],
    callers: int = 1,
) -> None:
    """Kill the service while callers are at work, once `until` is true; then start it again."""
    tasks = [asyncio.ensure_future(work()) for _ in range(callers)]
    try:
        async with asyncio.timeout(60):
            while not until():
                assert not any(task.done() for task in tasks), [task for task in tasks if task.done()]
                await asyncio.sleep(0.001)
        scene.stack.kill(service)
        ends = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
        assert all(isinstance(end, httpx.TransportError) for end in ends), ends
    finally:
        for task in tasks:
            task.cancel()
    await scene.stack.restart(service)
