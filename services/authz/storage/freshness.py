"""A cache that is never older than its age: bounded, single-flight, and without an answer when the load fails."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from identity_core.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_AGE_S = 1.0


class FreshCache(Generic[K, V]):
    """`load(key)` at most once per key and `max_age_s`, however many ask at a time.

    None is a value like any other, so names that do not exist cost one load a second too. Beyond `max_entries` the
    one that was not asked for longest goes. A load that raises is not kept: whoever waited for it gets the error.
    """

    def __init__(
        self,
        load: Callable[[K], Awaitable[V]],
        clock: Clock,
        *,
        max_entries: int = 4096,
        max_age_s: float = MAX_AGE_S,
    ) -> None:
        self._load = load
        self._clock = clock
        self._max_entries = max_entries
        self._max_age_s = max_age_s
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._loading: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K) -> V:
        """The value, as of at most `max_age_s` ago."""
        kept = self._kept.get(key)
        if kept is not None and self._clock.monotonic() - kept[0] < self._max_age_s:
            self._kept.move_to_end(key)
            return kept[1]
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.create_task(self._fresh(key))
        # A caller that goes away must not take the load with it: others wait for it.
        return await asyncio.shield(task)

    def forget(self) -> None:
        """Drop everything, so that the next look is at the database."""
        self._kept.clear()

    async def _fresh(self, key: K) -> V:
        try:
            # Measured before the load: what is read is at least this old.
            started = self._clock.monotonic()
            value = await self._load(key)
            self._kept[key] = (started, value)
            self._kept.move_to_end(key)
            while len(self._kept) > self._max_entries:
                self._kept.popitem(last=False)
            return value
        finally:
            self._loading.pop(key, None)
