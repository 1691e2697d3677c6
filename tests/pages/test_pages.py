"""Every page, in light and in dark: clean for axe-core, free of script, and no wider than a phone."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from identity_core.secrets import random_token
from identity_core.testing.spec import spec
from tests.flows.houses import valkey_of
from tests.flows.stack import Stack
from tests.pages.gallery import PAGES, Scheme, walk

pytestmark = pytest.mark.browser


@spec("WCAG 2.2 AA")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_clean_for_axe(browser: Browser, stack: Stack, scheme: Scheme) -> None:
    found: dict[str, list[str]] = {}
    axe = Axe()

    async def look(name: str, page: Page) -> None:
        results: dict[str, Any] = (await axe.run(page)).response
        assert results["passes"], f"axe looked at nothing on {name}"
        found[name] = [
            f"{violation['id']}: {violation['help']} at {node['target']} ({node.get('failureSummary')})"
            for violation in results["violations"]
            for node in violation["nodes"]
        ]

    await visit(browser, stack, scheme, look)
    assert set(found) == set(PAGES)
    assert not any(found.values()), {name: said for name, said in found.items() if said}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_fits_a_phone_and_holds_no_script(browser: Browser, stack: Stack, scheme: Scheme) -> None:
    async def look(name: str, page: Page) -> None:
        assert await page.locator("script").count() == 0, name
        assert await page.locator("html[lang]").count() == 1, name
        assert await page.locator("h1").count() == 1, name
        assert await page.title(), name
        await page.set_viewport_size({"width": 320, "height": 640})
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 320, f"{name} scrolls sideways on a phone: {width}"
        await page.set_viewport_size({"width": 1000, "height": 760})

    await visit(browser, stack, scheme, look)


async def visit(browser: Browser, stack: Stack, scheme: Scheme, look: Any) -> None:
    username = f"{scheme}-{random_token(64).lower()}"
    await walk(browser, stack, valkey_of(stack), scheme, look, username=username, name="Ada Lovelace")
