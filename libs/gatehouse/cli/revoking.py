"""A revoker for one command: it returns only when nobody accepts any more what the command has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from identity_core.db import Pool
from identity_core.session_store import Follower, Revoker
from identity_core.settings import ServiceSettings


@asynccontextmanager
async def follower_for(settings: ServiceSettings, pool: Pool) -> AsyncIterator[Follower]:
    """Follows the ledger while the command works, as every process does that speaks with Redis."""
    follower = Follower(settings.redis_url, pool, tag_key=settings.tag_key, lease_seconds=settings.lease_seconds)
    await follower.start()
    try:
        yield follower
    finally:
        await follower.stop()


@asynccontextmanager
async def revoker_for(settings: ServiceSettings, pool: Pool) -> AsyncIterator[Revoker]:
    """What spreads an end once it is committed."""
    async with follower_for(settings, pool) as follower:
        yield Revoker(follower)
