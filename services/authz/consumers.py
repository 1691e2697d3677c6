"""What authz does when something has happened elsewhere. Each handler is safe to repeat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from identity_core.db import Connection, Pool
from identity_core.events import Consumer, Handle, StoredEvent

USER_DELETED: Final = "scim.user_deleted.v1"

Forget = Callable[[Connection, UUID, UUID], Awaitable[None]]


def credentials_consumer(pool: Pool, forget: Forget) -> Consumer:
    """Follows the directory: a deleted person's credentials and consents go too (their epoch rose at the deletion).

    `forget(connection, tenant, user)` deletes them in the transaction that moves the cursor.
    """
    return Consumer(pool, schema="authz", name="authz.credentials", source="directory", handle=_forgetting(forget))


def _forgetting(forget: Forget) -> Handle:
    async def handle(connection: Connection, event: StoredEvent) -> None:
        if event.type == USER_DELETED:
            await forget(connection, event.tenant, UUID(event.aggregate_id))

    return handle
