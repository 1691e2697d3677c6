"""`python -m load.generator`: one JSON order per line on standard input, one JSON answer per line on standard output.

    {"do": "prepare", "job": {…}}   → {"ready": true}
    {"do": "run", "seconds": 2}     → {"operations", "requests", "bad", "faults", "wall_s"}
    {"do": "verify"}                → the same
A fault is {"fault": "one sentence"}; the process goes on.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import orjson
import uvloop

from load.generator.jobs import walks_of
from load.generator.runner import GeneratorFault, Runner, Tally


class Desk:
    """Takes the orders; holds the job that is prepared."""

    def __init__(self) -> None:
        self._runner: Runner | None = None

    async def answer(self, order: dict[str, Any]) -> dict[str, Any]:
        """Do what is ordered. Raises GeneratorFault."""
        if order["do"] == "prepare":
            if self._runner is not None:
                self._runner.close()
            job = order["job"]
            self._runner = Runner(job["host"], job["port"], walks_of(job))
            await self._runner.prepare()
            return {"ready": True}
        if self._runner is None:
            raise GeneratorFault("nothing is prepared")
        started = time.monotonic()
        tally = await (self._runner.run(order["seconds"]) if order["do"] == "run" else self._runner.verify())
        return _as_json(tally) | {"wall_s": time.monotonic() - started}


def _as_json(tally: Tally) -> dict[str, Any]:
    return {
        "operations": tally.operations,
        "requests": tally.requests,
        "bad": tally.bad,
        "faults": dict(tally.faults),
    }


async def main() -> None:
    """Until standard input ends."""
    desk = Desk()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        try:
            answer = await desk.answer(orjson.loads(line))
        except GeneratorFault as fault:
            answer = {"fault": str(fault)}
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
