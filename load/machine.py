"""What a report must say about where and on what it was measured, and whether the machine kept its pace."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib import metadata
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def facts() -> dict[str, str | int]:
    """Version, commit, interpreter and processor."""
    return {
        "version": metadata.version("gatehouse"),
        "commit": commit(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}",
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
    }


def commit() -> str:
    """The short commit, with `+` when files differ from it; `unknown` outside a repository."""
    head = _git("rev-parse", "--short=12", "HEAD")
    if head is None:
        return "unknown"
    return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def cpu_model() -> str:
    """The processor's name as the kernel tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def pace_us() -> float:
    """Processor microseconds of one fixed piece of interpreter work.

    Taken in every round: where it changes, the machine (or a neighbour on it) has changed, not the code.
    """
    started = time.process_time_ns()
    total = 0
    for number in range(200_000):
        total += number % 7
    return (time.process_time_ns() - started) / 1000


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
