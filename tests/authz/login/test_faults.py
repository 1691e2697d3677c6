"""A store away, hashing at its limit, a secret that does not open: a page and 503, never an open door, never a 500."""

import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import asyncpg
import pytest

from authz.app import create_app
from authz.settings import AuthzSettings
from authz.storage.keys import ensure_keys
from authz.storage.tenants import DEFAULT_ID
from gatehouse.dev.devservers import PostgresServer, ValkeyServer
from identity_core.passwords import PasswordHasher
from identity_core.sealing import Sealer
from identity_core.testing.clock import FakeClock
from identity_core.testing.stores import Postgres
from tests.authz.login.browser import Page
from tests.authz.login.house import House, new_house

WRONG = "Something went wrong"


def unavailable(page: Page) -> bool:
    return (page.status, page.heading) == (503, WRONG) and int(page.headers["retry-after"]) >= 1


async def test_without_redis_every_page_says_so_and_nothing_is_granted(
    house: House, login_settings: AuthzSettings, private_valkey: Callable[..., ValkeyServer]
) -> None:
    person, client = await house.person(), await house.client()
    server = private_valkey()
    app = create_app(replace(login_settings, redis_url=server.url), clock=FakeClock())
    async with app.router.lifespan_context(app):
        there = House(app, house.owner, app.state.resources.clock, house.hasher, house.tenant, house.slug)
        await app.state.resources.follower.wait_fresh(10)
        browser = there.browser()
        login = await browser.get(there.authorize(client))
        code = await browser.submit(login, "login-submit", username=person.username, password=person.password)
        assert "totp-submit" in code.buttons
        server.kill()
        assert unavailable(await browser.get(there.authorize(client)))
        assert unavailable(await browser.get(code.url))
        assert unavailable(await browser.submit(code, "totp-submit", totp_code=there.code_of(person)))
        # With nothing to read, a silent request is not answered by guessing either.
        browser.cookies[f"gh_session_{house.slug}"] = "gs_" + "0" * 4 + "A" * 44
        assert unavailable(await browser.get(there.authorize(client, prompt="none")))
        assert unavailable(await browser.get(f"{house.path}/logout"))
        assert (await browser.get(f"{house.path}/signed-out")).status == 200


async def test_without_postgresql_every_page_says_so_and_nothing_is_granted(
    login_settings: AuthzSettings,
    private_database: Callable[[], tuple[PostgresServer, Postgres]],
    private_valkey: Callable[..., ValkeyServer],
    login_hasher: PasswordHasher,
) -> None:
    server, urls = private_database()
    settings = replace(login_settings, database_url=urls.authz_url, redis_url=private_valkey().url)
    async with AsyncExitStack() as stack:
        owner = await asyncpg.connect(urls.owner_url)
        sealer = Sealer.from_setting(settings.key_encryption_key)
        await ensure_keys(owner, DEFAULT_ID, sealer)
        app = create_app(settings, clock=FakeClock())
        await stack.enter_async_context(app.router.lifespan_context(app))
        await app.state.resources.follower.wait_fresh(10)
        house = await new_house(app, owner, app.state.resources.clock, login_hasher)
        person, client, browser = await house.person(), await house.client(), house.browser()
        page = await browser.get(house.authorize(client))
        server.kill()
        assert unavailable(
            await browser.submit(page, "login-submit", username=person.username, password=person.password)
        )
        assert f"gh_session_{house.slug}" not in browser.cookies


async def test_when_hashing_is_at_its_limit_the_page_says_when_to_come_back(
    house: House, login_settings: AuthzSettings
) -> None:
    person, client = await house.person(), await house.client()
    app = create_app(replace(login_settings, hash_threads=1, hash_queue=0), clock=FakeClock())
    async with app.router.lifespan_context(app):
        resources = app.state.resources
        await resources.follower.wait_fresh(10)
        there = House(app, house.owner, resources.clock, house.hasher, house.tenant, house.slug)
        browser = there.browser()
        page = await browser.get(there.authorize(client))
        # Occupy the one thread there is; the lock is free again when the block ends.
        free = threading.Event()
        running = resources.hasher._executor.submit(free.wait)
        resources.hasher._in_flight += 1
        try:
            answer = await browser.submit(page, "login-submit", username=person.username, password=person.password)
        finally:
            resources.hasher._in_flight -= 1
            free.set()
            running.result()
        assert unavailable(answer)
        assert (
            "totp-submit"
            in (
                await browser.submit(
                    await browser.get(page.url), "login-submit", username=person.username, password=person.password
                )
            ).buttons
        )


@pytest.mark.parametrize("column", ["secret_sealed", "id"])
async def test_a_secret_that_does_not_open_is_a_refusal(house: House, column: str) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    damage = {"secret_sealed": "secret_sealed = secret_sealed || '\\x00'", "id": "id = gen_random_uuid()"}[column]
    await house.owner.execute(
        f"UPDATE authz.totp_credential SET {damage} WHERE tenant = $1 AND user_id = $2", house.tenant, person.id
    )
    page = await browser.get(house.authorize(client))
    page = await browser.submit(page, "login-submit", username=person.username, password=person.password)
    page = await browser.submit(page, "totp-submit", totp_code=house.code_of(person))
    assert unavailable(page)
    assert f"gh_session_{house.slug}" not in browser.cookies
