"""The life of a sign-in as a person sees it: Chromium, the demo application, the directory and the administrator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from identity_core.testing.browser import person_at, set_up_authenticator, type_code, type_password
from identity_core.testing.spec import spec
from identity_core.testing.stack import Operator
from tests.flows.houses import Person, new_address, new_person
from tests.flows.stack import Stack

pytestmark = pytest.mark.browser


@dataclass
class Scene:
    """One person at a browser that has the demo application open, and the operator."""

    stack: Stack
    operator: Operator
    page: Page
    person: Person

    @property
    def demo(self) -> str:
        return self.stack.house.demo_url or ""


@pytest_asyncio.fixture(params=[True, False], ids=["with script", "without script"])
async def scene(request: pytest.FixtureRequest, stack: Stack, browser: Browser) -> AsyncIterator[Scene]:
    async with (
        Operator(stack.house) as operator,
        person_at(browser, stack.house, address=new_address(), java_script_enabled=request.param) as page,
    ):
        yield Scene(stack, operator, page, await new_person(operator))


async def by_the_administrator(scene: Scene) -> None:
    await scene.operator.revoke({"subject": scene.person.id})


async def by_deactivation(scene: Scene) -> None:
    await scene.operator.set_active(scene.person.id, False)


async def by_deletion(scene: Scene) -> None:
    await scene.operator.delete_user(scene.person.id)


@spec("OIDC Core §3.1.2", "OIDC RP-Initiated Logout §2")
@pytest.mark.parametrize("revoked", [by_the_administrator, by_deactivation, by_deletion])
async def test_a_person_signs_in_and_out_and_is_revoked(
    scene: Scene, revoked: Callable[[Scene], Awaitable[None]]
) -> None:
    page, person = scene.page, scene.person
    await sign_in_first(scene)
    await expect(page.locator("#userinfo")).to_contain_text(person.id)

    await page.click("#sign-out")
    await expect(page.locator("#sign-in")).to_be_visible()
    await page.click("#sign-in")
    await expect(page.locator("h1")).to_have_text("Sign in")
    await type_password(page, person.username, person.password)
    assert person.authenticator is not None
    await type_code(page, person.authenticator)
    await expect(page.locator("#name")).to_have_text("Pat Example")

    await page.click("#refresh")
    await expect(page.locator("[role=status]")).to_contain_text("tokens are new")
    await page.click("#ask-again")
    await expect(page.locator("#name")).to_have_text("Pat Example")

    await revoked(scene)
    await page.goto(scene.demo)
    await expect(page.locator("[role=status]")).to_contain_text("no longer accepts")
    await page.click("#sign-in")
    await expect(page.locator("h1")).to_have_text("Sign in")


async def test_a_refresh_after_the_revocation_is_refused(scene: Scene) -> None:
    await sign_in_first(scene)
    await by_the_administrator(scene)
    await scene.page.click("#refresh")
    await expect(scene.page.locator("[role=status]")).to_contain_text("refused to refresh")


async def test_signed_in_once_is_signed_in_for_the_next_visit(scene: Scene) -> None:
    await sign_in_first(scene)
    await scene.page.context.clear_cookies(domain="127.0.0.1")
    await scene.page.goto(f"{scene.demo}/login")
    await expect(scene.page.locator("#name")).to_have_text("Pat Example")


async def test_two_tabs_sign_in_side_by_side(scene: Scene) -> None:
    other = await scene.page.context.new_page()
    await sign_in_first(scene)
    await other.goto(f"{scene.demo}/login")
    await expect(other.locator("#name")).to_have_text("Pat Example")


async def test_going_back_leads_to_where_the_sign_in_is(scene: Scene) -> None:
    page, person = scene.page, scene.person
    await page.goto(f"{scene.demo}/login")
    await type_password(page, person.username, person.password)
    await expect(page.locator("#enroll-secret")).to_be_visible()
    await page.go_back()
    await expect(page.locator("#enroll-secret")).to_be_visible()


async def sign_in_first(scene: Scene) -> None:
    """From the demo's first page through password and set-up to who is signed in."""
    page = scene.page
    await page.goto(scene.demo)
    await page.click("#sign-in")
    await type_password(page, scene.person.username, scene.person.password)
    scene.person.authenticator = await set_up_authenticator(page)
    await expect(page.locator("#name")).to_have_text("Pat Example")
