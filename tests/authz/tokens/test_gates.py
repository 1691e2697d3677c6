"""The two gates, the caches behind them, and the consumer that forgets people."""

import asyncio
import inspect
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from authz import standing
from authz.consumers import credentials_consumer
from authz.protocol.decision import Evidence
from authz.standing import Standing, accept
from authz.storage import subjects
from authz.storage.freshness import FreshCache
from identity_core.contracts.stamps import Binding, Stamps
from identity_core.db import transaction
from identity_core.events import Event, write_events
from identity_core.ids import uuid7
from identity_core.session_store import Dead
from identity_core.testing.clock import FakeClock
from tests.authz.world import TENANT, SignedIn, World

SERVICE = Path(inspect.getfile(standing)).parent


def test_a_standing_is_made_by_the_gate_alone() -> None:
    evidence = Evidence(TENANT, "rp", None, Binding(1, Stamps()))
    for gate in (None, object(), True):
        with pytest.raises(TypeError):
            Standing(evidence, 0, gate)


def test_tokens_are_signed_and_minted_in_one_place() -> None:
    making = ("jose.sign(", "mint_refresh(", ".put_token(", "_GATE)")
    makers = {
        path.relative_to(SERVICE).as_posix()
        for path in SERVICE.rglob("*.py")
        for mark in making
        if mark in path.read_text("utf-8")
    }
    assert makers == {"standing.py"}


def _evidence(world: World, login: SignedIn, **changes: Any) -> Evidence:
    fields = {"tenant": TENANT, "client_id": "rp", "user_id": login.user_id}
    tag = world.resources.store.tag(TENANT, login.user_id)
    return Evidence(**{**fields, **changes}, binding=Binding(tag, login.stamps, login.session_id))


async def test_the_gate_lets_in_what_is_alive(world: World) -> None:
    login = await world.sign_in()
    assert isinstance(await accept(world.resources.store, _evidence(world, login)), Standing)


async def test_row_12_the_gate_refuses_another_tenant_s_or_person_s_session(world: World) -> None:
    login = await world.sign_in()
    store = world.resources.store
    assert isinstance(await accept(store, _evidence(world, login, tenant=UUID(int=9))), Dead)
    assert isinstance(await accept(store, _evidence(world, login, user_id=uuid7())), Dead)
    assert isinstance(await accept(store, _evidence(world, login, user_id=None)), Dead)


async def test_the_gate_asks_about_the_token_itself(world: World) -> None:
    login = await world.sign_in()
    tag = world.resources.store.tag(TENANT, login.user_id)
    await world.revoke("token", f"{tag:04x}:jti-1")
    store, evidence = world.resources.store, _evidence(world, login)
    assert await accept(store, evidence, token_key="jti-1") == Dead("token")
    assert isinstance(await accept(store, evidence, token_key="jti-2"), Standing)


# --- the cache of a second


async def test_many_askers_cost_one_load_and_the_value_is_kept_a_second() -> None:
    clock, loads = FakeClock(), []

    async def load(key: str) -> str:
        loads.append(key)
        await asyncio.sleep(0)
        return f"{key} {len(loads)}"

    cache = FreshCache(load, clock)
    assert set(await asyncio.gather(*(cache.get("a") for _ in range(50)))) == {"a 1"}
    clock.advance(0.9)
    assert await cache.get("a") == "a 1"
    clock.advance(0.2)
    assert await cache.get("a") == "a 2"
    cache.forget()
    assert await cache.get("a") == "a 3"


async def test_the_cache_is_bounded_and_keeps_no_failure() -> None:
    fails = True

    async def load(key: int) -> int:
        if fails:
            raise ConnectionError
        return key

    cache = FreshCache(load, FakeClock(), max_entries=3)
    with pytest.raises(ConnectionError):
        await cache.get(1)
    fails = False
    for key in range(10):
        assert await cache.get(key) == key
    assert len(cache._kept) == 3


async def test_a_caller_that_goes_away_takes_nobody_with_it() -> None:
    go = asyncio.Event()

    async def load(key: str) -> str:
        await go.wait()
        return key

    cache = FreshCache(load, FakeClock())
    first = asyncio.create_task(cache.get("a"))
    second = asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    first.cancel()
    go.set()
    assert await second == "a"
    with pytest.raises(asyncio.CancelledError):
        await first


# --- forgetting people


async def test_a_deleted_person_s_credentials_and_consents_go_too(world: World) -> None:
    gone, kept = uuid7(), uuid7()
    for user in (gone, kept):
        await world.owner.execute(
            "INSERT INTO authz.password_credential (tenant, user_id, hash) VALUES ($1, $2, 'x')", TENANT, user
        )
        await world.owner.execute(
            "INSERT INTO authz.totp_credential (tenant, user_id, id, secret_sealed) VALUES ($1, $2, $2, 'x')",
            *(TENANT, user),
        )
        await world.owner.execute(
            "INSERT INTO authz.consent (tenant, user_id, client_id, scopes) VALUES ($1, $2, 'rp', '{}')", TENANT, user
        )
    other = Event(TENANT, "scim.user_updated.v1", "user", str(kept), {"user_id": str(kept)})
    event = Event(TENANT, "scim.user_deleted.v1", "user", str(gone), {"user_id": str(gone)})
    async with world.owner.transaction():
        await write_events(world.owner, "directory", event, other)
    consumer = credentials_consumer(world.resources.pool, subjects.forget)
    async with asyncio.timeout(30):
        # The application's own consumer may be the one that does it.
        while await world.owner.fetchval("SELECT count(*) FROM authz.consent") == 2:
            await consumer.run_once()
    for table in ("password_credential", "totp_credential", "consent"):
        assert [row[0] for row in await world.owner.fetch(f"SELECT user_id FROM authz.{table}")] == [kept]


async def test_forgetting_is_safe_to_repeat(world: World) -> None:
    user = uuid7()
    for _ in range(2):
        async with transaction(world.resources.pool) as connection:
            await subjects.forget(connection, TENANT, user)
