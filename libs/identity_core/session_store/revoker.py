"""The fast path of a revocation (rule 5): from the committed ledger row to "true everywhere"."""

import asyncio
import time
from collections.abc import Sequence

from redis.exceptions import RedisError

from identity_core.faults import StoreFault
from identity_core.session_store.follower import Follower
from identity_core.session_store.ledger import LedgerEntry, apply_entries

_AGAIN_S = 0.2


class Revoker:
    """Tells Redis what was committed, or waits until nobody can still serve the old state."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    async def confirm(self, entries: Sequence[LedgerEntry]) -> None:
        """Return once no process accepts what `entries` ended. Call it right after the commit, before answering.

        Normally one round trip. While Redis cannot be written it tries again, and returns after one lease: by then
        every process has either checked the ledger anew or answers 503. If the caller dies here, the others' next
        check finishes the work.
        """
        if not entries:
            return
        deadline = time.monotonic() + self._follower.lease_seconds
        while True:
            try:
                await apply_entries(self._follower.redis, self._follower.tag_key, entries)
            except (RedisError, StoreFault, OSError, TimeoutError):
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return
                await asyncio.sleep(min(_AGAIN_S, remaining))
            else:
                return
