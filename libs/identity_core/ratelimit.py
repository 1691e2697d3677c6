"""Rate limits by the generic cell rate algorithm: one Lua call a limit, all limits of a request in one round trip.

The only clock is Redis's own. What is asked is consumed before the work it guards, so a failed, cancelled or
crashed request has still been counted. A store fault is raised: a limiter that cannot count does not say yes.
"""

import hashlib
import math
from dataclasses import dataclass
from importlib.resources import files
from uuid import UUID

from identity_core import ids
from identity_core.redis import Script
from identity_core.redis_batch import ScriptCall, batch
from identity_core.session_store.follower import Follower

_GCRA = Script("gcra", files("identity_core").joinpath("gcra.lua").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Limit:
    """`burst` at once and one more each `per_seconds`, for one `key` of one kind (`name`, e.g. `password.account`).

    The key is hashed before it becomes a Redis key: an account or address is never stored clear.
    """

    name: str
    key: str
    per_seconds: float
    burst: int


@dataclass(frozen=True, slots=True)
class Allowed:
    """Go on."""


@dataclass(frozen=True, slots=True)
class Limited:
    """Refused by the limit `name`; whole seconds until asking again makes sense (at least 1)."""

    retry_after_s: int
    name: str


class RateLimiter:
    """Counts in the same Redis as the sessions, without their lease: a counter needs no ledger."""

    def __init__(self, follower: Follower, *, offset_ms: int = 0) -> None:
        self._follower = follower
        self._offset_ms = offset_ms

    async def take(self, tenant: UUID, *limits: Limit, cost: int = 1) -> Allowed | Limited:
        """Consume `cost` from every limit; the longest refusal wins. One round trip.

        A limit that refuses is not consumed; the others are, so an attack on one account still counts by address.
        """
        replies = await batch(
            self._follower.redis,
            *(
                ScriptCall(
                    _GCRA,
                    [_key(tenant, limit)],
                    [self._offset_ms, round(limit.per_seconds * 1_000_000), limit.burst, cost],
                )
                for limit in limits
            ),
        )
        refused = [(reply, limit.name) for reply, limit in zip(replies, limits, strict=True) if reply > 0]
        if not refused:
            return Allowed()
        wait_us, name = max(refused)
        return Limited(max(1, math.ceil(wait_us / 1_000_000)), name)


def _key(tenant: UUID, limit: Limit) -> str:
    digest = hashlib.sha256(f"{limit.name}\0{limit.key}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{ids.short(tenant)}:{{{digest}}}:r"
