"""Events are written with the fact and handled once each, in order, whatever order transactions commit in."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from identity_core.db import Connection, Pool, create_pool, transaction
from identity_core.events import BATCH, Consumer, Event, StoredEvent, write_events
from identity_core.testing.sessions import TENANT
from identity_core.testing.spec import spec
from identity_core.testing.stores import Postgres

pytestmark = pytest.mark.stores


@pytest.fixture
async def source(postgres: Postgres, clean_stores: None) -> AsyncIterator[Pool]:
    pool = await create_pool(postgres.scim_url, size=4, name="source")
    yield pool
    await pool.close()


class Reader:
    """A consumer that writes down what it was handed."""

    def __init__(self, pool: Pool, *, fail_on: str = "") -> None:
        self.handled: list[str] = []
        self.fail_on = fail_on
        self.consumer = Consumer(pool, schema="authz", name="test", source="directory", handle=self._handle)

    async def _handle(self, connection: Connection, event: StoredEvent) -> None:
        if event.aggregate_id == self.fail_on:
            raise ConnectionError("the handler's own fault")
        self.handled.append(event.aggregate_id)


@pytest.fixture
async def reader(postgres: Postgres, source: Pool) -> AsyncIterator[Reader]:
    pool = await create_pool(postgres.authz_url, size=2, name="reader")
    yield Reader(pool)
    await pool.close()


def happened(name: str) -> Event:
    return Event(TENANT, "scim.user_created.v1", "user", name, {"name": name})


@spec("revocation rule 11")
async def test_each_event_is_handled_once_and_in_order(source: Pool, reader: Reader) -> None:
    for name in "abc":
        async with transaction(source) as connection:
            await write_events(connection, "directory", happened(name))
    assert await reader.consumer.run_once() == 3
    assert await reader.consumer.run_once() == 0
    assert reader.handled == ["a", "b", "c"]


async def test_an_event_of_a_rolled_back_transaction_never_happened(source: Pool, reader: Reader) -> None:
    async def fail_after_writing() -> None:
        async with transaction(source) as connection:
            await write_events(connection, "directory", happened("never"))
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await fail_after_writing()
    assert await reader.consumer.run_once() == 0


@spec("revocation rule 11")
async def test_an_event_that_commits_late_is_not_skipped_by_a_cursor_that_has_passed_it(
    postgres: Postgres, source: Pool, reader: Reader
) -> None:
    late = await asyncpg.connect(postgres.scim_url)
    begun = late.transaction()
    await begun.start()
    await write_events(late, "directory", happened("late"))
    async with transaction(source) as connection:
        await write_events(connection, "directory", happened("quick"))
    assert await reader.consumer.run_once() == 1
    assert await reader.consumer.run_once() == 0
    await begun.commit()
    await late.close()
    assert await reader.consumer.run_once() == 1
    assert await reader.consumer.run_once() == 0
    assert reader.handled == ["quick", "late"]


async def test_a_handler_that_fails_gets_the_same_event_again(source: Pool, reader: Reader) -> None:
    async with transaction(source) as connection:
        await write_events(connection, "directory", happened("a"), happened("b"))
    reader.fail_on = "b"
    with pytest.raises(ConnectionError):
        await reader.consumer.run_once()
    reader.fail_on, reader.handled = "", []
    assert await reader.consumer.run_once() == 2
    assert reader.handled == ["a", "b"]


async def test_more_events_in_one_transaction_than_a_batch_holds_are_all_handled(source: Pool, reader: Reader) -> None:
    names = [f"{n:04}" for n in range(2 * BATCH + 7)]
    async with transaction(source) as connection:
        await write_events(connection, "directory", *(happened(name) for name in names))
    while await reader.consumer.run_once():
        pass
    assert sorted(reader.handled) == names


async def test_two_processes_running_one_consumer_share_the_work_without_doubles(
    postgres: Postgres, source: Pool, reader: Reader
) -> None:
    async with transaction(source) as connection:
        await write_events(connection, "directory", *(happened(uuid4().hex) for _ in range(50)))
    pool = await create_pool(postgres.authz_url, size=2, name="second reader")
    second = Reader(pool)
    for _ in range(4):
        await asyncio.gather(reader.consumer.run_once(), second.consumer.run_once())
    await pool.close()
    assert len(reader.handled + second.handled) == len(set(reader.handled + second.handled)) == 50


@spec("revocation rule 4", "revocation rule 11")
async def test_under_a_new_ledger_identity_the_cursor_starts_again(
    postgres: Postgres, source: Pool, reader: Reader
) -> None:
    async with transaction(source) as connection:
        await write_events(connection, "directory", happened("a"))
    assert await reader.consumer.run_once() == 1
    owner = await asyncpg.connect(postgres.owner_url)
    await owner.execute("UPDATE sessions.ledger_identity SET id = gen_random_uuid()")
    await owner.close()
    assert await reader.consumer.run_once() == 1
    assert reader.handled == ["a", "a"]
