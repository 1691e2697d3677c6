"""The sweeper: every session that ended by itself gets its row closed and exactly one event."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from gatehouse.dev.devservers import ValkeyServer
from identity_core.clock import SystemClock
from identity_core.contracts.stamps import Stamps
from identity_core.ids import uuid7
from identity_core.session_store import Dead
from identity_core.testing.clock import FakeClock
from identity_core.testing.stores import Postgres
from sessions import metrics
from sessions.app import create_app, sweeper_of
from sessions.storage import sweep_statements
from sessions.storage.sweeps import Busy, Due, Sweeps
from sessions.storage.unit_of_work import sweeping
from sessions.sweeper import Sweeper, Swept
from tests.sessions.desk import OTHER_TENANT, TENANT, Desk, new_desk, settings_of


@pytest.fixture
def sweeper(desk: Desk) -> Sweeper:
    return sweeper_of(desk.resources, SystemClock())


async def until(holds: Callable[[], bool]) -> None:
    """The minute is a bound for a hung test, not a measure."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.02)


def shown_writers() -> list[Any]:
    return [sample for family in metrics.OLDEST_WRITER.collect() for sample in family.samples]


async def test_a_live_session_is_left_alone(desk: Desk, sweeper: Sweeper) -> None:
    login = await desk.sign_in()
    await desk.age(login)
    assert await sweeper.run_once() == Swept()
    assert await desk.verdict(login) is None
    assert (await desk.row(login))["ended_at"] is None


async def test_what_is_past_its_absolute_end_is_closed_as_expired(desk: Desk, sweeper: Sweeper) -> None:
    ours = await desk.sign_in(lasts=timedelta(seconds=-1), record=False)
    theirs = await desk.sign_in(lasts=timedelta(seconds=-1), record=False, tenant=OTHER_TENANT)
    assert await sweeper.run_once() == Swept(expired=2)
    for login in (ours, theirs):
        row = await desk.row(login)
        assert (row["end_reason"], row["ended_by"]) == ("expired", "system")
        assert await desk.ended(login) == ["expired"]
    assert (await desk.snapshot())["ledger"] == 0, "an end in its own time needs no ledger row"


async def test_what_a_raised_epoch_ended_is_closed_as_revoked(desk: Desk, sweeper: Sweeper) -> None:
    await sweeper.run_once()
    ann = uuid7()
    sessions = [await desk.sign_in(ann) for _ in range(3)]
    bystander = await desk.sign_in()
    await desk.revoke({"subject": str(ann)})
    fresh = await desk.sign_in(ann)
    assert await sweeper.run_once() == Swept(revoked=3)
    assert [await desk.ended(login) for login in sessions] == [["revoked"]] * 3
    for login in (fresh, bystander):
        assert (await desk.row(login))["ended_at"] is None
        assert await desk.verdict(login) is None
    assert (await desk.snapshot())["ledger"] == 1, "the one row of the revocation"


async def test_a_revoked_tenants_rows_are_closed_and_the_others_are_not(desk: Desk, sweeper: Sweeper) -> None:
    await sweeper.run_once()
    ours, theirs = [await desk.sign_in() for _ in range(2)], await desk.sign_in(tenant=OTHER_TENANT)
    await desk.revoke({"tenant": True})
    assert await sweeper.run_once() == Swept(revoked=2)
    assert [await desk.ended(login) for login in ours] == [["revoked"]] * 2
    assert (await desk.row(theirs))["ended_at"] is None


async def test_a_revocation_from_before_the_sweeper_began_is_found_on_its_walk(desk: Desk, sweeper: Sweeper) -> None:
    login = await desk.sign_in()
    await desk.revoke({"subject": str(login.user_id)})
    assert await sweeper.run_once() == Swept(revoked=1)
    assert await desk.ended(login) == ["revoked"]


async def test_whoever_signed_in_again_meanwhile_is_not_closed(desk: Desk, sweeper: Sweeper) -> None:
    """A candidate whose stamps were raised before it was locked."""
    login = await desk.sign_in()
    await desk.revoke({"subject": str(login.user_id)})
    sweeps = Sweeps(desk.pool)
    due = await sweeps.ruled_of_users([(TENANT, login.user_id)])
    assert due == [Due(TENANT, login.session_id)]
    stamps = await desk.stamps(TENANT, login.user_id)
    await desk.owner.execute("UPDATE sessions.session SET user_epoch = $1", stamps.user)
    assert await sweeps.end_ruled(due) == 0
    assert await sweeper.run_once() == Swept()


