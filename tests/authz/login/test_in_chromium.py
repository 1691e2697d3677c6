"""The pages in a real browser, the client on another site: policies, cookies and redirects as browsers apply them."""

import asyncio
import base64
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import uvicorn
from axe_playwright_python.async_playwright import Axe
from fastapi import FastAPI
from playwright.async_api import Browser, BrowserContext, async_playwright
from playwright.async_api import Page as Tab
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from authz.app import create_app
from authz.settings import AuthzSettings
from identity_core import totp
from identity_core.clock import SystemClock
from tests.authz.login.house import House
from tests.authz.login.render_pages import SAMPLES, write_pages

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHROMIUM = os.environ.get("GATEHOUSE_CHROMIUM", "/usr/bin/chromium")
_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@asynccontextmanager
async def serving(app: ASGIApp, port: int) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(20):
        while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))
        yield browser
        await browser.close()


class Site:
    """Gatehouse on `localhost`, a client on `127.0.0.1`: two sites, as in real life."""

    def __init__(self, house: House, port: int, client_port: int) -> None:
        self.house, self.port = house, port
        self.client_origin = f"http://127.0.0.1:{client_port}"
        self.callback = f"{self.client_origin}/callback"

    def authorize(self, client: str, **changes: str) -> str:
        path = self.house.authorize(client, **{"redirect_uri": self.callback, **changes})
        return f"http://localhost:{self.port}{path}"

    async def client(self) -> str:
        return await self.house.client(redirect_uris=[self.callback], first_party=False)


@pytest.fixture
async def site(house: House, login_settings: AuthzSettings) -> AsyncIterator[Site]:
    port, client_port = free_port(), free_port()

    async def callback(request: Request) -> Response:
        if "onward" in request.query_params.get("state", ""):
            return RedirectResponse("/home", 303)
        return HTMLResponse("<h1>At the client</h1>")

    async def home(request: Request) -> Response:
        return HTMLResponse("<h1>At home</h1>")

    async def start(request: Request) -> Response:
        fields = parse_qs(urlsplit(request.query_params["to"]).query)
        inputs = "".join(f'<input name="{name}" value="{values[0]}">' for name, values in fields.items())
        action = request.query_params["to"].partition("?")[0]
        return HTMLResponse(f'<form method="post" action="{action}">{inputs}<button id="go">Go</button></form>')

    client = Starlette(routes=[Route("/callback", callback), Route("/home", home), Route("/start", start)])
    settings = replace(login_settings, issuer=f"http://localhost:{port}")
    async with AsyncExitStack() as stack:
        app: FastAPI = create_app(settings, clock=SystemClock())
        await stack.enter_async_context(app.router.lifespan_context(app))
        await stack.enter_async_context(serving(app, port))
        await stack.enter_async_context(serving(client, client_port))
        there = House(app, house.owner, house.clock, house.hasher, house.tenant, house.slug)
        yield Site(there, port, client_port)


@pytest.fixture
async def context(chromium: Browser) -> AsyncIterator[BrowserContext]:
    made = await chromium.new_context(java_script_enabled=False)
    yield made
    await made.close()


async def accessible(tab: Tab) -> None:
    found = await Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()


async def password(tab: Tab, username: str, word: str) -> None:
    await tab.fill("#username", username)
    await tab.fill("#password", word)
    await tab.click("#login-submit")


@pytest.mark.parametrize(("state", "heading"), [("s", "At the client"), ("onward", "At home")])
async def test_the_whole_way_without_script_from_setting_up_to_the_client(
    site: Site, context: BrowserContext, state: str, heading: str
) -> None:
    person, client = await site.house.person(with_totp=False), await site.client()
    tab = await context.new_page()
    refused: list[str] = []
    tab.on("console", lambda message: refused.append(message.text) if "Policy" in message.text else None)
    await tab.goto(site.authorize(client, state=state))
    assert await tab.inner_text("h1") == "Sign in"
    await password(tab, person.username, "wrong")
    assert await tab.inner_text("[role=alert]")
    # The address is that of the sign-in, so that reloading shows the form again.
    await tab.goto(tab.url)
    await password(tab, person.username, person.password)
    secret = await tab.inner_text("#enroll-secret")
    code = totp.code_at(base64.b32decode(secret), totp.step_at(SystemClock().now_ms() / 1000))
    await tab.fill("#enroll-code", code)
    await tab.click("#enroll-submit")
    assert "asks for access" in await tab.inner_text("h1")
    await tab.click("#consent-allow")
    assert await tab.inner_text("h1") == heading
    assert refused == []
    # Signed in: silence is answered, also when the client posts its request from its own site.
    await tab.goto(site.authorize(client, prompt="none"))
    assert parse_qs(urlsplit(tab.url).query).get("code")
    await tab.goto(f"{site.client_origin}/start?to={quote(site.authorize(client, prompt='none'), safe='')}")
    await tab.click("#go")
    assert parse_qs(urlsplit(tab.url).query).get("code"), tab.url
    # And out again.
    await tab.goto(f"http://localhost:{site.port}{site.house.path}/logout")
    await tab.click("#logout-confirm")
    assert await tab.inner_text("h1") == "Signed out"
    await tab.goto(site.authorize(client, prompt="none"))
    assert parse_qs(urlsplit(tab.url).query)["error"] == ["login_required"]


async def test_a_sign_in_by_password_alone_ends_at_the_client_in_one_form(site: Site, context: BrowserContext) -> None:
    await site.house.policy(mfa="optional")
    person = await site.house.person(with_totp=False)
    client = await site.house.client(redirect_uris=[site.callback])
    # The policy is cached for a second of the system's clock.
    await asyncio.sleep(1.1)
    tab = await context.new_page()
    await tab.goto(site.authorize(client))
    await password(tab, person.username, person.password)
    assert await tab.inner_text("h1") == "At the client"


async def test_denying_ends_at_the_client_too(site: Site, context: BrowserContext) -> None:
    person, client = await site.house.person(), await site.client()
    tab = await context.new_page()
    await tab.goto(site.authorize(client))
    await password(tab, person.username, person.password)
    assert person.secret
    await tab.fill("#totp-code", totp.code_at(person.secret, totp.step_at(SystemClock().now_ms() / 1000)))
    await tab.click("#totp-submit")
    await tab.click("#consent-deny")
    assert parse_qs(urlsplit(tab.url).query)["error"] == ["access_denied"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_accessible_and_fits_a_small_screen(chromium: Browser, tmp_path: Path, scheme: str) -> None:
    write_pages(tmp_path)
    context = await chromium.new_context(
        color_scheme="dark" if scheme == "dark" else "light", viewport={"width": 320, "height": 640}
    )
    tab = await context.new_page()
    for name in SAMPLES:
        await tab.goto(f"file://{tmp_path}/{name}.html")
        await accessible(tab)
        assert await tab.evaluate("document.documentElement.scrollWidth") <= 320, name
    await context.close()
