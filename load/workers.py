"""A helper process that takes JSON orders line by line: the generator, and the rows measured in process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson

from load.machine import REPOSITORY
from load.processes import pinned

_LINE_BYTES = 64 * 1024 * 1024


class WorkerFault(Exception):
    """What the worker could not do, in its own sentence."""


class Worker:
    """One worker; orders are answered one at a time."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process = process
        self._name = name

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, order: Mapping[str, Any], timeout_s: float = 120.0) -> dict[str, Any]:
        """Give an order and wait for its answer. Raises WorkerFault."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(orjson.dumps(order) + b"\n")
        await stdin.drain()
        try:
            line = await asyncio.wait_for(stdout.readline(), timeout_s)
        except TimeoutError:
            raise WorkerFault(f"{self._name} did not answer within {timeout_s:.0f} seconds") from None
        if not line:
            raise WorkerFault(f"{self._name} ended by itself")
        answer: dict[str, Any] = orjson.loads(line)
        if "fault" in answer:
            raise WorkerFault(answer["fault"])
        return answer


@asynccontextmanager
async def started(
    module: str, arguments: Sequence[str] = (), *, cores: frozenset[int] | None = None
) -> AsyncIterator[Worker]:
    """`python -m module arguments…` on these cores; ended when the block is left."""
    with pinned(cores):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_BYTES,
            start_new_session=True,  # Ctrl-C is ours to hear
        )  # fmt: skip
    try:
        yield Worker(process, module)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