async def test_what_redis_no_longer_holds_is_closed_as_idle_and_never_comes_back(desk: Desk, sweeper: Sweeper) -> None:
    login = await desk.sign_in()
    await desk.age(login)
    key = next(iter([k async for k in desk.resources.follower.redis.scan_iter("*:s:*")]))
    record = await desk.resources.follower.redis.dump(key)
    assert record is not None
    await desk.lose_record(login)
    assert await sweeper.run_once() == Swept(idle=1)
    assert await desk.ended(login) == ["idle"]
    (kind,) = [row["kind"] for row in await desk.owner.fetch("SELECT kind FROM sessions.ledger")]
    assert kind == "session"
    await desk.resources.follower.redis.restore(key, 0, record)
    assert await desk.verdict(login) == Dead("session"), "the record came back, the session did not"


async def test_an_idle_end_leaves_offline_grants_alone(desk: Desk, sweeper: Sweeper) -> None:
    login = await desk.sign_in()
    await desk.age(login)
    await desk.lose_record(login)
    await sweeper.run_once()
    assert await desk.verdict(login, grant_id=uuid7(), offline=True) is None


async def test_a_login_between_its_row_and_its_record_has_a_minute(desk: Desk, sweeper: Sweeper) -> None:
    login = await desk.sign_in(record=False)
    assert await sweeper.run_once() == Swept()
    await desk.age(login, 59)
    assert await sweeper.run_once() == Swept()
    await desk.age(login, 2)
    assert await sweeper.run_once() == Swept(idle=1)


async def test_an_end_that_was_said_already_is_not_said_again(desk: Desk, sweeper: Sweeper) -> None:
    ended, revoked = await desk.sign_in(), await desk.sign_in()
    await desk.call("DELETE", ended.path)
    await desk.revoke({"subject": str(revoked.user_id)})
    await desk.call("DELETE", revoked.path)
    assert await sweeper.run_once() == Swept()
    assert (await desk.ended(ended), await desk.ended(revoked)) == (["revoked"], ["revoked"])


async def test_several_sweepers_at_once_say_each_end_once(desk: Desk) -> None:
    idle = [await desk.sign_in(record=False) for _ in range(20)]
    expired = [await desk.sign_in(record=False, lasts=timedelta(seconds=-1)) for _ in range(20)]
    for login in idle:
        await desk.age(login)

    async def until_done() -> None:
        sweeper = sweeper_of(desk.resources, SystemClock())
        async with asyncio.timeout(60):
            while await desk.pool.fetchval("SELECT count(*) FROM sessions.session WHERE ended_at IS NULL"):
                try:
                    await sweeper.run_once()
                except Busy:
                    await asyncio.sleep(0.01)

    await asyncio.gather(*(until_done() for _ in range(3)))
    assert [await desk.ended(login) for login in idle] == [["idle"]] * 20
    assert [await desk.ended(login) for login in expired] == [["expired"]] * 20


async def test_only_one_process_sweeps_at_a_time(desk: Desk, sweeper: Sweeper) -> None:
    await desk.sign_in(lasts=timedelta(seconds=-1), record=False)
    async with sweeping(desk.pool) as held:
        assert held is not None
        with pytest.raises(Busy):
            await sweeper.run_once()
    assert await sweeper.run_once() == Swept(expired=1)


