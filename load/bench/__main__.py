"""`python -m load.bench [--only NAME…] [--seconds N] [--rounds N] [--json] [--no-peer]`: the whole bench."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gatehouse.dev.devservers import DevServerError
from gatehouse.faults import CommandFault
from load import machine
from load.bench import report
from load.bench.method import Measured, run_rounds
from load.bench.rows import ROWS, Row, chosen
from load.bench.stand import ENVIRON, Stand, open_stand
from load.browser import SignInFault
from load.house import DURABLE, HouseFault
from load.workers import WorkerFault

FAULT, USAGE, INTERRUPTED = 1, 2, 130
_WIDTH_IN_A_FILE = 180


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(prog="python -m load.bench", description="What each operation costs.")
    made.add_argument("--only", nargs="+", default=[], metavar="NAME", help="measure these rows alone")
    made.add_argument("--list", action="store_true", help="print the names of the rows and end")
    made.add_argument("--seconds", type=float, default=2.0, help="length of one measurement (default 2)")
    made.add_argument("--rounds", type=int, default=3, help="rounds that count, after one that does not (default 3)")
    made.add_argument("--connections", type=int, default=32, help="connections kept busy (default 32)")
    made.add_argument("--people", type=int, default=512, help="users in the directory (default 512)")
    made.add_argument("--seed", type=int, default=1, help="of the people and of the rows' order (default 1)")
    made.add_argument("--json", action="store_true", help="print the report instead of the table")
    made.add_argument("--out", type=Path, default=report.REPORTS, help="folder of the report (default load/reports)")
    made.add_argument(
        "--with-peer", dest="peer", action="store_true", default=True, help="node-oidc-provider beside us"
    )
    made.add_argument("--no-peer", dest="peer", action="store_false", help="ours alone")
    return made


async def bench(options: argparse.Namespace, rows: list[Row], console: Console) -> dict[str, Any]:
    """Measure and report. Raises what the stand raises."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    started = datetime.now(UTC)
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting stores and services", total=None)
        async with open_stand(
            rows, seconds=options.seconds, connections=options.connections, people=options.people, seed=options.seed
        ) as stand:
            there = [row for row in rows if row.part != "peer" or stand.peer is not None]

            def before(done: int, total: int, row: Row) -> None:
                bar.update(task, completed=done, total=total, description=row.name)

            measured, paces = await run_rounds(
                there, stand.measure, rounds=options.rounds, seed=options.seed, before=before
            )
            about = _about(options, stand, started)
            remarks = report.notes(measured, paces, stand.peer_missing)
    document = report.document(measured, paces, about, remarks)
    _show(console, document, measured)
    return document


def _about(options: argparse.Namespace, stand: Stand, started: datetime) -> dict[str, Any]:
    return machine.facts() | {
        "started": started.isoformat(timespec="seconds"),
        "stores": stand.stores.versions,
        "stores_settings": DURABLE | {"valkey": "append-only file, synced every second"},
        "service_settings": ENVIRON,
        "peer": stand.peer.versions if stand.peer else None,
        "transport": "plain HTTP on loopback, keep-alive, closed loop",
        "connections": options.connections,
        "people": options.people,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "seed": options.seed,
    }


def _show(console: Console, document: dict[str, Any], measured: list[Measured]) -> None:
    about = document["about"]
    stores = ", ".join(f"{name} {version}" for name, version in about["stores"].items())
    peer = about["peer"] and ", ".join(f"{name} {version}" for name, version in about["peer"].items())
    console.print(report.table(measured, console.width))
    console.print(
        f"Gatehouse {about['version']} ({about['commit']}), {about['python']}, {stores}; {about['cpu']}, "
        f"{about['cores']} cores; {about['rounds']} rounds of {about['seconds']:g} s, {about['connections']} "
        f"connections, {about['people']} people, seed {about['seed']}." + (f" Peer: {peer}." if peer else "")
    )
    for remark in document["notes"]:
        console.print(remark)


def main() -> int:
    """The command; answers its exit code."""
    options = parser().parse_args()
    console = Console(stderr=options.json, highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_IN_A_FILE
    if options.list:
        print("\n".join(f"{row.name:<20} {row.title}" for row in ROWS))
        return 0
    try:
        rows = chosen(options.only, with_peer=options.peer)
        if options.rounds < 1 or options.seconds <= 0 or options.connections < 1:
            raise ValueError("--rounds, --seconds and --connections must be above 0")
    except ValueError as fault:
        print(f"load.bench: {fault}", file=sys.stderr)
        return USAGE
    try:
        document = asyncio.run(bench(options, rows, console))
    except (HouseFault, WorkerFault, SignInFault, DevServerError, CommandFault) as fault:
        print(f"load.bench: {fault}", file=sys.stderr)
        return FAULT
    except KeyboardInterrupt:
        return INTERRUPTED
    path = report.write(document, options.out, datetime.now(UTC))
    if options.json:
        print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        console.print(f"Report: {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
