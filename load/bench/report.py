"""The table and the JSON file of a bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from rich.box import SIMPLE_HEAD
from rich.table import Table

from load.bench.method import Measured
from load.bench.targets import Verdict, duration, judge, short
from load.figures import Cost, spread
from load.machine import REPOSITORY

REPORTS = REPOSITORY / "load" / "reports"
_STEADY = 0.15
_COLUMNS = (
    "operation", "per core s", "CPU", "spread", "PostgreSQL", "Valkey", "of empty", "peer", "ours/peer", "must",
    "reached", "bad",
)  # fmt: skip
_ONLY_WIDE = ("PostgreSQL", "Valkey", "of empty", "peer")
_WIDE = 140


def table(measured: Sequence[Measured], width: int) -> Table:
    """One line per row, in the order of the rows; on a narrow terminal without the columns one can do without."""
    costs = {entry.row.name: entry.cost for entry in measured}
    names = [name for name in _COLUMNS if width >= _WIDE or name not in _ONLY_WIDE]
    made = Table(title="Cost per operation", title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1))
    for name in names:
        left = name in ("operation", "reached")
        made.add_column(name, justify="left" if left else "right", no_wrap=name != "operation")
    for place, entry in enumerate(measured):
        if place and entry.row.part != measured[place - 1].row.part:
            made.add_section()
        cells = _cells(entry, costs)
        made.add_row(*(cells.get(name, "") for name in names))
    return made


def _cells(entry: Measured, costs: Mapping[str, Cost | None]) -> dict[str, str]:
    row, cost = entry.row, entry.cost
    cells = {"operation": f"peer: {row.title}" if row.part == "peer" else row.title}
    if row.target:
        cells["must"] = row.target.text
    if cost is None:
        return cells | {"reached": "[red]not measured[/]"}
    empty = costs.get("empty") if row.part != "in process" else None
    peer = costs.get(row.compared) if row.compared else None
    cells |= {
        "per core s": short(cost.per_core_second),
        "CPU": duration(cost.cpu_us),
        "spread": f"{cost.spread * 100:.0f} %" if cost.spread <= _STEADY else f"[yellow]{cost.spread * 100:.0f} %[/]",
        "PostgreSQL": duration(cost.postgres_us) if cost.postgres_us else "",
        "Valkey": duration(cost.valkey_us) if cost.valkey_us else "",
        "reached": _coloured(judge(row.target, cost, empty)),
        "bad": f"[red]{cost.bad}[/]" if cost.bad else "0",
    }
    if empty and row.part != "empty":
        cells["of empty"] = f"{cost.per_core_second / empty.per_core_second:.2f}"
    if peer:
        cells["peer"] = short(peer.per_core_second)
        cells["ours/peer"] = f"{cost.per_core_second / peer.per_core_second:.2f}×"
    return cells


def _coloured(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    return f"[{'green' if verdict.reached else 'yellow'}]{verdict.text}[/]"


def notes(measured: Sequence[Measured], paces: Sequence[float], peer_missing: str | None) -> list[str]:
    """What a reader must know beside the table."""
    said = [
        f"Machine's pace: one fixed piece of work took {duration(paces[len(paces) // 2])}, spread {spread(paces):.0%}."
    ]
    if peer_missing:
        said.append(f"The peer is not in this table: {peer_missing}.")
    said.append("Not offered: JWT access tokens signed with RS256 for client_credentials (access tokens are ES256).")
    for entry in measured:
        if entry.failed:
            said.append(f"Not measured: {entry.row.name}: {entry.failed}.")
        for why, count in entry.faults.items():
            said.append(f"Bad answers in {entry.row.name}: {why} ({count}×).")
    loose = [entry.row.name for entry in measured if entry.cost and entry.cost.spread > _STEADY]
    if loose:
        said.append(f"Rounds differ by more than {_STEADY:.0%}: {', '.join(loose)}. Compare these with care.")
    return said


def document(
    measured: Sequence[Measured], paces: Sequence[float], about: Mapping[str, Any], remarks: Sequence[str]
) -> dict[str, Any]:
    """The report for programs: everything of the table, and every round's figures."""
    costs = {entry.row.name: entry.cost for entry in measured}
    return {
        "about": dict(about) | {"pace_us": list(paces)},
        "notes": list(remarks),
        "rows": [_row(entry, costs.get("empty")) for entry in measured],
    }


def _row(entry: Measured, empty: Cost | None) -> dict[str, Any]:
    row, cost = entry.row, entry.cost
    verdict = judge(row.target, cost, empty)
    figures = None if cost is None else asdict(cost) | {"per_core_second": cost.per_core_second}
    over_http = cost is not None and empty is not None and row.part != "in process"
    return {
        "name": row.name,
        "title": row.title,
        "part": row.part,
        "cost": figures,
        "of_empty": cost.per_core_second / empty.per_core_second if over_http and cost and empty else None,
        "target": asdict(row.target) if row.target else None,
        "reached": verdict.reached if verdict else None,
        "share_of_must": verdict.share if verdict else None,
        "compared_with": row.compared,
        "failed": entry.failed,
        "faults": entry.faults,
        "rounds": [asdict(sample) for sample in entry.samples],
    }


def write(report: Mapping[str, Any], folder: Path, now: datetime) -> Path:
    """Write `bench-<date>.json`; answers its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"bench-{now:%Y-%m-%d-%H%M%S}.json"
    path.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    return path
