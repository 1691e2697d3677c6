"""Work that comes back: run, wait, run again, whatever became of it, until stopped."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from identity_core.logs import allow_fields
from identity_core.tasks import end_task
from identity_core.web.unavailable import as_unavailable

log = structlog.get_logger("scim.periodic")
allow_fields("work", "error")


class Periodic:
    """Runs `work` every `pause` seconds in the background, the first time after one pause. Faults are logged."""

    def __init__(self, name: str, work: Callable[[], Awaitable[object]], *, pause: float) -> None:
        self._name, self._work, self._pause = name, work, pause
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """A transaction under way is rolled back or committed, never half done."""
        await end_task(self._task)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            try:
                await self._work()
            except Exception as fault:
                # The next run tries again.
                if as_unavailable(fault) is None:
                    log.exception("periodic.broken", work=self._name)
                else:
                    log.warning("periodic.failed", work=self._name, error=type(fault).__name__)
