"""Processor time of processes, read from /proc, and the cores that each part of a run may use."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# Fields of /proc/<pid>/stat counted from the one after the command's closing parenthesis (proc(5) numbers them from 1).
_PARENT, _TIMES = 1, slice(11, 15)


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores the process under test has for itself, and which everything else shares; None: not pinned."""

    tested: frozenset[int] | None
    others: frozenset[int] | None

    @classmethod
    def divide(cls) -> Cores:
        """One core for the process under test, the rest for stores and generator; nothing pinned on a single core."""
        mine = sorted(os.sched_getaffinity(0))
        if len(mine) < 2:
            return cls(None, None)
        return cls(frozenset(mine[:1]), frozenset(mine[1:]))


@contextmanager
def pinned(cores: frozenset[int] | None) -> Iterator[None]:
    """What this thread starts inside inherits these cores."""
    before = os.sched_getaffinity(0)
    if cores is not None:
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pin(pid: int, cores: frozenset[int] | None) -> None:
    """Move every thread of a process that runs already; what it starts later inherits that."""
    if cores is None:
        return
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):  # a thread that ended meanwhile
            os.sched_setaffinity(int(thread.name), cores)


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time of these processes and of every descendant, living or reaped.

    A process that has gone counts 0. The kernel accounts in ticks, usually 10 ms: measure over seconds.
    """
    children = _children()
    total, waiting, seen = 0.0, list(pids), set[int]()
    while waiting:
        pid = waiting.pop()
        if pid in seen:
            continue
        seen.add(pid)
        fields = _stat(pid)
        if fields is not None:
            total += sum(int(ticks) for ticks in fields[_TIMES]) * _TICK_S
        waiting += children.get(pid, ())
    return total


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(int(entry))) is not None:
            found.setdefault(int(fields[_PARENT]), []).append(int(entry))
    return found


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command stands in parentheses and may hold anything, parentheses and blanks too.
    return text.rpartition(")")[2].split()
