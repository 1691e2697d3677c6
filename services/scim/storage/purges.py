"""What is past its time in the schema: idempotency records after their expiry, events after their retention."""

from datetime import timedelta

from identity_core.db import Pool, transaction
from identity_core.telemetry import store_span
from scim.storage import statements

_PURGE_LOCK = 0x5C14_0001
"""The advisory lock of whoever purges the directory."""


class Purges:
    """Each call is one short transaction of at most `batch` rows, under the purgers' lock; two statements."""

    def __init__(self, pool: Pool, *, batch: int = 500) -> None:
        self.batch = batch
        self._pool = pool

    async def idempotency(self) -> int | None:
        """How many expired records were removed; None while another process purges."""
        return await self._purge("postgres.purge_idempotency", statements.PURGE_IDEMPOTENCY, self.batch)

    async def events(self, retention: timedelta) -> int | None:
        """How many events older than `retention` were removed; None while another process purges."""
        return await self._purge("postgres.purge_events", statements.PURGE_EVENTS, self.batch, retention)

    async def _purge(self, name: str, statement: str, *arguments: object) -> int | None:
        with store_span(name):
            async with transaction(self._pool) as connection:
                if not await connection.fetchval(statements.TRY_LOCK, _PURGE_LOCK):
                    return None
                tag = await connection.execute(statement, *arguments)
        return int(tag.rpartition(" ")[2])
