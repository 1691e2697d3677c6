"""The purger: removes what is past its time, in small batches, one process at a time."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from identity_core import metrics
from identity_core.telemetry import root_span
from scim.storage.purges import Purges

ROUNDS = 100
"""Batches of one kind in one run, so that a great many events never keep the records waiting."""

PURGED = metrics.counter("gatehouse_scim_purged_total", "Rows of the directory removed after their time.", ("kind",))


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rows one run removed."""

    idempotency: int = 0
    events: int = 0


class Purger:
    """`run_once` is one run; whoever finds another process at it leaves the rest to that one."""

    def __init__(self, purges: Purges, *, event_retention: timedelta) -> None:
        self._purges = purges
        self._event_retention = event_retention

    async def run_once(self) -> Purged:
        """Store faults are raised: what was removed until then is removed."""
        with root_span("directory purge"):
            return Purged(
                idempotency=await self._all("idempotency", self._purges.idempotency),
                events=await self._all("event", lambda: self._purges.events(self._event_retention)),
            )

    async def _all(self, kind: str, purge: Callable[[], Awaitable[int | None]]) -> int:
        total = 0
        for _ in range(ROUNDS):
            removed = await purge()
            if removed is None:
                break
            total += removed
            PURGED.labels(kind).inc(removed)
            if removed < self._purges.batch:
                break
        return total
