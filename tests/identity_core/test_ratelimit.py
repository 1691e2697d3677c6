"""Rate limits: the burst, then one at a time, by the server's clock, consumed before the work."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from identity_core.ratelimit import Allowed, Limit, Limited, RateLimiter
from identity_core.redis import command
from identity_core.testing.sessions import TENANT, Rig, open_rig
from identity_core.testing.stores import Postgres

pytestmark = pytest.mark.stores


@pytest.fixture
async def rig(postgres: Postgres, redis_url: str, clean_stores: None) -> AsyncIterator[Rig]:
    async with open_rig(postgres.authz_url, redis_url) as made:
        await made.wait_fresh()
        yield made


def five_a_minute(key: str = "alice") -> Limit:
    return Limit("password.account", key, per_seconds=12, burst=5)


async def test_a_burst_passes_and_the_next_one_is_told_when_to_come_back(rig: Rig) -> None:
    limiter = RateLimiter(rig.follower)
    verdicts = [await limiter.take(TENANT, five_a_minute()) for _ in range(6)]
    assert verdicts == [Allowed()] * 5 + [Limited(12, "password.account")]


async def test_time_gives_back_one_at_a_time(rig: Rig) -> None:
    now, later = RateLimiter(rig.follower), RateLimiter(rig.follower, offset_ms=12_000)
    for _ in range(6):
        await now.take(TENANT, five_a_minute())
    assert await later.take(TENANT, five_a_minute()) == Allowed()
    assert isinstance(await later.take(TENANT, five_a_minute()), Limited)


async def test_a_thousand_parallel_guesses_get_the_burst_and_no_more(rig: Rig) -> None:
    limiter = RateLimiter(rig.follower)
    verdicts = await asyncio.gather(*(limiter.take(TENANT, five_a_minute()) for _ in range(200)))
    assert verdicts.count(Allowed()) == 5


async def test_every_limit_of_a_request_must_pass_and_the_longest_wait_is_named(rig: Rig) -> None:
    limiter = RateLimiter(rig.follower)
    narrow, wide = Limit("a", "k", per_seconds=100, burst=1), Limit("b", "k", per_seconds=1, burst=1)
    assert await limiter.take(TENANT, narrow, wide) == Allowed()
    assert await limiter.take(TENANT, narrow, wide) == Limited(100, "a")


async def test_keys_of_other_accounts_limits_and_tenants_do_not_share_a_counter(rig: Rig) -> None:
    limiter = RateLimiter(rig.follower)
    one = Limit("a", "k", per_seconds=100, burst=1)
    assert await limiter.take(TENANT, one) == Allowed()
    assert await limiter.take(TENANT, Limit("a", "other", 100, 1)) == Allowed()
    assert await limiter.take(TENANT, Limit("b", "k", 100, 1)) == Allowed()
    assert await limiter.take(uuid4(), one) == Allowed()


async def test_no_account_name_stands_in_redis(rig: Rig) -> None:
    await RateLimiter(rig.follower).take(TENANT, five_a_minute("alice@example.test"))
    names = await command(rig.follower.redis, "KEYS", "*")
    assert names
    assert not [name for name in names if b"alice" in name]
