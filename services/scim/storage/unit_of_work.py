"""One unit of work: one connection, one commit, and the ends written in it confirmed before the caller goes on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from identity_core.db import ACQUIRE_TIMEOUT_S, Connection, Pool, transaction
from identity_core.ids import uuid7
from identity_core.session_store import LedgerEntry, Revoker
from scim.storage import statements


class UnitOfWork:
    """The open transaction. `end_user` is called last in it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.ended: list[LedgerEntry] = []

    async def end_user(self, tenant: UUID, actor: str, user_id: UUID, reason: str) -> None:
        """Everything ever issued to the user ends with the commit."""
        epoch = await self.connection.fetchval(statements.REVOKE_USER, tenant, actor, str(user_id), reason, uuid7())
        self.ended.append(LedgerEntry(tenant, "user", str(user_id), epoch))

    async def end_user_again(self, tenant: UUID, user_id: UUID) -> None:
        """Confirm once more an end that an earlier request committed: its process may have died before it could."""
        epoch = await self.connection.fetchval(statements.USER_EPOCH, tenant, str(user_id))
        if epoch is not None:
            self.ended.append(LedgerEntry(tenant, "user", str(user_id), epoch))


@asynccontextmanager
async def unit_of_work(pool: Pool, revoker: Revoker) -> AsyncIterator[UnitOfWork]:
    """BEGIN, the body, COMMIT; then, before control returns, every end of the body is true everywhere."""
    async with transaction(pool) as connection:
        unit = UnitOfWork(connection)
        yield unit
    await revoker.confirm(unit.ended)


@asynccontextmanager
async def reading(pool: Pool) -> AsyncIterator[Connection]:
    """A connection for one statement, which is a transaction of its own."""
    async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
        yield connection
