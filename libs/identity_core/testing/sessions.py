"""A session store on real servers, with the directory's and the ledger's side at hand: for tests of revocation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from identity_core.clock import Clock, SystemClock
from identity_core.contracts.stamps import Binding, Stamps
from identity_core.db import Pool, create_pool
from identity_core.ids import uuid7
from identity_core.secrets import random_token, sha256
from identity_core.session_store import (
    Created,
    CreateRefused,
    Dead,
    Follower,
    LedgerEntry,
    NewSession,
    Revoker,
    SessionStore,
    StandingQuery,
    judge,
    ledger_key,
)

TENANT = UUID("00000000-0000-7000-8000-000000000001")
TAG_KEY = b"tag key of the tests: 32 bytes.."
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Login:
    """One signed-in browser: what its cookie would carry."""

    user_id: UUID
    session_id: UUID
    secret: str
    stamps: Stamps


class Rig:
    """Opens, reads and revokes sessions as the services do: PostgreSQL first, then Redis."""

    def __init__(self, pool: Pool, follower: Follower, store: SessionStore) -> None:
        self.pool, self.follower, self.store = pool, follower, store
        self.revoker = Revoker(follower)

    async def evidence(self, user_id: UUID) -> Stamps:
        """The epochs a login reads together with the password hash."""
        rows = await self.pool.fetch(
            "SELECT kind, epoch FROM sessions.ledger_v1 "
            "WHERE tenant = $1 AND (kind, key) IN (('tenant', ''), ('user', $2))",
            TENANT,
            str(user_id),
        )
        epochs = {row["kind"]: row["epoch"] for row in rows}
        return Stamps(epochs.get("tenant", 0), 0, epochs.get("user", 0))

    async def open(
        self, user_id: UUID, stamps: Stamps, *, limit: int | None = None, idle_ms: int = HOUR_MS
    ) -> Login | CreateRefused:
        """The end of a login: the row, the Redis record, and the ends of whom the limit evicted."""
        session_id, secret = uuid7(), random_token()
        tag = self.store.tag(TENANT, user_id)
        end = datetime.now(UTC) + timedelta(days=7)
        await self.pool.fetchval(
            "SELECT sessions.open_v1($1, $2, $3, $4, $5, $6, NULL, NULL, '{}', 'pwd', '{pwd}', now(), $7)",
            TENANT,
            session_id,
            user_id,
            tag,
            stamps.user,
            stamps.tenant,
            end,
        )
        made = await self.store.create(
            NewSession(
                tenant=TENANT,
                session_id=session_id,
                user_id=user_id,
                tag=tag,
                secret_hash=sha256(secret),
                user_epoch=stamps.user,
                tenant_epoch=stamps.tenant,
                auth_time_ms=int(datetime.now(UTC).timestamp() * 1000),
                acr="pwd",
                amr=("pwd",),
                idle_ms=idle_ms,
                absolute_end_ms=int(end.timestamp() * 1000),
                limit=limit,
            )
        )
        if isinstance(made, CreateRefused):
            await self.end(session_id, reason="refused")
            return made
        for evicted in made.evicted:
            await self.end(evicted, reason="limit")
        return Login(user_id, session_id, secret, stamps)

    async def sign_in(self, user_id: UUID, **options: int) -> Login:
        """Evidence and opening in one go, expected to succeed."""
        login = await self.open(user_id, await self.evidence(user_id), **options)
        assert isinstance(login, Login), login
        return login

    async def verdict(self, login: Login, *, grant_id: UUID | None = None, offline: bool = False) -> Dead | None:
        """What every endpoint asks before it accepts."""
        tag = self.store.tag(TENANT, login.user_id)
        facts = await self.store.read(
            StandingQuery(TENANT, tag, login.user_id, "client", login.session_id, grant_id, "jti")
        )
        return judge(facts, Binding(tag, login.stamps, login.session_id, grant_id, offline))

    async def end(self, session_id: UUID, *, reason: str, deep: bool = False) -> None:
        """End one session as an administrator (`deep`) or a logout does."""
        await self.pool.execute(
            "SELECT sessions.end_v1($1, $2, $3, 'test', $4, $5)", TENANT, session_id, reason, uuid7(), deep
        )
        await self.revoker.confirm(await self.entries_of(session_id))

    async def entries_of(self, session_id: UUID) -> list[LedgerEntry]:
        """The ledger rows of one session and of its grants."""
        rows = await self.pool.fetch(
            "SELECT tenant, kind, key, epoch, (extract(epoch FROM until) * 1000)::bigint AS until_ms "
            "FROM sessions.ledger_v1 WHERE tenant = $1 AND kind IN ('session', 'grant') AND right(key, 36) = $2",
            TENANT,
            str(session_id),
        )
        return [LedgerEntry(*row.values()) for row in rows]

    async def commit_revocation(self, kind: str, key: str) -> LedgerEntry:
        """Write the ledger row and stop there, as a revoker that dies right after its commit."""
        epoch = await self.pool.fetchval(
            "SELECT sessions.revoke_v1($1, 'test', $2, $3, 'test', $4)", TENANT, kind, key, uuid7()
        )
        return LedgerEntry(TENANT, kind, key, epoch)

    async def revoke(self, kind: str, key: str) -> None:
        """The whole revocation: committed, then true everywhere."""
        await self.revoker.confirm([await self.commit_revocation(kind, key)])

    async def revoke_user(self, user_id: UUID) -> None:
        await self.revoke("user", str(user_id))

    async def revoke_grant(self, user_id: UUID, grant_id: UUID) -> None:
        await self.revoke("grant", ledger_key(self.store.tag(TENANT, user_id), str(grant_id)))

    async def wait_fresh(self, seconds: float = 15.0) -> None:
        """Until the lease holds again (the time is a bound for a hung test, not a measure)."""
        await self.follower.wait_fresh(seconds)

    async def wait_checks(self, count: int = 2) -> None:
        """Until `count` more complete checks have run."""
        target = self.follower.checks + count
        async with asyncio.timeout(30):
            while self.follower.checks < target:  # noqa: ASYNC110 - the follower has no event for tests
                await asyncio.sleep(0.02)


@asynccontextmanager
async def open_rig(
    database_url: str, redis_url: str, *, lease_seconds: float = 5.0, clock: Clock | None = None
) -> AsyncIterator[Rig]:
    """A rig on these servers; `database_url` is any role that may call the sessions functions (authz's)."""
    pool = await create_pool(database_url, size=8, name="rig")
    follower = Follower(redis_url, pool, tag_key=TAG_KEY, lease_seconds=lease_seconds)
    await follower.start()
    try:
        yield Rig(pool, follower, SessionStore(follower, tag_key=TAG_KEY, clock=clock or SystemClock()))
    finally:
        await follower.stop()
        await pool.close()


__all__ = ["TENANT", "Created", "Login", "Rig", "open_rig"]
