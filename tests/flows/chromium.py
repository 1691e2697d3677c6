"""The worker's Chromium as a fixture; without one the tests skip, loudly."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from gatehouse.checks.needs import browser_path
from identity_core.testing.browser import chromium


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all browser tests of this worker."""
    path = browser_path()
    if path is None:
        pytest.skip("no Chromium: apt install chromium, or set CHROMIUM to one")
    async with chromium(path) as one:
        yield one


__all__ = ["browser"]
