"""The sweeper: closes the rows of sessions that ended without anybody saying so, and purges what is past its time.

* past the absolute end: `expired`;
* stamped below a raised epoch of their user or tenant: `revoked` (the epoch ended them, this closes the row);
* no Redis record although a minute old: `idle`, with a ledger row, so that nothing brings it back.

One process at a time, in short transactions; every end writes exactly one event, through `sessions.end_v1`.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from identity_core.clock import Clock
from identity_core.faults import LeaseLost
from identity_core.session_store import Revoker
from identity_core.tasks import end_task
from identity_core.telemetry import root_span
from identity_core.web.unavailable import as_unavailable
from sessions import metrics
from sessions.ports import Live
from sessions.protocol.listing import SETTLED
from sessions.storage.sweep_statements import BATCH
from sessions.storage.sweeps import Busy, Due, Sweeps, Walked, Writer

log = structlog.get_logger("sessions.sweeper")

START = Due(UUID(int=0), UUID(int=0))
ROUNDS = 50
"""Batches of one kind in one run: 10,000 rows, so that a great many never keep the others waiting."""
_NAME = re.compile(r"[^A-Za-z0-9 ._:/-]")


@dataclass(frozen=True, slots=True)
class Swept:
    """How many rows one run closed, by reason, and removed."""

    expired: int = 0
    revoked: int = 0
    idle: int = 0
    purged_sessions: int = 0
    purged_events: int = 0
    purged_ledger: int = 0


class Sweeper:
    """Runs every `pause` seconds until stopped. `run_once` is one run."""

    def __init__(
        self,
        sweeps: Sweeps,
        live: Live,
        revoker: Revoker,
        clock: Clock,
        *,
        pause: float,
        ended_retention: timedelta,
        event_retention: timedelta,
    ) -> None:
        self._sweeps, self._live, self._revoker, self._clock = sweeps, live, revoker, clock
        self._pause = pause
        self._retentions = (ended_retention, event_retention)
        self._horizon: str | None = None
        self._position = START
        self._met = 0
        self._writer: tuple[Writer, float] | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Sweep in the background, the first time after one pause."""
        self._task = asyncio.create_task(self._run(), name="session sweeper")

    async def stop(self) -> None:
        """End sweeping; a batch under way is rolled back or committed, never half done."""
        self._stopping = True
        await end_task(self._task)

    async def run_once(self) -> Swept:
        """One run over everything that is due. Raises Busy while another process sweeps, and store faults."""
        with root_span("sessions sweep"):
            expired = await self._expired()
            revoked = await self._raised()
            walked_revoked, idle = await self._walk()
            sessions = await self._sweeps.purge_sessions(self._retentions[0])
            purged = await self._sweeps.purge_events(self._retentions[1])
            ledger = await self._sweeps.purge_ledger()
        swept = Swept(expired, revoked + walked_revoked, idle, sessions, purged, ledger)
        for reason in ("expired", "revoked", "idle"):
            metrics.SWEPT.labels(reason).inc(getattr(swept, reason))
        metrics.PURGED.labels("session").inc(sessions)
        metrics.PURGED.labels("event").inc(purged)
        metrics.PURGED.labels("ledger").inc(ledger)
        return swept

    async def look_for_writer(self) -> None:
        """Measure the transaction that holds back the ledger's horizon, from when it was first met here."""
        writer = await self._sweeps.oldest_writer()
        now = self._clock.monotonic()
        known = self._writer
        if writer is None:
            self._writer = None
            metrics.show_oldest_writer(0, "", 0)
            return
        since = known[1] if known and known[0] == writer else now
        self._writer = (writer, since)
        # Whoever connects chooses this name: it is shown without what might be more than a name.
        name = _NAME.sub("", writer.application_name)[:64]
        metrics.show_oldest_writer(writer.pid, name, now - since if now - since > 1 else 0)

    async def _run(self) -> None:
        while not self._stopping:
            await asyncio.sleep(self._pause)
            outcome = "done"
            try:
                await self.look_for_writer()
                await self.run_once()
            except Busy:
                outcome = "busy"
            except Exception as fault:
                # The next run tries again; nothing is decided by a sweep that did not happen.
                outcome = "failed"
                if as_unavailable(fault) is None:
                    log.exception("sweeper.broken")
                else:
                    log.warning("sweeper.failed", error=type(fault).__name__)
            metrics.SWEEPS.labels(outcome).inc()

    async def _expired(self) -> int:
        total = 0
        for _ in range(ROUNDS):
            total += (closed := await self._sweeps.end_expired())
            if closed < BATCH:
                break
        return total

    async def _raised(self) -> int:
        """The rows of people and tenants whose epoch was raised since the last run; the walk finds older ones."""
        if self._horizon is None:
            self._horizon = await self._sweeps.horizon()
            return 0
        raised = await self._sweeps.raised(self._horizon)
        total = 0
        for start in range(0, len(raised.users), BATCH):
            users = raised.users[start : start + BATCH]
            while due := await self._sweeps.ruled_of_users(users):
                total += (closed := await self._sweeps.end_ruled(due))
                if len(due) < BATCH or not closed:
                    break
        for tenant in raised.tenants:
            due = await self._sweeps.ruled_of_tenant(tenant)
            while due:
                total += await self._sweeps.end_ruled(due)
                due = await self._sweeps.ruled_of_tenant(tenant, due[-1].id) if len(due) == BATCH else []
        self._horizon = raised.horizon
        return total

    async def _walk(self) -> tuple[int, int]:
        """On along all live rows, beginning anew after the last one."""
        revoked = idle = 0
        for _ in range(ROUNDS):
            rows = await self._sweeps.walk(self._position, SETTLED)
            closed_revoked, closed_idle = await self._judge(rows)
            revoked, idle = revoked + closed_revoked, idle + closed_idle
            self._met += len(rows) - closed_revoked - closed_idle
            if len(rows) < BATCH:
                metrics.LIVE.set(self._met)
                self._position, self._met = START, 0
                break
            self._position = Due(rows[-1].key.tenant, rows[-1].key.session_id)
        return revoked, idle

    async def _judge(self, rows: Sequence[Walked]) -> tuple[int, int]:
        ruled = [Due(row.key.tenant, row.key.session_id) for row in rows if row.ruled]
        revoked = await self._sweeps.end_ruled(ruled) if ruled else 0
        candidates = [row.key for row in rows if row.settled and not row.ruled]
        try:
            seen = await self._live.seen(candidates)
        except LeaseLost:
            # Without the lease Redis' silence says nothing about a session.
            return revoked, 0
        gone = [Due(key.tenant, key.session_id) for key, at in zip(candidates, seen, strict=True) if at is None]
        if not gone:
            return revoked, 0
        entries = await self._sweeps.end_idle(gone)
        await self._revoker.confirm(entries)
        return revoked, len([entry for entry in entries if entry.kind == "session"])
