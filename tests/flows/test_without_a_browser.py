"""The whole life of a sign-in over TLS, from the directory's first word to its last, by Authlib's client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio
from authlib.integrations.base_client import OAuthError

from identity_core.testing.relying_party import RelyingParty, Tokens
from identity_core.testing.spec import spec
from identity_core.testing.stack import Operator
from identity_core.testing.visitor import Visitor
from tests.flows.houses import Person, first_sign_in, new_person, new_visitor, sign_in_again
from tests.flows.stack import Stack
from tests.flows.verifying import verified_access_token


@dataclass
class Scene:
    """One person, the person's browser, the application and the operator, at one house."""

    stack: Stack
    operator: Operator
    application: RelyingParty
    visitor: Visitor
    person: Person


@pytest_asyncio.fixture
async def scene(tls_stack: Stack) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        operator = await stack.enter_async_context(Operator(tls_stack.house))
        application = await stack.enter_async_context(RelyingParty(tls_stack.house))
        visitor = await stack.enter_async_context(new_visitor(tls_stack))
        yield Scene(tls_stack, operator, application, visitor, await new_person(operator))


async def by_the_administrator(scene: Scene) -> None:
    made = await scene.operator.revoke({"subject": scene.person.id}, reason="the device is lost")
    assert made["found"] >= 1


async def by_deactivation(scene: Scene) -> None:
    assert (await scene.operator.set_active(scene.person.id, False))["active"] is False


async def by_deletion(scene: Scene) -> None:
    await scene.operator.delete_user(scene.person.id)


@spec("OIDC Core §3.1", "RFC 6749 §4.1", "RFC 7636 §4", "RFC 7009 §2", "RFC 7662 §2.2")
@pytest.mark.parametrize("revoked", [by_the_administrator, by_deactivation, by_deletion])
async def test_from_the_directory_to_the_revocation(scene: Scene, revoked: Callable[[Scene], Awaitable[None]]) -> None:
    first = await first_sign_in(scene.visitor, scene.application, scene.person)
    assert first.claims["sub"] == scene.person.id
    assert set(first.claims["amr"]) >= {"pwd", "otp"}

    out = await scene.visitor.open(await scene.application.logout_url(first))
    assert out.left
    assert out.url.startswith(scene.application.registration.post_logout_redirect_uri or "-")
    again = await scene.visitor.open((await scene.application.begin()).url)
    assert again.heading == "Sign in"

    tokens = await sign_in_again(scene.visitor, scene.application, scene.person)
    assert tokens.claims["sub"] == first.claims["sub"]
    assert tokens.claims["sid"] != first.claims["sid"]
    access = await verified_access_token(scene.stack.house, tokens.access_token)
    assert access["sub"] == scene.person.id
    assert access["client_id"] == scene.application.registration.client_id

    claims = (await scene.application.userinfo(tokens)).raise_for_status().json()
    assert claims["sub"] == scene.person.id
    assert claims["email"] == scene.person.username
    refreshed = await scene.application.refresh(tokens)
    assert refreshed.refresh_token != tokens.refresh_token
    assert (await scene.operator.introspect(refreshed.access_token))["active"] is True

    await revoked(scene)
    await nothing_works(scene, tokens)
    await nothing_works(scene, refreshed)
    await the_browser_is_asked_to_sign_in(scene)


async def nothing_works(scene: Scene, tokens: Tokens) -> None:
    """Refresh refused, introspection inactive for both tokens, userinfo 401."""
    with pytest.raises(OAuthError) as refused:
        await scene.application.refresh(tokens)
    assert refused.value.error == "invalid_grant"
    for token in (tokens.access_token, tokens.refresh_token):
        assert await scene.operator.introspect(token) == {"active": False}
    answer = await scene.application.userinfo(tokens)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def the_browser_is_asked_to_sign_in(scene: Scene) -> None:
    page = await scene.visitor.open((await scene.application.begin()).url)
    assert (page.path, page.heading) == ("/login", "Sign in")
    silent = await scene.visitor.open((await scene.application.begin(prompt="none")).url)
    assert silent.left
    assert silent.query["error"] == "login_required"


@spec("OIDC Core §11", "OIDC RP-Initiated Logout §2")
async def test_signing_out_ends_what_hangs_on_the_session_and_leaves_offline_access(scene: Scene) -> None:
    offline = await first_sign_in(scene.visitor, scene.application, scene.person)
    async with RelyingParty(scene.stack.house, scope="openid profile") as other:
        attempt = await other.begin()
        page = await scene.visitor.open(attempt.url)
        assert page.left, "signed in once is signed in for the next application"
        online = await other.finish(attempt, page.url)
        online = await other.refresh(online)
        assert (await other.userinfo(online)).status_code == 200
        assert (await scene.visitor.open(await other.logout_url(online))).left
        await nothing_works(scene, online)
    assert (await scene.application.userinfo(offline)).status_code == 200
    await scene.application.refresh(offline)


@spec("RFC 6265 §4.1.2")
async def test_over_tls_every_cookie_is_bound_to_this_host(scene: Scene) -> None:
    await first_sign_in(scene.visitor, scene.application, scene.person)
    assert scene.visitor.cookies
    for cookie in scene.visitor.cookies.jar:
        assert cookie.name.startswith("__Host-")
        assert cookie.secure
        assert cookie.path == "/"
        assert not cookie.domain_specified


async def test_a_person_who_is_active_again_begins_anew(scene: Scene) -> None:
    tokens = await first_sign_in(scene.visitor, scene.application, scene.person)
    await scene.operator.set_active(scene.person.id, False)
    page = await scene.visitor.open((await scene.application.begin()).url)
    page = await scene.visitor.sign_in(page, scene.person.username, scene.person.password, None)
    assert page.heading == "Sign in", "an inactive person's right password opens nothing"
    await scene.operator.set_active(scene.person.id, True)
    await nothing_works(scene, tokens)
    again = await sign_in_again(scene.visitor, scene.application, scene.person)
    assert (await scene.application.userinfo(again)).status_code == 200


async def test_no_secret_of_a_whole_sign_in_is_in_a_log(scene: Scene) -> None:
    tokens = await first_sign_in(scene.visitor, scene.application, scene.person)
    refreshed = await scene.application.refresh(tokens)
    assert scene.person.authenticator is not None
    logs = scene.stack.whole_logs()
    assert scene.stack.secrets.web_secret not in logs
    for secret in (
        scene.person.password,
        scene.person.authenticator.secret,
        scene.stack.house.scim_token,
        *(cookie.value or "?" for cookie in scene.visitor.cookies.jar),
        *(token for each in (tokens, refreshed) for token in (each.id_token, each.access_token, each.refresh_token)),
    ):
        assert secret not in logs
