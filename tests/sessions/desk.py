"""An administrator's desk: the application in process, and people who sign in, over real stores."""

import base64
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import asyncpg
import httpx
import orjson
from fastapi import FastAPI

from identity_core import jose
from identity_core.contracts.stamps import Binding, Stamps
from identity_core.db import Pool
from identity_core.ids import uuid7
from identity_core.secrets import random_token, sha256
from identity_core.session_store import Created, Dead, NewSession, SessionStore, StandingQuery, judge
from identity_core.settings import load
from identity_core.testing.keys import signing_key
from identity_core.testing.sessions import TAG_KEY, TENANT
from sessions.resources import Resources
from sessions.settings import SessionsSettings

ISSUER = "http://localhost:8000"
BASE = "http://localhost:8002"
OTHER_TENANT = UUID("00000000-0000-7000-8000-00000000000b")
ALL = "sessions:read sessions:revoke"

__all__ = ["ALL", "BASE", "ISSUER", "OTHER_TENANT", "TAG_KEY", "TENANT", "Desk", "Login", "new_desk", "settings_of"]


def settings_of(database_url: str, redis_url: str, **more: str) -> SessionsSettings:
    """As from the environment; the sweeper sleeps."""
    return load(
        SessionsSettings,
        {
            "GATEHOUSE_ENV": "development",
            "GATEHOUSE_SESSIONS_DATABASE_URL": database_url,
            "GATEHOUSE_REDIS_URL": redis_url,
            "GATEHOUSE_TAG_KEY": base64.b64encode(TAG_KEY).decode(),
            "GATEHOUSE_ISSUER": ISSUER,
            "GATEHOUSE_SCIM_BASE_URL": "http://localhost:8001/scim/v2",
            "GATEHOUSE_SESSIONS_BASE_URL": BASE,
            "GATEHOUSE_DB_POOL_SIZE": "4",
            "GATEHOUSE_SESSIONS_SWEEP_SECONDS": "3600",
            **more,
        },
    )


@dataclass(frozen=True, slots=True)
class Login:
    """One signed-in browser."""

    tenant: UUID
    user_id: UUID
    session_id: UUID
    stamps: Stamps

    @property
    def path(self) -> str:
        return f"/admin/sessions/{self.session_id}"


