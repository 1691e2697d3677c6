"""Whether a scenario passed: pure rules over its records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from load.figures import percentile
from load.run.plan import STORM_FACTOR, Phases, Scenario
from load.run.records import Record

SLACK, SLACK_MS = 1.5, 100.0
"""As before: a p99 of at most 1.5 times that of the base load, or 100 ms more; three quiet seconds are few samples."""
GOODPUT = 0.9
LOGIN = "login"


@dataclass(frozen=True, slots=True)
class Check:
    """One rule and how it went."""

    rule: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`statuses`: requests by phase and status; 0 is no answer. `idle`: how often nobody was free to sign in."""

    checks: Sequence[Check]
    statuses: dict[str, Counter[int]]
    idle: int = 0

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)


def judge(scenario: Scenario, records: Sequence[Record]) -> Verdict:
    """The verdict on a finished scenario."""
    rules = _STORM if scenario.kind == "login-storm" else _STEADY
    checks = [rule(scenario.phases, records) for rule in rules]
    statuses: dict[str, Counter[int]] = {}
    for record in records:
        if not record.journey:
            statuses.setdefault(scenario.phases.name(record.done_at), Counter())[record.status] += 1
    return Verdict(checks, statuses, idle=sum(record.result == "idle" for record in records))


def _honest(phases: Phases, records: Sequence[Record]) -> Check:
    silent = [r for r in records if r.status in (429, 503) and not r.waits]
    said = sum(r.status in (429, 503) for r in records if not r.journey)
    return Check(
        "every 503 and 429 says when to come back (Retry-After)", not silent, f"{said} refused, {len(silent)} silent"
    )


def _no_fault(phases: Phases, records: Sequence[Record]) -> Check:
    faults = Counter(
        r.status for r in records if not r.journey and (r.status == 0 or r.status >= 500) and r.status != 503
    )
    shown = ", ".join(f"{count} × {status or 'no answer'}" for status, count in faults.most_common())
    return Check("no other 5xx, no lost connection", not faults, shown or "none")


def _nothing_wrong(phases: Phases, records: Sequence[Record]) -> Check:
    wrong = Counter(r.why for r in records if r.result == "wrong" and r.status < 500 and r.status != 0)
    shown = "; ".join(f"{why} ({count}×)" for why, count in wrong.most_common(3))
    return Check("no wrong answer: right passwords and codes are taken, no session is lost", not wrong, shown or "none")


def _goodput(phases: Phases, records: Sequence[Record]) -> Check:
    before = _rate(records, 0, phases.storm)
    during = _rate(records, phases.risen, phases.over)
    return Check(
        f"the storm's {STORM_FACTOR}-fold load does not lower what is served",
        before > 0 and during >= GOODPUT * before,
        f"{before:.1f} sign-ins a second before, {during:.1f} in the storm",
    )


def _calm(phases: Phases, records: Sequence[Record]) -> Check:
    before = _times(records, 0, phases.storm)
    after = _times(records, phases.calm_again, phases.end)
    rule = "five seconds after the storm everything is as before"
    if not before or not after:
        return Check(rule, False, f"{len(before)} sign-ins before and {len(after)} after are too few to tell")
    shed = sum(r.result == "shed" for r in records if r.at >= phases.calm_again)
    base, now = percentile(before, 0.99), percentile(after, 0.99)
    return Check(
        rule,
        shed == 0 and now <= max(base * SLACK, base + SLACK_MS),
        f"sign-in p99 {base:.0f} ms before, {now:.0f} ms after; {shed} refused after it",
    )


def _served(phases: Phases, records: Sequence[Record]) -> Check:
    good = sum(r.result == "ok" for r in records)
    return Check("the house served the load", good > 0, f"{good} right answers")


def _nothing_shed(phases: Phases, records: Sequence[Record]) -> Check:
    shed = sum(r.result == "shed" for r in records)
    return Check("nothing is refused under a steady load", shed == 0, f"{shed} refused")


def _rate(records: Sequence[Record], start: float, end: float) -> float:
    good = sum(r.journey and r.name == LOGIN and r.result == "ok" and start <= r.done_at < end for r in records)
    return good / (end - start) if end > start else 0.0


def _times(records: Sequence[Record], start: float, end: float) -> list[float]:
    """How long the sign-ins took that began in this time."""
    return [r.ms for r in records if r.journey and r.name == LOGIN and r.result == "ok" and start <= r.at < end]


Rule = Callable[[Phases, Sequence[Record]], Check]
_STORM: Sequence[Rule] = (_honest, _no_fault, _nothing_wrong, _goodput, _calm)
_STEADY: Sequence[Rule] = (_honest, _no_fault, _nothing_wrong, _nothing_shed, _served)
