"""What a scenario shows in the terminal while it runs, and its verdict at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from load.figures import percentile
from load.run.plan import Scenario
from load.run.records import Record
from load.run.verdict import Verdict

_BARS = " ▁▂▃▄▅▆▇█"
_WINDOW_S = 5.0
_LINE_EVERY_S = 5.0


class Watch:
    """Takes the records as they come; redraws on a terminal, prints a line now and then elsewhere."""

    def __init__(self, scenario: Scenario, console: Console) -> None:
        self._scenario, self._console = scenario, console
        self._records: list[Record] = []
        self._counts: Counter[str] = Counter()
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._spoken = 0.0
        self._began: float | None = None

    def __enter__(self) -> Watch:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live:
            self._live.stop()

    def take(self, fresh: Sequence[Record]) -> None:
        """More records; perhaps something new to show."""
        self._records += fresh
        for record in fresh:
            self._counts[record.result if record.journey else f"request {record.result}"] += 1
        if fresh and self._began is None:
            self._began = time.monotonic() - max(record.done_at for record in fresh)
        now = 0.0 if self._began is None else time.monotonic() - self._began
        if self._live:
            self._live.update(self._picture(now))
        elif now >= self._spoken + _LINE_EVERY_S:
            self._spoken = now
            self._console.print(self._line(now))

    def _line(self, now: float) -> str:
        phases = self._scenario.phases
        fresh = [r for r in self._records if r.done_at > now - _WINDOW_S]
        logins = [r for r in fresh if r.journey]
        good = [r.ms for r in logins if r.result == "ok"]
        shed = sum(r.result == "shed" for r in logins)
        requests = [r for r in fresh if not r.journey]
        said = f"{now:5.0f} s of {phases.end:.0f}  {phases.name(now):<7} {len(requests) / _WINDOW_S:6.0f} requests/s"
        if self._scenario.kind == "login-storm":
            said += f"  {len(good) / _WINDOW_S:5.1f} sign-ins/s  {shed / _WINDOW_S:5.1f} told to wait/s"
            said += f"  p99 {percentile(good, 0.99):5.0f} ms" if good else ""
        elif times := [r.ms for r in requests if r.result == "ok"]:
            said += f"  p99 {percentile(times, 0.99):5.0f} ms"
        return said

    def _picture(self, now: float) -> Group:
        counts = self._counts
        grid = Table.grid(padding=(0, 2))
        for name, wanted in (("sign-ins", "ok"), ("told to wait", "shed"), ("wrong", "wrong")):
            grid.add_row(name, str(counts[wanted]), Text(self._spark(wanted, now)))
        good, shed, wrong = (counts[f"request {result}"] for result in ("ok", "shed", "wrong"))
        grid.add_row("requests", str(good + shed + wrong), f"{shed} refused with 503 or 429, {wrong} wrong")
        return Group(Text(self._line(now), style="bold"), grid)

    def _spark(self, result: str, now: float) -> str:
        per_second = Counter(int(r.done_at) for r in self._records if r.journey and r.result == result)
        top = max(per_second.values(), default=1)
        room = max(10, self._console.width - 40)
        first = max(0, int(now) - room)
        return "".join(_BARS[-(-per_second[s] * (len(_BARS) - 1) // top)] for s in range(first, int(now)))


def show(console: Console, verdict: Verdict) -> None:
    """The verdict as a table."""
    made = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for check in verdict.checks:
        made.add_row("[green]yes[/]" if check.passed else "[red]no[/]", check.rule, Text(check.detail, style="dim"))
    console.print(made)
    statuses: dict[str, Any] = {phase: dict(counts) for phase, counts in verdict.statuses.items()}
    for phase, counts in statuses.items():
        shown = ", ".join(f"{count} × {status or 'no answer'}" for status, count in sorted(counts.items()))
        console.print(f"  {phase:<7} {shown}")
    if verdict.idle:
        console.print(f"The storm was thinner than planned: {verdict.idle} times nobody was free (more --people help).")
    console.print("[bold green]passed[/]" if verdict.passed else "[bold red]failed[/]")
