"""Implements `sessions.ports.Live`: what Redis holds of sessions, for many of them in one round trip."""

from collections.abc import Sequence
from datetime import UTC, datetime

from identity_core.redis_batch import batch
from identity_core.session_store import Follower, keys
from identity_core.telemetry import store_span
from sessions.ports import LiveKey


class LiveSessions:
    """See `sessions.ports.Live`."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    async def seen(self, keys_: Sequence[LiveKey]) -> list[datetime | None]:
        if not keys_:
            return []
        self._follower.require()
        names = [keys.session(keys.slot(key.tenant, key.tag), key.session_id) for key in keys_]
        with store_span("redis.last_seen"):
            replies = await batch(self._follower.redis, *(("HGET", name, "l") for name in names))
        # The answers count only if they were still covered when the last of them had come.
        self._follower.require()
        return [None if reply is None else datetime.fromtimestamp(int(reply) / 1000, UTC) for reply in replies]
