"""Ending background tasks for sure.

A cancellation may be swallowed on its way: `asyncio.wait_for` does so until Python 3.12 when its time runs out or its
work ends in the same tick, and drivers use it. A task cancelled once then goes on for ever, and whoever waits for its
end with it.
"""

import asyncio
import contextlib

_AGAIN_S = 0.25


async def end_task(task: asyncio.Task[None] | None) -> None:
    """Cancel `task`, again if need be, and wait until it has ended. Its own last error is not raised."""
    if task is None:
        return
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_AGAIN_S)
    with contextlib.suppress(asyncio.CancelledError, Exception):
        task.result()
