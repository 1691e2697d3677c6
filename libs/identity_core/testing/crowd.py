"""Several processes doing one thing at the same moment: for races that one event loop cannot show.

A worker is an async function `work(*arguments) -> list` in an importable module; each process imports it by name,
says that it is ready, waits for the word and answers with JSON.
"""

import asyncio
import importlib
import json
import sys
from typing import Any


async def crowd(work: str, *arguments: str, processes: int = 4) -> list[Any]:
    """Run `work` (`module:function`) in `processes` processes at once; the concatenation of what each answered.

    Raises RuntimeError with the end of its stderr when a worker fails.
    """
    workers = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "identity_core.testing.crowd", work, str(number), *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for number in range(processes)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            if await worker.stdout.readline() != b"ready\n":
                raise RuntimeError((await worker.communicate())[1].decode()[-2000:])
        answers = await asyncio.gather(*(worker.communicate(b"go\n") for worker in workers))
    finally:
        for worker in workers:
            if worker.returncode is None:
                worker.kill()
    results: list[Any] = []
    for worker, (out, err) in zip(workers, answers, strict=True):
        if worker.returncode:
            raise RuntimeError(err.decode()[-2000:])
        results += json.loads(out)
    return results


async def wait_for_word() -> None:
    """Called by a worker when everything is connected: tells the crowd, returns when all may go."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


def main() -> None:
    module, _, function = sys.argv[1].partition(":")
    work = getattr(importlib.import_module(module), function)
    print(json.dumps(asyncio.run(work(int(sys.argv[2]), *sys.argv[3:]))))


if __name__ == "__main__":
    main()
