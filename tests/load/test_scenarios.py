"""Scenarios: their phases, their records and the rules of their verdict."""

import io
import math

import pytest

from load.run.charts import line_chart
from load.run.page import merged, section
from load.run.plan import STORM_FACTOR, Scenario, login_storm, mixed, people_needed
from load.run.records import Record, Tail, parse
from load.run.verdict import judge

STORM = login_storm(60, 2)
PHASES = STORM.phases


def login(
    at: float, result: str = "ok", ms: float = 50, status: int = 303, waits: bool = False, why: str = ""
) -> Record:
    return Record(at, "login", True, result, status, ms, waits, why)  # type: ignore[arg-type]


def asked(at: float, status: int, *, waits: bool = False, result: str = "ok", why: str = "") -> Record:
    return Record(at, "password", False, result, status, 20, waits, why)  # type: ignore[arg-type]


def good_storm() -> list[Record]:
    calm = [login(at / 4) for at in range(int(PHASES.storm) * 4)]
    storm = [login(PHASES.risen + at / 8, ms=900) for at in range(int(PHASES.over - PHASES.risen) * 8)]
    told = [asked(PHASES.risen + 1, 503, waits=True, result="shed")]
    after = [login(PHASES.over + 5 + at / 4, ms=60) for at in range(16)]
    return calm + storm + told + after


def failed(records: list[Record], scenario: Scenario = STORM) -> list[str]:
    return [check.rule for check in judge(scenario, records).checks if not check.passed]


def test_a_storm_is_ten_times_the_base_and_lies_between_calm_and_calm() -> None:
    assert STORM.storm_users == STORM_FACTOR * STORM.base_users == 80
    assert [PHASES.name(at) for at in (0, PHASES.storm, PHASES.risen, PHASES.over, PHASES.end)] == [
        "base",
        "rising",
        "storm",
        "after",
        "end",
    ]
    assert PHASES.risen - PHASES.storm == 5
    assert PHASES.over + 5 == PHASES.calm_again < PHASES.end == 60


def test_there_are_people_for_those_under_way_and_those_who_rest_after_a_code() -> None:
    assert people_needed(STORM, 1000) > STORM.storm_users * 3
    assert people_needed(STORM, 10) == STORM.storm_users + math.ceil(3 * (PHASES.over - PHASES.storm))


def test_moments_in_which_nobody_was_free_are_told_and_fail_nothing() -> None:
    verdict = judge(STORM, [*good_storm(), login(30, "idle", status=0)])
    assert verdict.passed
    assert verdict.idle == 1


@pytest.mark.parametrize("make", [lambda: login_storm(29, 1), lambda: mixed(4, 1)])
def test_a_scenario_too_short_to_tell_anything_is_refused(make: object) -> None:
    with pytest.raises(ValueError):
        make()  # type: ignore[operator]


def test_a_storm_met_with_honest_refusals_passes() -> None:
    assert failed(good_storm()) == []


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        (asked(30, 503, result="shed"), "every 503 and 429"),
        (asked(30, 429, result="shed"), "every 503 and 429"),
        (asked(30, 500, result="wrong", why="500"), "no other 5xx"),
        (asked(30, 0, result="wrong", why="no answer"), "no other 5xx"),
        (login(30, "wrong", status=200, why="the right password was refused"), "no wrong answer"),
        (asked(30, 400, result="wrong", why="400 invalid_grant"), "no wrong answer"),
        (login(PHASES.calm_again + 1, ms=5000), "five seconds after"),
        (asked(PHASES.calm_again + 1, 503, waits=True, result="shed"), "five seconds after"),
    ],
)
def test_one_fault_fails_the_storm_by_its_own_rule(more: Record, rule: str) -> None:
    [broken] = failed([*good_storm(), more])
    assert broken.startswith(rule)


def test_a_storm_that_serves_less_than_the_calm_fails() -> None:
    records = [r for r in good_storm() if not PHASES.risen <= r.at < PHASES.over]
    [broken] = failed(records)
    assert "does not lower what is served" in broken


def test_nothing_to_compare_is_no_success() -> None:
    assert any(rule.startswith("five seconds after") for rule in failed([]))


def test_a_steady_load_must_not_be_refused_anything() -> None:
    steady = mixed(10, 4)
    good = [asked(at, 200) for at in range(9)]
    assert failed(good, steady) == []
    assert failed([*good, asked(5, 503, waits=True, result="shed")], steady) == [
        "nothing is refused under a steady load"
    ]
    assert failed([], steady) == ["the house served the load"]


def test_statuses_are_counted_by_phase_and_requests_only() -> None:
    statuses = judge(STORM, good_storm()).statuses
    assert statuses == {"storm": {503: 1}}


def test_a_record_survives_being_written_and_half_lines_wait() -> None:
    written = login(1.5, "shed", status=503, waits=True, why="503, come back in 2 s")
    assert list(parse([written.line()])) == [written]
    file = io.BytesIO(written.line() + written.line()[:10])
    tail = Tail(file)
    assert tail.fresh() == [written]
    place = file.tell()
    file.write(written.line()[10:])
    file.seek(place)
    assert tail.fresh() == [written]


def test_our_section_stands_before_locusts_own_page() -> None:
    records = good_storm()
    ours = section(STORM, judge(STORM, records), records, "a house <here>")
    page = merged("<html><head></head><body><div id='root'></div></body></html>", ours)
    assert page.index("login-storm") < page.index("id='root'")
    assert "passed" in ours
    assert "a house &lt;here&gt;" in ours
    assert "<svg" in ours
    assert "login-storm" in merged("", ours)


def test_a_chart_leaves_a_gap_where_there_was_nothing() -> None:
    chart = line_chart("T", "ms", {"p99": [1, 2, None, 3]}, {"rise": 1})
    assert chart.count("<polyline") == 2
    assert "rise" in chart
