"""A real Chromium, driven by Playwright: one process for many tests, a context (cookies, settings) for each person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, Page, async_playwright

from identity_core.testing.stack import House
from identity_core.testing.visitor import Authenticator

VIEWPORT: Final = {"width": 1000, "height": 760}
_ARGUMENTS: Final = (
    "--no-sandbox",  # Chromium refuses to run as root with one
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=Translate,MediaRouter,OptimizationHints",
    "--no-proxy-server",
)


@asynccontextmanager
async def chromium(executable: Path) -> AsyncIterator[Browser]:
    """A headless Chromium that says nothing to the world outside."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(executable), args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def person_at(
    browser: Browser, house: House, *, address: str = "127.0.0.1", **settings: Any
) -> AsyncIterator[Page]:
    """A page in a context of its own. `settings` are Playwright's (`java_script_enabled`, `color_scheme`, …).

    A page that complains to its console (a blocked resource, a broken policy) fails the test.
    """
    options: dict[str, Any] = {"viewport": VIEWPORT, "ignore_https_errors": house.ca_file is not None} | settings
    context = await browser.new_context(extra_http_headers={"X-Forwarded-For": address}, **options)
    complaints: list[str] = []
    page = await context.new_page()
    page.on("console", lambda message: complaints.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    try:
        yield page
        assert not [text for text in complaints if not _expected(text)], complaints
    finally:
        await context.close()


def _expected(complaint: str) -> bool:
    """Chromium reports every answer of 400 and above, and some of our pages are such answers."""
    return "the server responded with a status of" in complaint


async def type_password(page: Page, username: str, password: str) -> None:
    """On the page "Sign in"; returns on the page after it."""
    await page.fill("#username", username)
    await page.fill("#password", password)
    await page.click("#login-submit")


async def set_up_authenticator(page: Page) -> Authenticator:
    """On the page that shows a key; returns on the page after it."""
    secret = await page.inner_text("#enroll-secret")
    authenticator = Authenticator("".join(secret.split()))
    await page.fill("#enroll-code", await authenticator.code())
    await page.click("#enroll-submit")
    return authenticator


async def type_code(page: Page, authenticator: Authenticator) -> None:
    """On the page that asks for a code; returns on the page after it."""
    await page.fill("#totp-code", await authenticator.code())
    await page.click("#totp-submit")