class Desk:
    """Calls the API with a token of the default tenant unless told otherwise; `owner` sees the whole database."""

    def __init__(self, app: FastAPI, owner: asyncpg.Connection, http: httpx.AsyncClient) -> None:
        self.app, self.owner, self.http = app, owner, http

    @property
    def resources(self) -> Resources:
        made: Resources = self.app.state.resources
        return made

    @property
    def store(self) -> SessionStore:
        return self.resources.store

    @property
    def pool(self) -> Pool:
        return self.resources.pool

    def token(self, scope: str = ALL, *, tenant: UUID = TENANT, stamps: Stamps | None = None, **claims: Any) -> str:
        """An access token as authz issues them to a client for itself (RFC 9068)."""
        slug = "" if tenant == TENANT else "/t/other"
        binding = Binding(self.store.client_tag(tenant, "admin-cli"), stamps or Stamps())
        now = int(time.time())
        made: dict[str, Any] = {
            "iss": f"{ISSUER}{slug}",
            "aud": BASE,
            "sub": "client:admin-cli",
            "client_id": "admin-cli",
            "jti": random_token(),
            "iat": now,
            "exp": now + 300,
            "scope": scope,
            "gh": binding.to_claim(),
            **claims,
        }
        return jose.sign(signing_key("ES256", str(tenant)), made, "at+jwt")

    def last_stamps(self) -> Stamps:
        """Stamps that no epoch will ever pass."""
        return Stamps(1 << 52, 1 << 52, 1 << 52)

    async def call(self, method: str, path: str, *, token: str | None = None, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {token or self.token()}", **options.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **options)

    async def get(self, path: str, **options: Any) -> Any:
        """The JSON of a 200."""
        response = await self.call("GET", path, **options)
        assert response.status_code == 200, response.text
        return response.json()

    async def revoke(self, selector: dict[str, Any], **options: Any) -> Any:
        """The JSON of a revocation that was committed."""
        response = await self.call(
            "POST", "/admin/revocations", json={"selector": selector, "reason": "test"}, **options
        )
        assert response.status_code == 201, response.text
        return response.json()

    async def pages(self, query: str, **options: Any) -> AsyncIterator[list[str]]:
        """The session ids of every page, one page at a time."""
        cursor: str | None = ""
        while cursor is not None:
            page = await self.get(f"/admin/sessions?{query}{f'&cursor={cursor}' if cursor else ''}", **options)
            yield [session["session_id"] for session in page["sessions"]]
            cursor = page["next_cursor"]

    async def stamps(self, tenant: UUID, user_id: UUID) -> Stamps:
        rows = await self.owner.fetch(
            "SELECT kind, epoch FROM sessions.ledger "
            "WHERE tenant = $1 AND (kind, key) IN (('tenant', ''), ('user', $2))",
            tenant,
            str(user_id),
        )
        epochs = {row["kind"]: row["epoch"] for row in rows}
        return Stamps(epochs.get("tenant", 0), 0, epochs.get("user", 0))

    async def sign_in(
        self,
        user_id: UUID | None = None,
        *,
        tenant: UUID = TENANT,
        clients: Sequence[str] = ("web",),
        record: bool = True,
        stamps: Stamps | None = None,
        lasts: timedelta = timedelta(days=7),
    ) -> Login:
        """A login as authz does it; `record` False stops between the row and the Redis record."""
        user_id = user_id or uuid7()
        stamps = stamps or await self.stamps(tenant, user_id)
        login = Login(tenant, user_id, uuid7(), stamps)
        tag, end = self.store.tag(tenant, user_id), datetime.now(UTC) + lasts
        opened = await self.pool.fetchval(
            "SELECT sessions.open_v1($1, $2, $3, $4, $5, $6, 'Firefox', '192.0.2.0/24', $7, 'pwd', '{pwd}', now(), $8)",
            *(tenant, login.session_id, user_id, tag, stamps.user, stamps.tenant, list(clients), end),
        )
        assert opened
        if record:
            made = await self.store.create(
                NewSession(
                    *(tenant, login.session_id, user_id, tag, sha256(random_token()), stamps.user, stamps.tenant),
                    auth_time_ms=int(time.time() * 1000),
                    acr="pwd",
                    amr=("pwd",),
                    idle_ms=3_600_000,
                    absolute_end_ms=int(end.timestamp() * 1000),
                )
            )
            assert isinstance(made, Created)
        return login

    async def age(self, login: Login, seconds: float = 61) -> None:
        """Let the row be older than it is."""
        await self.owner.execute(
            "UPDATE sessions.session SET created_at = created_at - $3::interval WHERE tenant = $1 AND id = $2",
            *(login.tenant, login.session_id, timedelta(seconds=seconds)),
        )

    async def lose_record(self, login: Login) -> None:
        """Redis forgets the session, as after its idle end."""
        tag = self.store.tag(login.tenant, login.user_id)
        name = f"*{tag:04x}*:s:*"
        async for key in self.resources.follower.redis.scan_iter(name):
            await self.resources.follower.redis.delete(key)

    async def grant(self, login: Login, client_id: str) -> None:
        """A client redeems a code of the session."""
        await self.owner.execute(
            "INSERT INTO authz.authorization_grant (tenant, id, user_id, client_id, session_id, offline, scopes) "
            "VALUES ($1, $2, $3, $4, $5, false, '{openid}')",
            *(login.tenant, uuid7(), login.user_id, client_id, login.session_id),
        )

    async def verdict(
        self, login: Login, *, client_id: str = "web", grant_id: UUID | None = None, offline: bool = False
    ) -> Dead | None:
        """What every endpoint asks before it accepts."""
        tag = self.store.tag(login.tenant, login.user_id)
        query = StandingQuery(login.tenant, tag, login.user_id, client_id, login.session_id, grant_id, "jti")
        return judge(await self.store.read(query), Binding(tag, login.stamps, login.session_id, grant_id, offline))

    async def events(self, type_: str) -> list[dict[str, Any]]:
        rows = await self.owner.fetch("SELECT payload FROM sessions.event WHERE type = $1 ORDER BY id", type_)
        return [orjson.loads(row["payload"]) for row in rows]

    async def ended(self, login: Login) -> list[str]:
        """The reasons of the events that say this session ended."""
        return [e["reason"] for e in await self.events("session.ended.v1") if e["session_id"] == str(login.session_id)]

    async def owner_count(self, table: str, condition: str) -> int:
        return int(await self.owner.fetchval(f"SELECT count(*) FROM {table} WHERE {condition}"))

    async def now_ms(self) -> int:
        """The database's time."""
        return int(await self.owner.fetchval("SELECT (extract(epoch FROM now()) * 1000)::bigint"))

    async def fill(
        self,
        count: int,
        *,
        user_id: UUID | None = None,
        lasts: timedelta = timedelta(days=7),
        created: timedelta = timedelta(),
    ) -> None:
        """`count` rows without Redis records, of one person or of as many."""
        now = datetime.now(UTC)
        users = [user_id or uuid7() for _ in range(count)]
        await self.owner.executemany(
            "INSERT INTO sessions.session (tenant, id, user_id, tag, user_epoch, tenant_epoch, auth_time, created_at, "
            "absolute_end) VALUES ($1, $2, $3, $4, 0, 0, $5, $5, $6)",
            [(TENANT, uuid7(), user, self.store.tag(TENANT, user), now + created, now + lasts) for user in users],
        )

    async def terminate_pool(self) -> None:
        """Cut every connection the application has to PostgreSQL."""
        await self.owner.execute("SELECT pg_stat_clear_snapshot()")
        await self.owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gatehouse-sessions' "
            "AND datname = current_database()"
        )

    async def row(self, login: Login) -> asyncpg.Record:
        found = await self.owner.fetchrow(
            "SELECT * FROM sessions.session WHERE tenant = $1 AND id = $2", login.tenant, login.session_id
        )
        assert found is not None
        return found

    async def snapshot(self) -> dict[str, int]:
        """How many rows each table a refused request must not touch has."""
        tables = ("ledger", "ledger_history", "revocation", "event", "audit", "policy")
        return {table: await self.owner.fetchval(f"SELECT count(*) FROM sessions.{table}") for table in tables}

    @contextmanager
    def counted(self) -> Iterator[list[str]]:
        """The statements of the application's pool meanwhile.

        Without BEGIN, the follower's check, and what the driver asks once on each connection about types.
        """
        seen: list[str] = []

        def note(record: Any) -> None:
            own = ("BEGIN", "typeinfo_tree", "set_config(", "pg_snapshot_xmin")
            if not any(part in record.query for part in own):
                seen.append(record.query)

        connections = [holder._con for holder in cast(Any, self.pool)._holders if holder._con]
        for connection in connections:
            connection.add_query_logger(note)
        try:
            yield seen
        finally:
            for connection in connections:
                connection.remove_query_logger(note)

    async def fill_pool(self) -> None:
        """Open every connection of the pool, so that `counted` hears them all."""
        held = [await self.pool.acquire() for _ in range(self.pool.get_max_size() - 1)]
        for connection in held:
            await self.pool.release(connection)


@asynccontextmanager
async def new_desk(app: FastAPI, owner_url: str) -> AsyncIterator[Desk]:
    """Start `app`; two tenants with a signing key each are there."""
    owner = await asyncpg.connect(owner_url)
    try:
        await owner.execute("INSERT INTO authz.tenant (id, slug, name) VALUES ($1, 'other', 'Other')", OTHER_TENANT)
        for tenant in (TENANT, OTHER_TENANT):
            key = signing_key("ES256", str(tenant))
            await owner.execute(
                "INSERT INTO authz.signing_key (tenant, kid, alg, public_jwk, private_sealed, sign_from) "
                "VALUES ($1, $2, 'ES256', $3, '', now())",
                *(tenant, key.kid, orjson.dumps(dict(key.public.jwk)).decode()),
            )
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=BASE) as http:
                await app.state.resources.follower.wait_fresh(10)
                yield Desk(app, owner, http)
    finally:
        await owner.close()
