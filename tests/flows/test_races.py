"""What happens at once, from several client processes against the running services."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import pytest
import pytest_asyncio

from identity_core.secrets import random_token
from identity_core.testing.relying_party import RelyingParty, Tokens
from identity_core.testing.spec import spec
from identity_core.testing.stack import SCIM_JSON, USER_SCHEMA, Operator
from identity_core.testing.visitor import Page, Visitor
from tests.flows.houses import Person, first_sign_in, new_person, new_visitor
from tests.flows.race_workers import Call, Reply, all_at_once
from tests.flows.stack import Stack


@dataclass
class Scene:
    """One person who has signed in for the first time, at one house."""

    stack: Stack
    operator: Operator
    application: RelyingParty
    visitor: Visitor
    person: Person

    def call(self, path: str, **form: str) -> Call:
        """A form posted to the provider by the application."""
        web = self.application.registration
        return Call(
            "POST", f"{self.stack.house.issuer}{path}", data=form, auth=(web.client_id, web.client_secret or "")
        )


@pytest_asyncio.fixture
async def scene(stack: Stack) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as exits:
        operator = await exits.enter_async_context(Operator(stack.house))
        application = await exits.enter_async_context(RelyingParty(stack.house))
        visitor = await exits.enter_async_context(new_visitor(stack))
        yield Scene(stack, operator, application, visitor, await new_person(operator))


def statuses(replies: list[Reply]) -> Counter[int]:
    return Counter(reply.status for reply in replies)


@spec("RFC 6749 §4.1.2", "RFC 6749 §10.5", "RFC 9700 §4.2.4")
@pytest.mark.parametrize("scope", ["openid", "openid offline_access"])
async def test_fifty_redemptions_of_one_code_give_at_most_one_token_set_and_none_of_it_works(
    scene: Scene, tmp_path: Path, scope: str
) -> None:
    await first_sign_in(scene.visitor, scene.application, scene.person)
    async with RelyingParty(scene.stack.house, scope=scope) as application:
        attempt = await application.begin()
        page = await scene.visitor.open(attempt.url)
        call = scene.call(
            "/token",
            grant_type="authorization_code",
            code=page.query["code"],
            redirect_uri=application.registration.redirect_uri,
            code_verifier=attempt.verifier,
        )
        replies = await all_at_once(tmp_path, [call] * 50)
    counted = statuses(replies)
    assert counted[200] <= 1
    assert counted[200] + counted[400] == 50
    assert {reply.json()["error"] for reply in replies if reply.status == 400} == {"invalid_grant"}
    for reply in replies:
        if reply.status == 200:
            await nothing_of_it_works(scene, reply)


async def nothing_of_it_works(scene: Scene, reply: Reply) -> None:
    given, http, issuer = reply.json(), scene.operator.http, scene.stack.house.issuer
    for token in (given["access_token"], given["refresh_token"]):
        assert await scene.operator.introspect(token) == {"active": False}
    headers = {"Authorization": f"Bearer {given['access_token']}"}
    assert (await http.get(f"{issuer}/userinfo", headers=headers)).status_code == 401
    form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
    web = scene.application.registration
    refused = await http.post(f"{issuer}/token", data=form, auth=(web.client_id, web.client_secret or ""))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


@spec("RFC 6238 §5.2")
async def test_fifty_submissions_of_one_code_by_many_browsers_let_one_in(scene: Scene, tmp_path: Path) -> None:
    await first_sign_in(scene.visitor, scene.application, scene.person)
    assert scene.person.authenticator is not None
    async with AsyncExitStack() as exits:
        pages = []
        for _ in range(10):
            visitor = await exits.enter_async_context(new_visitor(scene.stack))
            page = await visitor.open((await scene.application.begin()).url)
            page = await visitor.sign_in_until_code(page, scene.person.username, scene.person.password)
            pages.append((visitor, page))
        code = await scene.person.authenticator.code()
        calls = [submission(visitor, page, code) for visitor, page in pages for _ in range(5)]
        replies = await all_at_once(tmp_path, calls)
    let_in = [reply for reply in replies if "code=" in reply.headers.get("location", "")]
    assert len(let_in) == 1
    assert statuses(replies).keys() <= {303, 200, 409, 429, 400}
    assert sum(reply.status == 303 for reply in replies) == 1


def submission(visitor: Visitor, page: Page, code: str) -> Call:
    """The form that asks for a code, filled in, as this browser would send it."""
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in visitor.cookies.jar)
    return Call(
        "POST",
        urljoin(page.url, page.action or ""),
        {"Cookie": cookies, "Sec-Fetch-Site": "same-origin"},
        {**page.fields, page.names["totp-code"]: code},
    )


@spec("draft-ietf-httpapi-idempotency-key-header-07 §2.7")
async def test_fifty_retries_of_one_creation_make_one_user(stack: Stack, tmp_path: Path) -> None:
    username = f"{random_token(64)}@example.com"
    headers = {
        "Authorization": f"Bearer {stack.house.scim_token}",
        "Content-Type": SCIM_JSON,
        "Idempotency-Key": random_token(),
    }
    body = json.dumps({"schemas": [USER_SCHEMA], "userName": username})
    call = Call("POST", f"{stack.house.scim_base_url}/Users", headers, content=body)
    replies = await all_at_once(tmp_path, [call] * 50)
    assert statuses(replies).keys() <= {201, 409}
    for reply in replies:
        # Those that came while the first was running are told to come again, and not that the name is taken.
        assert reply.status == 201 or ("retry-after" in reply.headers and "scimType" not in reply.json())
    async with Operator(stack.house) as operator:
        again = await operator.http.post(call.url, headers=headers, content=body)
        assert again.status_code == 201
        assert {reply.text for reply in replies if reply.status == 201} == {again.text}
        found = (await operator.scim("GET", "/Users", params={"filter": f'userName eq "{username}"'})).json()
    assert found["totalResults"] == 1


async def test_fifty_creations_of_one_name_without_a_key_make_one_user(stack: Stack, tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {stack.house.scim_token}", "Content-Type": SCIM_JSON}
    body = json.dumps({"schemas": [USER_SCHEMA], "userName": f"{random_token(64)}@example.com"})
    replies = await all_at_once(
        tmp_path, [Call("POST", f"{stack.house.scim_base_url}/Users", headers, content=body)] * 50
    )
    assert statuses(replies) == {201: 1, 409: 49}
    assert {reply.json()["scimType"] for reply in replies if reply.status == 409} == {"uniqueness"}


@spec("RFC 9700 §4.14.2")
async def test_a_hundred_rotations_at_once_end_with_one_head_that_every_caller_holds(
    scene: Scene, tmp_path: Path
) -> None:
    tokens = await first_sign_in(scene.visitor, scene.application, scene.person)
    call = scene.call("/token", grant_type="refresh_token", refresh_token=tokens.refresh_token)
    replies = await all_at_once(tmp_path, [call] * 100)
    assert statuses(replies) == {200: 100}
    heads = {reply.json()["refresh_token"] for reply in replies}
    assert len(heads) == 1
    head = heads.pop()
    assert head != tokens.refresh_token
    assert (await scene.operator.introspect(head))["active"] is True
    after = await scene.application.refresh(Tokens(replies[0].json() | {"id_token": tokens.id_token}, tokens.claims))
    assert after.refresh_token != head


@spec("RFC 9700 §4.14.2")
async def test_a_token_of_two_rotations_ago_ends_its_family_whoever_comes_first(scene: Scene, tmp_path: Path) -> None:
    first = await first_sign_in(scene.visitor, scene.application, scene.person)
    second = await scene.application.refresh(first)
    third = await scene.application.refresh(second)
    calls = [
        scene.call("/token", grant_type="refresh_token", refresh_token=token)
        for token in [first.refresh_token] * 10 + [third.refresh_token] * 10
    ]
    replies = await all_at_once(tmp_path, calls)
    assert statuses(replies).keys() <= {200, 400}
    assert statuses(replies)[400] >= 10
    for token in (third.refresh_token, third.access_token):
        assert await scene.operator.introspect(token) == {"active": False}
    for reply in replies:
        if reply.status == 200:
            await nothing_of_it_works(scene, reply)


async def by_the_administrator(scene: Scene) -> None:
    await scene.operator.revoke({"subject": scene.person.id})


async def by_deactivation_for_a_moment(scene: Scene) -> None:
    await scene.operator.set_active(scene.person.id, False)
    await scene.operator.set_active(scene.person.id, True)


async def by_deletion(scene: Scene) -> None:
    await scene.operator.delete_user(scene.person.id)


@pytest.mark.parametrize("revoked", [by_the_administrator, by_deactivation_for_a_moment, by_deletion])
@pytest.mark.parametrize("enrolled", [True, False], ids=["before the code", "before the set-up"])
async def test_a_login_that_stopped_between_password_and_session_is_dead_after_a_revocation(
    scene: Scene, revoked: Callable[[Scene], Awaitable[None]], enrolled: bool
) -> None:
    if enrolled:
        await first_sign_in(scene.visitor, scene.application, scene.person)
    async with new_visitor(scene.stack) as stopped:
        page = await stopped.open((await scene.application.begin()).url)
        page = await stopped.sign_in_until_code(page, scene.person.username, scene.person.password)
        await revoked(scene)
        if enrolled:
            assert scene.person.authenticator is not None
            page = await stopped.submit(page, "totp-submit", totp_code=await scene.person.authenticator.code())
        else:
            page, _ = await stopped.enroll(page)
        assert not page.left, page.url
        assert "code" not in page.query
        silent = await stopped.open((await scene.application.begin(prompt="none")).url)
        assert silent.query["error"] == "login_required"


async def test_what_is_refreshed_while_the_person_is_revoked_is_dead_when_the_answer_is_out(
    scene: Scene, tmp_path: Path
) -> None:
    tokens = await first_sign_in(scene.visitor, scene.application, scene.person)
    call = scene.call("/token", grant_type="refresh_token", refresh_token=tokens.refresh_token)
    token = await scene.operator.token("sessions:revoke", scene.stack.house.sessions_base_url)
    revocation = Call(
        "POST",
        f"{scene.stack.house.sessions_base_url}/admin/revocations",
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        content=json.dumps({"selector": {"subject": scene.person.id}, "reason": "in the middle"}),
    )
    replies = await all_at_once(tmp_path, [*[call] * 30, revocation, *[call] * 30], processes=3)
    assert statuses(replies).keys() <= {200, 201, 400}
    assert statuses(replies)[201] == 1
    for reply in {reply.text: reply for reply in replies if reply.status == 200}.values():
        await nothing_of_it_works(scene, reply)
    assert await scene.operator.introspect(tokens.access_token) == {"active": False}
