"""The purger: what nobody can use any more goes, in small batches, and nothing else does."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from authz.app import purger_of
from authz.purger import Purger
from authz.storage.purging import BATCH, Busy, Purges
from identity_core.ids import uuid7
from identity_core.testing.stores import Postgres
from tests.authz.world import TENANT, World

DAY = timedelta(days=1)
LIFE, MARGIN, EVENTS = 90 * DAY, DAY, 30 * DAY


@pytest.fixture
async def pool(postgres: Postgres, clean_stores: None) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(postgres.authz_url, min_size=1, max_size=4) as made:
        yield made


@pytest.fixture
def purger(pool: asyncpg.Pool) -> Purger:
    return Purger(Purges(pool, grant_life=LIFE, grant_margin=MARGIN, event_age=EVENTS), pause_s=60)


def id_of(age: timedelta) -> UUID:
    """A UUIDv7 made `age` ago."""
    now = uuid7().int
    return UUID(int=now - (int(age.total_seconds() * 1000) << 80))


async def grant(pool: asyncpg.Pool, age: timedelta, *, ended: bool = False) -> UUID:
    """A grant made `age` ago."""
    identifier = id_of(age)
    await pool.execute(
        "INSERT INTO authz.authorization_grant (tenant, id, user_id, client_id, offline, scopes, created_at, ended_at) "
        "VALUES ($1, $2, $3, 'c', true, '{}', now() - $4::interval, CASE WHEN $5 THEN now() END)",
        *(TENANT, identifier, uuid7(), age, ended),
    )
    return identifier


async def family(pool: asyncpg.Pool, of: UUID, left: timedelta) -> None:
    """A refresh family whose absolute end is `left` from now."""
    await pool.execute(
        "INSERT INTO authz.refresh_family (tenant, id, grant_id, client_id, user_id, offline, tag, key_id, salt, "
        "scopes, context, user_epoch, client_epoch, tenant_epoch, idle_end, absolute_end) VALUES ($1, $2, $3, 'c', $4, "
        "true, 0, 0, 'x', '{}', '{}', 0, 0, 0, now() + $5::interval, now() + $5::interval)",
        *(TENANT, uuid7(), of, uuid7(), left),
    )


async def event(pool: asyncpg.Pool, age: timedelta) -> None:
    """An event published `age` ago."""
    await pool.execute(
        "INSERT INTO authz.event (id, tenant, type, aggregate, aggregate_id, at, payload) "
        "VALUES ($1, $2, 'x.v1', 'x', 'x', now() - $3::interval, '{}')",
        *(id_of(age), TENANT, age),
    )


async def count(pool: asyncpg.Pool, table: str) -> int:
    return int(await pool.fetchval(f"SELECT count(*) FROM authz.{table}"))


async def test_families_go_a_margin_after_their_end_and_their_grants_with_them(
    pool: asyncpg.Pool, purger: Purger
) -> None:
    past, recent, living = [await grant(pool, 91 * DAY) for _ in range(3)]
    await family(pool, past, -MARGIN - timedelta(minutes=1))
    await family(pool, recent, -MARGIN + timedelta(minutes=1))
    await family(pool, living, DAY)
    assert await purger.run_once() == {"refresh_family": 1, "grant": 0, "event": 0}
    kept = await pool.fetch("SELECT id FROM authz.authorization_grant")
    assert {row["id"] for row in kept} == {recent, living}
    assert await count(pool, "refresh_family") == 2


async def test_grants_without_a_family_go_when_nothing_can_come_from_them(pool: asyncpg.Pool, purger: Purger) -> None:
    old, ended = await grant(pool, LIFE + 2 * DAY), await grant(pool, LIFE + 2 * DAY, ended=True)
    long_lived = await grant(pool, LIFE + 2 * DAY)
    await family(pool, long_lived, 10 * DAY)
    younger = [await grant(pool, LIFE), await grant(pool, timedelta(0), ended=True)]
    assert (await purger.run_once())["grant"] == 2
    kept = {row["id"] for row in await pool.fetch("SELECT id FROM authz.authorization_grant")}
    assert kept == {long_lived, *younger}
    assert not kept & {old, ended}


async def test_events_go_after_their_retention(pool: asyncpg.Pool, purger: Purger) -> None:
    for age in (EVENTS + timedelta(minutes=1), EVENTS - timedelta(minutes=1), timedelta(0)):
        await event(pool, age)
    assert (await purger.run_once())["event"] == 1
    assert await count(pool, "event") == 2


async def test_a_great_many_go_in_batches(pool: asyncpg.Pool, purger: Purger) -> None:
    await pool.execute(
        "INSERT INTO authz.event (id, tenant, type, aggregate, aggregate_id, at, payload) "
        "SELECT overlay(gen_random_uuid()::text PLACING '00000000' FROM 1 FOR 8)::uuid, $1, 'x.v1', 'x', 'x', "
        "now() - interval '40 days', '{}' FROM generate_series(1, $2)",
        *(TENANT, 2 * BATCH + 1),
    )
    assert (await purger.run_once())["event"] == 2 * BATCH + 1
    assert (await purger.run_once())["event"] == 0


async def test_one_process_purges_at_a_time(pool: asyncpg.Pool) -> None:
    purges = Purges(pool, grant_life=LIFE, grant_margin=MARGIN, event_age=EVENTS)
    await event(pool, 2 * EVENTS)
    async with pool.acquire() as connection, connection.transaction():
        lock = await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", int.from_bytes(b"gauthzpg", "big"))
        assert lock
        with pytest.raises(Busy):
            await purges.purge_events()
    assert await purges.purge_events() == 1


async def test_the_service_purges_by_its_settings_and_spares_what_is_in_use(world: World) -> None:
    client = await world.client()
    tokens = await world.tokens(client)
    assert set((await purger_of(world.resources).run_once()).values()) == {0}
    assert (await world.refresh(client, tokens["refresh_token"])).status_code == 200
