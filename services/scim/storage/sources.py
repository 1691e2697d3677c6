"""Sources (HR systems, identity providers) and their tokens, of which only hashes are kept."""

from datetime import datetime
from uuid import UUID

from identity_core.db import Connection, Pool, retry_on_stale_plan
from identity_core.ids import uuid7
from identity_core.secrets import parse_source_token, sha256, source_token
from identity_core.telemetry import store_span
from scim.ports import Caller
from scim.storage import statements
from scim.storage.unit_of_work import reading


class SourceTokens:
    """Port `Sources`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._used: set[bytes] = set()

    async def caller_of(self, token: str) -> Caller | None:
        """The source behind `token`; None when it is unknown, expired, or its source or tenant is not active.

        One statement, and none for what has not the form of a token.
        """
        if parse_source_token(token) is None:
            return None
        digest = sha256(token)

        async def work() -> Caller | None:
            async with reading(self._pool) as connection:
                row = await connection.fetchrow(statements.CALLER_OF_TOKEN, digest)
            if row is None:
                return None
            if row["use_is_news"]:
                self._used.add(digest)
            return Caller(row["tenant"], row["slug"], "source", str(row["id"]), row["id"])

        with store_span("postgres.caller_of_token"):
            return await retry_on_stale_plan(work)

    async def note_uses(self) -> None:
        """Set `last_used_at` of the tokens used since the last call, of each at most once a minute.

        One statement, none when there is nothing to note. It is no part of any request: what a fault loses, the next
        use of the token brings back.
        """
        used, self._used = self._used, set()
        if used:
            with store_span("postgres.note_token_uses"):
                async with reading(self._pool) as connection:
                    await connection.execute(statements.NOTE_TOKEN_USES, list(used))


async def create_source(
    connection: Connection, tenant: UUID, name: str, *, expires_at: datetime | None = None
) -> tuple[UUID, str]:
    """A new source with its first token: (source id, token). The token is not kept and cannot be shown again.

    Raises asyncpg.UniqueViolationError when the tenant has a source of that name. Two statements, in the caller's
    transaction.
    """
    source_id, token = uuid7(), source_token()
    await connection.execute(statements.INSERT_SOURCE, tenant, source_id, name)
    await connection.execute(statements.INSERT_SOURCE_TOKEN, sha256(token), tenant, source_id, uuid7(), expires_at)
    return source_id, token