async def test_more_than_a_batch_is_closed_in_one_run(
    desk: Desk, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three batches of each kind, with rows that stay in between."""
    await sweeper.run_once()
    count, ann = 2 * sweep_statements.BATCH + 7, uuid7()
    await desk.fill(count, user_id=ann)
    await desk.fill(count, lasts=timedelta(seconds=-1))
    stay = [await desk.sign_in() for _ in range(3)]
    await desk.fill(count, created=timedelta(minutes=-2))
    await desk.revoke({"subject": str(ann)})
    assert await sweeper.run_once() == Swept(expired=count, revoked=count, idle=count)
    assert await desk.owner_count("sessions.event", "type = 'session.ended.v1'") == 3 * count
    assert [await desk.verdict(login) for login in stay] == [None] * 3
    assert metrics.LIVE._value.get() == 3


async def test_the_walk_goes_on_where_it_stopped_and_begins_anew(
    desk: Desk, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions.sweeper.ROUNDS", 1)
    count = 2 * sweep_statements.BATCH + 1
    await desk.fill(count, created=timedelta(minutes=-2))
    closed = [(await sweeper.run_once()).idle for _ in range(4)]
    assert closed == [sweep_statements.BATCH, sweep_statements.BATCH, 1, 0]
    late = await desk.sign_in(record=False, tenant=OTHER_TENANT)
    await desk.age(late)
    assert (await sweeper.run_once()).idle == 1


async def test_without_the_lease_nobody_is_called_idle(
    postgres: Postgres, clean_stores: None, private_valkey: Callable[..., ValkeyServer]
) -> None:
    """While Redis is not known to be as fresh as the ledger, its silence says nothing about anybody."""
    server = private_valkey()
    settings = settings_of(postgres.sessions_url, server.url, GATEHOUSE_LEASE_SECONDS="2")
    async with new_desk(create_app(settings), postgres.owner_url) as desk:
        login = await desk.sign_in()
        expired = await desk.sign_in(record=False, lasts=timedelta(seconds=-1))
        await desk.age(login)
        server.freeze()
        try:
            await until(lambda: desk.resources.follower.age_limit < 0)
            swept = await sweeper_of(desk.resources, SystemClock()).run_once()
        finally:
            server.thaw()
        await desk.resources.follower.wait_fresh(15)
        assert swept == Swept(expired=1)
        assert await desk.ended(expired) == ["expired"]
        assert (await desk.row(login))["ended_at"] is None


async def test_old_rows_of_ended_sessions_and_old_events_are_removed(desk: Desk, sweeper: Sweeper) -> None:
    old, recent, live = [await desk.sign_in() for _ in range(3)]
    for login in (old, recent):
        await desk.call("DELETE", login.path)
    days = {old.session_id: 91, recent.session_id: 89}
    for session_id, age in days.items():
        await desk.owner.execute(
            "UPDATE sessions.session SET ended_at = now() - $2::interval WHERE id = $1", session_id, timedelta(days=age)
        )
    for age in (31, 29):
        await desk.owner.execute(
            "INSERT INTO sessions.event (id, tenant, type, aggregate, aggregate_id, at, payload) "
            "VALUES ($1, $2, 'old', 'session', $3, now() - $4::interval, '{}')",
            uuid7(await desk.now_ms() - age * 86_400_000),
            TENANT,
            str(age),
            timedelta(days=age),
        )
    assert await sweeper.run_once() == Swept(purged_sessions=1, purged_events=1)
    left = {row["id"] for row in await desk.owner.fetch("SELECT id FROM sessions.session")}
    assert left == {recent.session_id, live.session_id}
    assert [
        row["aggregate_id"] for row in await desk.owner.fetch("SELECT * FROM sessions.event WHERE type = 'old'")
    ] == ["29"]
    assert await desk.owner_count("sessions.ledger", "kind = 'session'") == 2, "the ledger outlives the rows"


async def test_the_sweeper_runs_by_itself_and_survives_a_fault(
    postgres: Postgres, redis_url: str, clean_stores: None
) -> None:
    settings = settings_of(postgres.sessions_url, redis_url, GATEHOUSE_SESSIONS_SWEEP_SECONDS="0.5")
    async with new_desk(create_app(settings), postgres.owner_url) as desk:
        failed = metrics.SWEEPS.labels("failed")._value.get()
        async with desk.owner.transaction():
            await desk.owner.execute("LOCK TABLE sessions.session")
            async with asyncio.timeout(60):
                while metrics.SWEEPS.labels("failed")._value.get() == failed:
                    await desk.terminate_pool()
                    await asyncio.sleep(0.1)
        login = await desk.sign_in(lasts=timedelta(seconds=-1), record=False)
        while not await desk.ended(login):
            await desk.owner.execute("SELECT pg_sleep(0.05)")


async def test_who_holds_back_the_horizon_is_named(desk: Desk, postgres: Postgres) -> None:
    clock = FakeClock()
    sweeper = sweeper_of(desk.resources, clock)
    writer = await asyncpg.connect(postgres.authz_url, server_settings={"application_name": "left open\n\"'{<"})
    try:
        async with writer.transaction():
            await writer.execute("SELECT pg_current_xact_id()")
            await sweeper.look_for_writer()
            assert shown_writers() == [], "it may end any moment"
            clock.advance(7)
            await sweeper.look_for_writer()
            (sample,) = shown_writers()
            assert sample.value == pytest.approx(7)
            assert sample.labels["pid"] == str(writer.get_server_pid())
            assert sample.labels["application_name"].startswith("left open")
            assert not set("\n\"'{<") & set(sample.labels["application_name"])
        await sweeper.look_for_writer()
        assert shown_writers() == []
    finally:
        await writer.close()


async def test_a_run_with_nothing_due_is_a_handful_of_statements(desk: Desk, sweeper: Sweeper) -> None:
    for _ in range(3):
        await desk.sign_in()
    await sweeper.run_once()
    await sweeper.run_once()
    await desk.fill_pool()
    with desk.counted() as statements:
        assert await sweeper.run_once() == Swept()
    # Expired, walk, two purges; each but the walk with its lock and commit. What was raised lately is not counted here.
    assert len(statements) == 13, statements


async def test_a_stale_login_that_the_epoch_already_ruled_is_closed(desk: Desk, sweeper: Sweeper) -> None:
    """Stopped between password and session, revoked, gone on: its row is there, and it is closed."""
    ann = uuid7()
    await desk.revoke({"subject": str(ann)})
    login = await desk.sign_in(ann, stamps=Stamps(), record=False)
    assert (await sweeper.run_once()).revoked == 1
    assert await desk.ended(login) == ["revoked"]
