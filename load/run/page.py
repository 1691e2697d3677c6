"""Our part of the report: the verdict, counts and charts, put in front of Locust's own page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from load.figures import percentile
from load.run.charts import line_chart
from load.run.plan import Scenario
from load.run.records import Record
from load.run.verdict import LOGIN, Verdict

_STYLE = """
.gh{font:15px/1.45 system-ui,sans-serif;max-width:960px;margin:0 auto;padding:24px;color:#1f2937;background:#fff}
.gh h1{font-size:24px;margin:0 0 4px}.gh h2{font-size:18px;margin:24px 0 8px}
.gh table{border-collapse:collapse;width:100%}
.gh td,.gh th{text-align:left;padding:4px 10px 4px 0;border-bottom:1px solid #e5e7eb;vertical-align:top}
.gh .yes{color:#047857;font-weight:600}.gh .no{color:#b91c1c;font-weight:600}.gh svg{width:100%;height:auto}
.gh svg text{font:11px system-ui,sans-serif;fill:#6b7280}.gh figure{margin:12px 0}.gh .key{margin-left:10px}
.gh .key i{display:inline-block;width:10px;height:10px;margin-right:4px}
"""


def merged(locust_page: str, section: str) -> str:
    """Locust's page with our section first; a page of our own when there is none of Locust's."""
    head, body, tail = locust_page.partition("<body>")
    if not body:
        return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Load</title><body>{section}</body></html>'
    return f"{head}{body}{section}{tail}"


def section(scenario: Scenario, verdict: Verdict, records: Sequence[Record], about: str) -> str:
    """The verdict, the statuses by phase and the charts."""
    word = '<span class="yes">passed</span>' if verdict.passed else '<span class="no">failed</span>'
    return "".join(
        (
            f"<style>{_STYLE}</style>",
            f'<section class="gh"><h1>{escape(scenario.kind)}: {word}</h1><p>{escape(about)}</p>',
            _checks(verdict),
            _statuses(verdict),
            _charts(scenario, records),
            "<h2>Locust's report</h2></section>",
        )
    )


def _checks(verdict: Verdict) -> str:
    rows = "".join(
        f'<tr><td class="{"yes" if check.passed else "no"}">{"yes" if check.passed else "no"}</td>'
        f"<td>{escape(check.rule)}</td><td>{escape(check.detail)}</td></tr>"
        for check in verdict.checks
    )
    return f"<h2>Verdict</h2><table>{rows}</table>"


def _statuses(verdict: Verdict) -> str:
    codes = sorted({status for counts in verdict.statuses.values() for status in counts})
    head = "".join(f"<th>{code or 'no answer'}</th>" for code in codes)
    rows = "".join(
        f"<tr><td>{escape(phase)}</td>{''.join(f'<td>{counts[code]}</td>' for code in codes)}</tr>"
        for phase, counts in verdict.statuses.items()
    )
    return f"<h2>Requests by status</h2><table><tr><th>phase</th>{head}</tr>{rows}</table>"


def _charts(scenario: Scenario, records: Sequence[Record]) -> str:
    phases = scenario.phases
    seconds = int(phases.end) + 1
    marks = {} if phases.storm == phases.end else {"rise": phases.storm, "storm": phases.risen, "after": phases.over}

    def counted(wanted: Callable[[Record], bool]) -> list[float | None]:
        counts = [0.0] * seconds
        for record in records:
            if wanted(record) and record.done_at < seconds:
                counts[int(record.done_at)] += 1
        return list(counts)

    def slow(share: float, wanted: Callable[[Record], bool]) -> list[float | None]:
        buckets: list[list[float]] = [[] for _ in range(seconds)]
        for record in records:
            if wanted(record) and record.result == "ok" and record.done_at < seconds:
                buckets[int(record.done_at)].append(record.ms)
        return [percentile(bucket, share) if bucket else None for bucket in buckets]

    made = []
    if scenario.kind == "login-storm":
        lines = {
            "signed in": counted(lambda r: r.journey and r.result == "ok"),
            "told to wait": counted(lambda r: r.journey and r.result == "shed"),
            "wrong": counted(lambda r: r.journey and r.result == "wrong"),
        }
        made.append(line_chart("Sign-ins", "per second", lines, marks))
        logins = {
            "p50": slow(0.5, lambda r: r.journey and r.name == LOGIN),
            "p99": slow(0.99, lambda r: r.journey and r.name == LOGIN),
        }
        made.append(line_chart("A whole sign-in", "milliseconds", logins, marks))
    tokens = {
        "p50": slow(0.5, lambda r: r.name.startswith("token")),
        "p99": slow(0.99, lambda r: r.name.startswith("token")),
    }
    made.append(line_chart("Token requests on existing sessions", "milliseconds", tokens, marks))
    made.append(line_chart("All requests", "per second", {"requests": counted(lambda r: not r.journey)}, marks))
    return "<h2>Over time</h2>" + "".join(made)
