"""Keeps some connections busy, each with a walk of its own, for as long as it is told to."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from load.generator.walks import DONE, Judge, Walk, Wrong
from load.generator.wire import Response, ResponseReader, WireFault

_ANSWER_SECONDS = 30.0
_FAULTS_KEPT = 5
_GIVE_UP_AFTER = 50


class GeneratorFault(Exception):
    """The measurement cannot be made; one sentence."""


@dataclass
class Tally:
    """What came of a run. `faults` counts what was wrong, in a few different sentences."""

    operations: int = 0
    requests: int = 0
    bad: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    def wrong(self, why: str) -> None:
        """One more wrong answer."""
        self.bad += 1
        if why in self.faults or len(self.faults) < _FAULTS_KEPT:
            self.faults[why] += 1


class Connection(asyncio.Protocol):
    """One connection: the next request goes out when the answer to the last one is in."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.tally = Tally()
        self._until = 0.0
        self._judge: Judge | None = None
        self._idle: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._reader = ResponseReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport, self._reader = cast(asyncio.Transport, transport), ResponseReader()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._idle is not None and not self._idle.done():
            self._lost()

    @property
    def open(self) -> bool:
        return self._transport is not None

    def prime(self) -> asyncio.Future[None]:
        """Work until the walk can be measured."""
        self._until = float("-inf")
        return self._begin(None if self.walk.primed else self.walk.next())

    def work(self, until: float) -> asyncio.Future[None]:
        """Work until `until` (monotonic); what has begun by then is finished."""
        self._until = until
        return self._begin(self.walk.next())

    def ask(self, request: bytes, judge: Judge) -> asyncio.Future[None]:
        """Send one request apart from the walk and judge its answer."""
        self._judge = judge
        return self._begin(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        try:
            for response in self._reader.feed(data):
                self._answered(response)
        except WireFault as fault:
            self.tally.wrong(f"wire: {fault}")
            self.close()

    def _begin(self, request: bytes | None) -> asyncio.Future[None]:
        self._idle = asyncio.get_running_loop().create_future()
        if request is None:
            self._idle.set_result(None)
        else:
            self._send(request)
        return self._idle

    def _send(self, request: bytes) -> None:
        if self._transport is None:
            self._lost()
            return
        self.tally.requests += 1
        self._transport.write(request)

    def _answered(self, response: Response) -> None:
        if self._idle is None or self._idle.done():
            self.tally.wrong("an answer nobody asked for")
            return
        if self._judge is not None:
            judge, self._judge = self._judge, None
            if (wrong := judge(response)) is not None:
                self.tally.wrong(wrong.why)
            self._idle.set_result(None)
            return
        priming = not self.walk.primed
        outcome = self.walk.take(response)
        if isinstance(outcome, Wrong):
            self.tally.wrong(outcome.why)
            self.walk.reset()
        elif outcome is DONE and not priming:
            self.tally.operations += 1
        self._go_on(paused=outcome is DONE or isinstance(outcome, Wrong))

    def _go_on(self, *, paused: bool) -> None:
        """The next request, unless the time is up and no operation is under way."""
        assert self._idle is not None
        over = self.walk.primed and time.monotonic() >= self._until
        if (paused and over) or self.tally.bad >= _GIVE_UP_AFTER:
            self._idle.set_result(None)
        else:
            self._send(self.walk.next())

    def _lost(self) -> None:
        self.tally.wrong("the connection was closed")
        self.walk.reset()
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)


class Runner:
    """All connections of one job."""

    def __init__(self, host: str, port: int, walks: Sequence[Walk]) -> None:
        self._address = (host, port)
        self._connections = [Connection(walk) for walk in walks]

    async def prepare(self) -> None:
        """Connect and prime every walk. Raises GeneratorFault."""
        await self._connect()
        await self._all([connection.prime() for connection in self._connections])
        tally = self._tally()
        if tally.bad or not all(connection.walk.primed for connection in self._connections):
            raise GeneratorFault(f"preparing went wrong: {_said(tally) or 'not every walk was primed'}")

    async def run(self, seconds: float) -> Tally:
        """Keep all connections busy for `seconds`. Raises GeneratorFault when an answer stays away."""
        await self._connect()
        until = time.monotonic() + seconds
        await self._all([connection.work(until) for connection in self._connections], seconds)
        return self._tally()

    async def verify(self) -> Tally:
        """Send what must be refused now; `operations` counts what was asked."""
        asked = 0
        for connection in self._connections:
            for request, judge in connection.walk.replays():
                asked += 1
                await self._all([connection.ask(request, judge)])
        tally = self._tally()
        tally.operations = asked
        return tally

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        host, port = self._address
        for connection in self._connections:
            if not connection.open:
                try:
                    await loop.create_connection(lambda c=connection: c, host, port)  # type: ignore[misc]
                except OSError as error:
                    raise GeneratorFault(f"{host}:{port} cannot be reached: {error.strerror}") from error

    async def _all(self, waits: Sequence[asyncio.Future[None]], seconds: float = 0.0) -> None:
        _, late = await asyncio.wait(waits, timeout=seconds + _ANSWER_SECONDS)
        if late:
            raise GeneratorFault(f"{len(late)} connections were not done after {_ANSWER_SECONDS:.0f} seconds more")

    def _tally(self) -> Tally:
        """The sum over all connections, which begin anew."""
        total = Tally()
        for connection in self._connections:
            mine, connection.tally = connection.tally, Tally()
            total.operations += mine.operations
            total.requests += mine.requests
            total.bad += mine.bad
            total.faults.update(mine.faults)
        return total


def _said(tally: Tally) -> str:
    return "; ".join(f"{why} ({count}×)" for why, count in tally.faults.most_common())
