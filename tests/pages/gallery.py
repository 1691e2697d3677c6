"""A walk past every page a person can see, in one colour scheme: sign-in, faults, consent, sign-out, and the demo."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from playwright.async_api import Browser, Page, expect

from gatehouse.dev.devservers import ValkeyServer
from identity_core.testing.browser import person_at, set_up_authenticator, type_password
from identity_core.testing.relying_party import RelyingParty
from identity_core.testing.stack import House, Operator
from tests.flows.houses import PASSWORD, new_address
from tests.flows.stack import Stack

Scheme = Literal["light", "dark"]
Look = Callable[[str, Page], Awaitable[None]]

# Every page, by the name its picture has.
PAGES = (
    "demo-signed-out",
    "login",
    "login-wrong",
    "enroll",
    "enroll-wrong",
    "demo-signed-in",
    "challenge",
    "challenge-wrong",
    "consent",
    "logout-confirm",
    "signed-out",
    "error",
    "expired",
    "not-found",
    "throttled",
    "unavailable",
    "demo-error",
)
PHOTO = "/static/ada.svg"


@dataclass
class Walk:
    """One person's walk. `look` is called at each page with its name."""

    stack: Stack
    valkey: ValkeyServer
    page: Page
    username: str
    look: Look

    async def see(self, name: str, selector: str = "h1") -> None:
        """Look at this page once it is there: `selector` is what tells it from the page before."""
        await expect(self.page.locator(selector).first).to_be_visible(timeout=20_000)
        await self.page.wait_for_load_state("load")
        await self.look(name, self.page)

    @property
    def house(self) -> House:
        return self.stack.house

    @property
    def demo(self) -> str:
        return self.house.demo_url or ""


async def walk(
    browser: Browser, stack: Stack, valkey: ValkeyServer, scheme: Scheme, look: Look, *, username: str, name: str
) -> None:
    """Visit every page of PAGES with a new user of this name."""
    async with Operator(stack.house) as operator:
        photo = {"value": f"{stack.house.demo_url}{PHOTO}", "type": "photo", "primary": True}
        given, family = name.split(" ")
        await operator.create_user(
            username,
            PASSWORD,
            displayName=name,
            name={"formatted": name, "givenName": given, "familyName": family},
            emails=[{"value": f"{given.lower()}@example.com", "primary": True}],
            photos=[photo],
        )
    async with person_at(browser, stack.house, address=new_address(), color_scheme=scheme) as page:
        one = Walk(stack, valkey, page, username, look)
        await _sign_in(one)
        await _sign_in_again(one)
        await _consent(one)
        await _sign_out(one)
        await _faults(one)


async def _sign_in(walk: Walk) -> None:
    page = walk.page
    await page.goto(walk.demo)
    await walk.see("demo-signed-out", "#sign-in")
    await page.click("#sign-in")
    await page.fill("#username", walk.username)
    await walk.see("login", "#login-submit")
    await type_password(page, walk.username, "not the password")
    await walk.see("login-wrong", "[role=alert]")
    await type_password(page, walk.username, PASSWORD)
    await walk.see("enroll", "#enroll-secret")
    await page.fill("#enroll-code", "000000")
    await page.click("#enroll-submit")
    await walk.see("enroll-wrong", "[role=alert]")
    await set_up_authenticator(page)
    await walk.see("demo-signed-in", "#name")


async def _sign_in_again(walk: Walk) -> None:
    page = walk.page
    async with RelyingParty(walk.house) as application:
        await page.goto((await application.begin(prompt="login")).url)
    await type_password(page, walk.username, PASSWORD)
    await walk.see("challenge", "#totp-code")
    await page.fill("#totp-code", "000000")
    await page.click("#totp-submit")
    await walk.see("challenge-wrong", "[role=alert]")
    await page.goto(walk.demo)


async def _consent(walk: Walk) -> None:
    page = walk.page
    async with RelyingParty(walk.house, walk.house.spa) as application:
        await page.goto((await application.begin()).url)
    await walk.see("consent", "#consent-allow")


async def _sign_out(walk: Walk) -> None:
    page, issuer = walk.page, walk.house.issuer
    await page.goto(f"{issuer}/logout")
    await walk.see("logout-confirm", "#logout-confirm")
    await page.click("#logout-confirm")
    await walk.see("signed-out", "h1:has-text('Signed out')")


async def _faults(walk: Walk) -> None:
    page, issuer = walk.page, walk.house.issuer
    await page.goto(f"{issuer}/authorize?client_id=nobody")
    await walk.see("error")
    await page.goto(f"{issuer}/login?interaction=gone")
    await walk.see("expired")
    await page.goto(f"{issuer}/no-such-page")
    await walk.see("not-found")
    await _throttled(walk)
    await page.goto(f"{walk.demo}/callback?code=x&state=nobodys&iss={issuer}")
    await walk.see("demo-error")
    async with RelyingParty(walk.house) as application:
        begin = (await application.begin()).url
    walk.valkey.freeze()
    try:
        await page.goto(begin)
        await walk.see("unavailable", "text=We cannot answer right now")
    finally:
        walk.valkey.thaw()
        await walk.stack.ready()


async def _throttled(walk: Walk) -> None:
    """The person has tried too often, from this very browser: a stranger elsewhere could not have used that up."""
    async with RelyingParty(walk.house) as application:
        await walk.page.goto((await application.begin()).url)
    while await walk.page.locator("#login-submit").count():
        # The answer is another page at the same address: what is counted next must be of that one.
        async with walk.page.expect_navigation():
            await type_password(walk.page, walk.username, "a guess")
    await walk.see("throttled", "h1:has-text('Something went wrong')")
