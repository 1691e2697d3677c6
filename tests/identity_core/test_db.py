"""PostgreSQL through `identity_core.db`: pool options, the unit of work, and what a cancelled caller may not do."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from gatehouse.dev.devservers import PostgresServer
from identity_core import db
from identity_core.db import (
    Connection,
    Pool,
    connect_dedicated,
    create_pool,
    retry_on_stale_plan,
    transaction,
)
from identity_core.faults import StartFault
from identity_core.testing.stores import Postgres


@pytest.fixture
async def pool(postgres: Postgres) -> AsyncIterator[Pool]:
    pool = await create_pool(postgres.owner_url, size=3, name="test-db")
    await pool.execute("DROP TABLE IF EXISTS public.unit; CREATE TABLE public.unit (id int PRIMARY KEY)")
    yield pool
    await pool.execute("DROP TABLE public.unit")
    await pool.close()


async def _rows(pool: Pool) -> list[int]:
    return [row["id"] for row in await pool.fetch("SELECT id FROM public.unit ORDER BY id")]


async def test_every_connection_has_its_name_and_limits(pool: Pool) -> None:
    settings = await pool.fetchrow(
        "SELECT current_setting('application_name') AS name, current_setting('statement_timeout') AS statement,"
        " current_setting('idle_in_transaction_session_timeout') AS idle"
    )
    assert settings is not None
    assert dict(settings) == {"name": "test-db", "statement": "5s", "idle": "5s"}


async def test_release_sends_no_reset_query(pool: Pool) -> None:
    async with pool.acquire() as first:
        await first.execute("SET search_path = pg_temp")
        process = await first.fetchval("SELECT pg_backend_pid()")
    async with pool.acquire() as again:
        assert await again.fetchval("SELECT pg_backend_pid()") == process
        assert await again.fetchval("SHOW search_path") == "pg_temp"


async def test_an_open_transaction_is_rolled_back_on_release(pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL):
        async with pool.acquire() as careless:
            await careless.execute("BEGIN; INSERT INTO public.unit VALUES (1)")
    assert await _rows(pool) == []


async def test_a_unit_of_work_commits_as_a_whole(pool: Pool) -> None:
    async with transaction(pool) as connection:
        await connection.execute("INSERT INTO public.unit VALUES (1)")
        await connection.execute("INSERT INTO public.unit VALUES (2)")
        assert await _rows(pool) == []
    assert await _rows(pool) == [1, 2]


async def test_an_exception_in_the_body_rolls_everything_back(pool: Pool) -> None:
    async def work() -> None:
        async with transaction(pool) as connection:
            await connection.execute("INSERT INTO public.unit VALUES (1)")
            raise LookupError

    with pytest.raises(LookupError):
        await work()
    assert await _rows(pool) == []


async def test_a_caller_cancelled_in_the_body_leaves_nothing(pool: Pool) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with transaction(pool) as connection:
            await connection.execute("INSERT INTO public.unit VALUES (1)")
            begun.set()
            await connection.execute("SELECT pg_sleep(30)")

    task = asyncio.create_task(work())
    await begun.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _rows(pool) == []


async def test_a_caller_cancelled_during_commit_is_told_only_when_the_commit_is_done(pool: Pool) -> None:
    # A deferred trigger keeps COMMIT busy, so that the cancellation lands inside it.
    await pool.execute(
        "CREATE OR REPLACE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON public.unit DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION public.slow()"
    )
    committing = asyncio.Event()

    async def work() -> None:
        async with transaction(pool) as connection:
            await connection.execute("INSERT INTO public.unit VALUES (7)")
            committing.set()

    task = asyncio.create_task(work())
    await committing.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await _rows(pool) == [7]
    assert pool.get_idle_size() == pool.get_size()


async def test_a_commit_the_server_refuses_is_an_error_and_leaves_nothing(pool: Pool) -> None:
    await pool.execute("ALTER TABLE public.unit ADD twin int UNIQUE DEFERRABLE INITIALLY DEFERRED")
    with pytest.raises(asyncpg.UniqueViolationError):
        async with transaction(pool) as connection:
            await connection.execute("INSERT INTO public.unit VALUES (1, 1), (2, 1)")
    assert await _rows(pool) == []


async def test_random_cancellations_leave_each_unit_whole_or_absent(pool: Pool) -> None:
    async def work(number: int) -> None:
        async with transaction(pool) as connection:
            await connection.execute("INSERT INTO public.unit VALUES ($1)", number)
            await connection.execute("INSERT INTO public.unit VALUES ($1)", number + 1)

    tasks = [asyncio.create_task(work(number)) for number in range(0, 200, 2)]
    for step, task in enumerate(tasks):
        await asyncio.sleep(0.0005 * (step % 4))
        if step % 3:
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    rows = await _rows(pool)
    assert all((number ^ 1) in rows for number in rows)
    answered = {n for n, task in zip(range(0, 200, 2), tasks, strict=True) if not task.cancelled()}
    assert answered
    assert answered <= set(rows)
    assert pool.get_idle_size() == pool.get_size()


async def test_a_stale_plan_is_run_once_more(pool: Pool, postgres: Postgres) -> None:
    async with pool.acquire() as held:
        await held.execute("INSERT INTO public.unit VALUES (1)")

    async def read(connection: Connection) -> asyncpg.Record | None:
        return await connection.fetchrow("SELECT * FROM public.unit")

    async def unit() -> asyncpg.Record | None:
        async with transaction(small) as connection:
            return await read(connection)

    small = await create_pool(postgres.owner_url, size=1, name="stale")
    await unit()
    await pool.execute("ALTER TABLE public.unit ADD extra text")
    with pytest.raises(asyncpg.InvalidCachedStatementError):
        await unit()
    await pool.execute("ALTER TABLE public.unit DROP extra")
    await unit()
    await pool.execute("ALTER TABLE public.unit ADD extra text")
    row = await retry_on_stale_plan(unit)
    assert row is not None
    assert dict(row) == {"id": 1, "extra": None}
    await small.close()


async def test_a_statement_over_its_time_is_ended_by_the_server(postgres: Postgres) -> None:
    connection = await connect_dedicated(postgres.owner_url, name="slow", statement_timeout_ms=100)
    with pytest.raises(asyncpg.QueryCanceledError):
        await connection.execute("SELECT pg_sleep(10)")
    await connection.close()


async def test_a_full_pool_refuses_instead_of_waiting_for_ever(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("identity_core.db.ACQUIRE_TIMEOUT_S", 0.05)
    async with pool.acquire(), pool.acquire(), pool.acquire():
        with pytest.raises(TimeoutError):
            async with transaction(pool):
                pass


async def test_a_dedicated_connection_listens(postgres: Postgres) -> None:
    heard: asyncio.Queue[object] = asyncio.Queue()
    listener = await connect_dedicated(postgres.owner_url, name="listener")
    await listener.add_listener("test_db", lambda *message: heard.put_nowait(message[-1]))
    await listener.execute("NOTIFY test_db, 'hello'")
    assert await heard.get() == "hello"
    await listener.close()


async def test_a_wrong_password_is_one_sentence_without_the_password(
    private_postgres: Callable[[], PostgresServer],
) -> None:
    server = private_postgres()
    owner = await connect_dedicated(server.url, name="owner")
    await owner.execute("CREATE ROLE visitor LOGIN PASSWORD 'right-secret'")
    await owner.close()
    address = server.url.split("@")[-1]
    with pytest.raises(StartFault) as caught:
        await create_pool(f"postgresql://visitor:wrong-secret@{address}", name="test")
    sentence = str(caught.value)
    assert "refused the role visitor" in sentence
    assert "secret" not in sentence


async def test_a_missing_database_and_a_missing_server_are_one_sentence_each(postgres: Postgres) -> None:
    base = postgres.owner_url.rsplit("/", 1)[0]
    with pytest.raises(StartFault, match="has no database nowhere: create it"):
        await create_pool(f"{base}/nowhere", name="test")
    with pytest.raises(StartFault, match=r"127\.0\.0\.1:1 cannot be reached: start it"):
        await create_pool("postgresql://me:hidden@127.0.0.1:1/db", name="test")
    with pytest.raises(StartFault, match="write it as postgresql://"):
        await connect_dedicated("mysql://me@127.0.0.1/db", name="test")


async def test_nobody_waits_without_limit_for_a_connection(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db._BoundedPool.acquire, "__kwdefaults__", {"timeout": 0.05})
    pool = await create_pool(postgres.owner_url, size=1, name="test-full")
    async with pool.acquire():
        with pytest.raises(TimeoutError):
            await pool.fetchval("SELECT 1")
    assert await pool.fetchval("SELECT 1") == 1
    await pool.close()
