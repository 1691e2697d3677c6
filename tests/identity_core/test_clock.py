"""The clock of the process and the one of the tests."""

import time
from datetime import UTC, datetime, timedelta, timezone

from identity_core.clock import Clock, SystemClock
from identity_core.testing.clock import FakeClock


def test_the_system_clock_tells_one_time_in_three_ways_and_moves_no_store() -> None:
    clock: Clock = SystemClock()
    before, now, after = clock.now_ms(), clock.now(), clock.now_ms()
    assert now.tzinfo is UTC
    assert before <= now.timestamp() * 1000 <= after + 1
    assert clock.monotonic() <= clock.monotonic()
    assert clock.offset_ms == 0


def test_a_fake_clock_stands_still_until_it_is_moved() -> None:
    start = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    clock: Clock = FakeClock(start)
    assert clock.now() == clock.now() == start
    assert clock.now_ms() == 1_767_323_045_678
    assert clock.monotonic() == clock.monotonic()


def test_advancing_moves_both_readings_and_a_step_back_only_the_time_of_day() -> None:
    clock = FakeClock(datetime(2026, 1, 1, tzinfo=UTC))
    first = clock.monotonic()
    clock.advance(90)
    assert clock.now() == datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC)
    assert clock.monotonic() == first + 90
    clock.advance(-300)
    assert clock.now() == datetime(2025, 12, 31, 23, 56, 30, tzinfo=UTC)
    assert clock.monotonic() == first + 90


def test_the_offset_leads_from_real_time_to_the_fake_one() -> None:
    clock = FakeClock(datetime.now(UTC) + timedelta(days=3))
    real_before = time.time_ns() // 1_000_000
    offset = clock.offset_ms
    real_after = time.time_ns() // 1_000_000
    assert real_before + offset <= clock.now_ms() <= real_after + offset


def test_a_start_in_another_zone_is_told_in_utc() -> None:
    clock = FakeClock(datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
    assert clock.now().tzinfo is UTC
    clock.set(datetime(2026, 6, 1, tzinfo=UTC))
    assert clock.now_ms() == 1_780_272_000_000
