"""The purger: removes what nobody can use any more, in the background of the service."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from authz.storage.purging import BATCH, Busy, Purges
from identity_core.metrics import counter
from identity_core.tasks import end_task
from identity_core.telemetry import root_span
from identity_core.web.unavailable import as_unavailable

ROUNDS: Final = 50
"""Batches of one kind in one run, so that a great many never keep the others waiting."""

log = structlog.get_logger("authz.purger")

_PURGED: Final = counter("gatehouse_authz_purged_total", "Rows removed after their time, by kind.", ("kind",))
_RUNS: Final = counter("gatehouse_authz_purges_total", "Runs of the purger, by outcome.", ("outcome",))


class Purger:
    """Runs every `pause_s` seconds until stopped. `run_once` is one run."""

    def __init__(self, purges: Purges, *, pause_s: float) -> None:
        self._pause_s = pause_s
        self._kinds = {
            "refresh_family": purges.purge_families,
            "grant": purges.purge_grants,
            "event": purges.purge_events,
        }
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Purge in the background, the first time after one pause."""
        self._task = asyncio.create_task(self._run(), name="authz purger")

    async def stop(self) -> None:
        """End purging; a batch under way is rolled back or committed, never half done."""
        await end_task(self._task)

    async def run_once(self) -> dict[str, int]:
        """One run; how many rows of each kind are gone. Raises Busy while another process purges, and store faults."""
        gone = dict.fromkeys(self._kinds, 0)
        with root_span("authz purge"):
            for kind, purge in self._kinds.items():
                for _ in range(ROUNDS):
                    gone[kind] += (removed := await purge())
                    _PURGED.labels(kind).inc(removed)
                    if removed < BATCH:
                        break
        return gone

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._pause_s)
            outcome = "done"
            try:
                await self.run_once()
            except Busy:
                outcome = "busy"
            except Exception as fault:
                # The next run tries again.
                outcome = "failed"
                if as_unavailable(fault) is None:
                    log.exception("purger.broken")
                else:
                    log.warning("purger.failed", error=type(fault).__name__)
            _RUNS.labels(outcome).inc()
