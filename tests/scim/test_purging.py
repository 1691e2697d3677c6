"""What is past its time goes, in small batches and by one process at a time; and when a token was used is known."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from identity_core.db import transaction
from identity_core.ids import uuid7
from identity_core.settings import SettingsError, load
from scim.app import PURGE_PAUSE_S
from scim.periodic import Periodic
from scim.purger import Purged, Purger
from scim.settings import ScimSettings
from scim.storage import statements
from scim.storage.purges import _PURGE_LOCK, Purges
from scim.storage.sources import SourceTokens
from tests.scim.directory import Directory

MONTH = timedelta(days=30)


async def _record(directory: Directory, key: str, expires_in: timedelta) -> None:
    await directory.db.execute(
        "INSERT INTO directory.idempotency (tenant, source, key, fingerprint, status, headers, body, expires_at) "
        "VALUES ($1, 'source:x', $2, '', 201, '{}', '', now() + $3::interval)",
        directory.tenant,
        key,
        expires_in,
    )


async def _event(directory: Directory, age: timedelta) -> None:
    now_ms = await directory.db.fetchval("SELECT (extract(epoch FROM now() - $1::interval) * 1000)::bigint", age)
    await directory.db.execute(
        "INSERT INTO directory.event (id, tenant, type, aggregate, aggregate_id, at, payload) "
        "VALUES ($1, $2, $3, 'user', 'x', now() - $4::interval, '{}')",
        uuid7(now_ms),
        directory.tenant,
        str(age.days),
        age,
    )


async def _left(directory: Directory) -> tuple[list[str], list[str]]:
    keys = await directory.db.fetch("SELECT key FROM directory.idempotency WHERE tenant = $1", directory.tenant)
    events = await directory.events()
    return sorted(row["key"] for row in keys), [type_ for type_, _ in events]


def _purger(directory: Directory, *, batch: int = 500) -> Purger:
    return Purger(Purges(directory.app.state.resources.pool, batch=batch), event_retention=MONTH)


async def test_expired_records_and_old_events_go_and_others_stay(directory: Directory) -> None:
    for key, hours in (("gone", -1), ("here", 1)):
        await _record(directory, key, timedelta(hours=hours))
    for days in (31, 29, 0):
        await _event(directory, timedelta(days=days))

    await _purger(directory).run_once()

    assert await _left(directory) == (["here"], ["29", "0"])


async def test_more_than_a_batch_goes_in_one_run(directory: Directory) -> None:
    for number in range(7):
        await _record(directory, str(number), timedelta(hours=-1))
        await _event(directory, timedelta(days=40))

    await _purger(directory, batch=3).run_once()

    assert await _left(directory) == ([], [])


async def test_a_batch_is_no_larger_than_it_says(directory: Directory) -> None:
    async with transaction(directory.app.state.resources.pool) as connection:
        # The service's own purger stays away meanwhile.
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _PURGE_LOCK)
        for number in range(7):
            await _record(directory, str(number), timedelta(hours=-1))
            await _event(directory, timedelta(days=40))
        assert await connection.execute(statements.PURGE_IDEMPOTENCY, 3) == "DELETE 3"
        assert await connection.execute(statements.PURGE_EVENTS, 3, MONTH) == "DELETE 3"


async def test_while_one_process_purges_another_leaves_it_to_that(directory: Directory) -> None:
    purger = _purger(directory)
    async with transaction(directory.app.state.resources.pool) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _PURGE_LOCK)
        await _record(directory, "gone", timedelta(hours=-1))
        assert await purger.run_once() == Purged(0, 0)
        assert (await _left(directory))[0] == ["gone"]

    await purger.run_once()
    assert (await _left(directory))[0] == []


async def test_a_row_that_somebody_holds_waits_for_the_next_run(
    directory: Directory, owner: asyncpg.Connection
) -> None:
    await _record(directory, "held", timedelta(hours=-1))
    await _record(directory, "free", timedelta(hours=-1))
    async with owner.transaction():
        await owner.execute(
            "SELECT 1 FROM directory.idempotency WHERE tenant = $1 AND key = 'held' FOR UPDATE", directory.tenant
        )
        await _purger(directory).run_once()
        assert (await _left(directory))[0] == ["held"]
    await _purger(directory).run_once()
    assert (await _left(directory))[0] == []


async def test_the_service_purges_each_minute(directory: Directory) -> None:
    names = [task.get_name() for task in asyncio.all_tasks()]
    assert names.count("purge") >= 1
    assert names.count("note token uses") >= 1
    assert PURGE_PAUSE_S == 60


def test_events_are_kept_as_long_as_the_setting_says(scim_settings: ScimSettings) -> None:
    assert timedelta(seconds=scim_settings.event_retention_seconds) == MONTH
    with pytest.raises(SettingsError) as refused:
        load(ScimSettings, {"GATEHOUSE_SCIM_EVENT_RETENTION_SECONDS": "60"})
    assert any("GATEHOUSE_SCIM_EVENT_RETENTION_SECONDS" in fault for fault in refused.value.faults)


async def test_periodic_work_goes_on_after_a_fault_and_stops_when_told() -> None:
    runs = 0
    third = asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ConnectionRefusedError
        if runs == 2:
            raise KeyError("a fault of our own")
        third.set()

    periodic = Periodic("test", work, pause=0.001)
    await periodic.start()
    await third.wait()
    await periodic.stop()
    seen = runs
    await asyncio.sleep(0.02)
    assert runs == seen


async def test_periodic_work_stops_although_its_cancellation_is_swallowed() -> None:
    begun, swallowed = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            # As `asyncio.wait_for` of Python 3.11 may do.
            if swallowed.is_set():
                raise
            swallowed.set()

    periodic = Periodic("stubborn", work, pause=0)
    await periodic.start()
    await begun.wait()
    await periodic.stop()
    assert swallowed.is_set()
    assert "stubborn" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_when_a_token_was_used_is_noted_once_a_minute(directory: Directory) -> None:
    async def last_used() -> object:
        query = "SELECT last_used_at FROM directory.source_token WHERE tenant = $1"
        return await directory.db.fetchval(query, directory.tenant)

    async def age(minutes: int) -> object:
        moved = "UPDATE directory.source_token SET last_used_at = now() - make_interval(mins => $2) WHERE tenant = $1"
        await directory.db.execute(moved, directory.tenant, minutes)
        return await last_used()

    tokens = SourceTokens(directory.app.state.resources.pool)

    async def use() -> object:
        assert await tokens.caller_of(directory.token)
        await tokens.note_uses()
        return await last_used()

    assert await last_used() is None
    first = await use()
    assert first is not None
    assert await use() == first
    aged = await age(2)
    assert await use() != aged


async def test_a_request_by_a_token_is_a_use_of_it(directory: Directory) -> None:
    assert (await directory.http.get("/Users")).status_code == 200
    await directory.app.state.edge.sources.note_uses()
    query = "SELECT last_used_at > now() - interval '1 minute' FROM directory.source_token WHERE tenant = $1"
    assert await directory.db.fetchval(query, directory.tenant)
