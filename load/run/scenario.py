"""Runs one scenario: Locust in a process of its own, its records followed, judged and written up."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import IO

from rich.console import Console

from load.machine import REPOSITORY
from load.run.brief import VARIABLE, Brief
from load.run.page import merged, section
from load.run.plan import Scenario
from load.run.progress import Watch, show
from load.run.records import Record, Tail
from load.run.setup import Ready
from load.run.verdict import Verdict, judge

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
REPORTS = REPOSITORY / "load" / "reports"
_GRACE_S = 40.0
_LOOK_S = 0.25
_BRIEF, _LOG, _PAGE = "brief.json", "locust.log", "locust.html"


class LoadFault(Exception):
    """The load could not be made; one sentence."""


async def run(scenario: Scenario, ready: Ready, console: Console, now: datetime) -> tuple[Verdict, Path]:
    """The verdict and the report's path. Raises LoadFault."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-load-") as name:
        folder = Path(name)
        with _records_file(scenario, ready, folder) as file, Watch(scenario, console) as watch:
            records = await _follow(scenario, folder, Tail(file), watch)
        verdict = judge(scenario, records)
        path = _write(
            folder / _PAGE, section(scenario, verdict, records, ready.about), f"{scenario.kind}-{now:%F-%H%M%S}"
        )
    show(console, verdict)
    return verdict, path


def _records_file(scenario: Scenario, ready: Ready, folder: Path) -> IO[bytes]:
    """Write the brief; answers the still empty file of records, open for reading."""
    records = folder / "records"
    brief = Brief(scenario, ready.host, ready.port, ready.site, ready.people, ready.cookies, str(records))
    brief.write(folder / _BRIEF)
    records.touch(mode=0o600)
    return records.open("rb")


def _write(locust_page: Path, ours: str, name: str) -> Path:
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / f"{name}.html"
    path.write_text(merged(locust_page.read_text() if locust_page.exists() else "", ours))
    return path


async def _follow(scenario: Scenario, folder: Path, tail: Tail, watch: Watch) -> list[Record]:
    process = await _locust(folder)
    records: list[Record] = []
    ended = asyncio.ensure_future(process.wait())
    try:
        async with asyncio.timeout(scenario.phases.end + _GRACE_S):
            while not ended.done():
                await asyncio.wait({ended}, timeout=_LOOK_S)
                fresh = tail.fresh()
                records += fresh
                watch.take(fresh)
        records += tail.fresh()
    except TimeoutError:
        raise LoadFault("Locust did not end in time") from None
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
    if process.returncode != 0 or not records:
        raise LoadFault(f"Locust ended with code {process.returncode}: {_last_words(folder)}")
    return records


def _last_words(folder: Path) -> str:
    return " | ".join((folder / _LOG).read_text(errors="replace").strip().splitlines()[-3:])


async def _locust(folder: Path) -> asyncio.subprocess.Process:
    command = [
        sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary", "--loglevel", "WARNING",
        "--exit-code-on-error", "0", "--html", str(folder / _PAGE),
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    environment |= {VARIABLE: str(folder / _BRIEF), "PYTHONPATH": str(REPOSITORY)}
    with _log(folder) as output:
        return await asyncio.create_subprocess_exec(
            *command, cwd=folder, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip


def _log(folder: Path) -> IO[bytes]:
    return (folder / _LOG).open("wb")
