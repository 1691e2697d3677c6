"""What was answered under idempotency keys: kept in the transaction of the write, for HOURS_KEPT hours."""

import hashlib

import orjson

from identity_core.db import Connection, Pool, retry_on_stale_plan
from identity_core.secrets import same
from identity_core.telemetry import store_span
from scim.ports import Answer, Caller, Once
from scim.protocol.errors import ScimError
from scim.protocol.idempotency import HOURS_KEPT, in_progress, other_payload
from scim.storage import statements
from scim.storage.unit_of_work import reading


class IdempotencyRecords:
    """Port `Records`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def recall(self, caller: Caller, once: Once) -> Answer | ScimError | None:
        """What was answered; `other_payload` when that was another request; None for nothing. One statement."""

        async def work() -> Answer | ScimError | None:
            async with reading(self._pool) as connection:
                return await _recall(connection, caller, once)

        with store_span("postgres.idempotency_recall"):
            return await retry_on_stale_plan(work)


async def claim(connection: Connection, caller: Caller, once: Once) -> Answer | ScimError | None:
    """Take the key for this transaction: None when the work is ours to do. Two statements.

    The second reads after the lock was asked for, so it sees what a former holder committed: also one that was just
    about to let go of it, whose answer a retry gets rather than a 409.
    """
    ours = await connection.fetchval(statements.TRY_LOCK, _lock_number(caller, once.key))
    earlier = await _recall(connection, caller, once)
    return earlier if ours or earlier is not None else in_progress()


async def remember(connection: Connection, caller: Caller, once: Once, answer: Answer) -> None:
    """Keep `answer` under the key whose lock this transaction holds. One statement."""
    await connection.execute(
        statements.REMEMBER,
        caller.tenant,
        caller.key,
        once.key,
        once.fingerprint,
        answer.status,
        orjson.dumps(dict(answer.headers)).decode(),
        answer.body,
        HOURS_KEPT,
    )


async def _recall(connection: Connection, caller: Caller, once: Once) -> Answer | ScimError | None:
    row = await connection.fetchrow(statements.RECALL, caller.tenant, caller.key, once.key)
    if row is None:
        return None
    if not same(row["fingerprint"], once.fingerprint):
        return other_payload()
    return Answer(row["status"], orjson.loads(row["headers"]), row["body"])


def _lock_number(caller: Caller, key: str) -> int:
    """The key's advisory lock. Two keys on one number would only make one of them try again."""
    text = f"scim idempotency\0{caller.tenant}\0{caller.key}\0{key}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
