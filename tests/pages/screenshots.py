"""`python -m tests.pages.screenshots`: a picture of every page, light and dark, into docs/screenshots."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page

from gatehouse.checks.needs import browser_path
from gatehouse.dev.devservers import PostgresServer, ValkeyServer
from gatehouse.dev.devservers.shared import migrate_new_database
from identity_core.testing.browser import chromium
from tests.flows.stack import Stack, Stores
from tests.pages.gallery import PAGES, Scheme, walk

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
_MOST_BYTES = 150_000
_NAMES: dict[Scheme, str] = {"light": "ada.lovelace", "dark": "ada.byron"}
_TALL = ("enroll", "enroll-wrong", "consent")


async def take(executable: Path) -> None:
    """Start a house of its own, walk through it twice, and write the pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        PostgresServer.start() as postgres,
        ValkeyServer.start() as valkey,
    ):
        stack = await Stack.start(Path(folder), Stores(migrate_new_database(postgres), valkey.url), demo=True)
        try:
            async with chromium(executable) as browser:
                for scheme, username in _NAMES.items():

                    async def look(page_name: str, page: Page, scheme: Scheme = scheme) -> None:
                        path = FOLDER / f"{page_name}-{scheme}.png"
                        await page.screenshot(path=path, full_page=page_name in _TALL, animations="disabled")
                        size = path.stat().st_size
                        print(f"{path.name}: {size} bytes")
                        assert size < _MOST_BYTES, path.name

                    await walk(browser, stack, valkey, scheme, look, username=username, name="Ada Lovelace")
        finally:
            stack.stop()
    wanted = {f"{name}-{scheme}.png" for name in PAGES for scheme in _NAMES}
    for path in FOLDER.glob("*.png"):
        if path.name not in wanted:
            path.unlink()


def main() -> int:
    """0, or 1 without a Chromium."""
    executable = browser_path()
    if executable is None:
        print("no Chromium: apt install chromium, or set CHROMIUM to one", file=sys.stderr)
        return 1
    asyncio.run(take(executable))
    return 0


if __name__ == "__main__":
    sys.exit(main())
