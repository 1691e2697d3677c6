"""A running authz with hands on its stores: makes people, clients, sessions and codes, and asks over HTTP."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import orjson
from fastapi import FastAPI

from authz.app import create_app
from authz.ports import CodeRecord
from authz.protocol.pkce import s256
from authz.resources import Resources
from authz.settings import AuthzSettings
from authz.storage import clients
from authz.storage.clients import RegisteredClient
from authz.storage.keys import mac_aad, signing_aad
from authz.storage.tenants import DEFAULT_ID
from identity_core import jose
from identity_core.clock import Clock
from identity_core.contracts.stamps import Binding, Stamps
from identity_core.ids import uuid7
from identity_core.sealing import Sealer
from identity_core.secrets import derive_sid, random_token, sha256
from identity_core.session_store import Created, LedgerEntry, NewSession
from identity_core.testing.keys import signing_key

ISSUER = "http://localhost:8000"
SCIM = "http://localhost:8001/scim/v2"
SESSIONS = "http://localhost:8002"
TAG_KEY = b"tag key of the tests: 32 bytes.."
TENANT = DEFAULT_ID
CALLBACK = "https://rp.example/cb"
VERIFIER = "v" * 43
CLAIMS = {
    "name": "Ada Lovelace",
    "given_name": "Ada",
    "family_name": "Lovelace",
    "preferred_username": "ada",
    "email": "ada@example.org",
    "email_verified": True,
    "phone_number": "",
    "address": {"country": "GB"},
}


@dataclass(frozen=True)
class SignedIn:
    """A person with a live session."""

    user_id: UUID
    session_id: UUID
    stamps: Stamps


@dataclass
class World:
    """`http` speaks to the application without a network; `owner` is the database's owner."""

    app: FastAPI
    resources: Resources
    http: httpx.AsyncClient
    owner: asyncpg.Connection
    tenant: UUID = TENANT
    path: str = ""
    made: list[Any] = field(default_factory=list)

    async def client(self, **metadata: Any) -> RegisteredClient:
        """A registered client; confidential, with the code flow, unless said otherwise."""
        document = {"redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token"], **metadata}
        async with self.resources.pool.acquire() as connection:
            return await clients.register(connection, self.tenant, document)

    async def machine(self, scope: str = "scim", **metadata: Any) -> RegisteredClient:
        """A client for itself."""
        return await self.client(redirect_uris=[], grant_types=["client_credentials"], scope=scope, **metadata)

    async def person(self, *, active: bool = True, **claims: Any) -> UUID:
        """A row of the directory."""
        user_id, name = uuid7(), f"ada-{random_token(64)}"
        await self.owner.execute(
            "INSERT INTO directory.user_resource (tenant, id, user_name, user_name_key, active, resource, claims) "
            "VALUES ($1, $2, $3, lower($3), $4, '{}', $5)",
            self.tenant,
            user_id,
            name,
            active,
            orjson.dumps({**CLAIMS, **claims}).decode(),
        )
        return user_id

    async def sign_in(self, user_id: UUID | None = None) -> SignedIn:
        """A live session: the row, then the record."""
        user_id = user_id or await self.person()
        store, session_id, now = self.resources.store, uuid7(), int(time.time() * 1000)
        stamps = await self.stamps(user_id)
        tag = store.tag(self.tenant, user_id)
        await self.owner.execute(
            "SELECT sessions.open_v1($1, $2, $3, $4, $5, $6, NULL, NULL, '{}', 'pwd', '{pwd}', now(), "
            "now() + interval '1 day')",
            *(self.tenant, session_id, user_id, tag, stamps.user, stamps.tenant),
        )
        created = await store.create(
            NewSession(
                tenant=self.tenant,
                session_id=session_id,
                user_id=user_id,
                tag=tag,
                secret_hash=sha256("cookie"),
                user_epoch=stamps.user,
                tenant_epoch=stamps.tenant,
                auth_time_ms=now,
                acr="urn:gatehouse:acr:pwd",
                amr=("pwd",),
                idle_ms=3_600_000,
                absolute_end_ms=now + 86_400_000,
            )
        )
        assert isinstance(created, Created)
        return SignedIn(user_id, session_id, stamps)

    async def stamps(self, user_id: UUID) -> Stamps:
        """The epochs in force."""
        rows = await self.owner.fetch(
            "SELECT kind, epoch FROM sessions.ledger "
            "WHERE tenant = $1 AND (kind, key) IN (('tenant', ''), ('user', $2))",
            self.tenant,
            str(user_id),
        )
        epochs = {row["kind"]: row["epoch"] for row in rows}
        return Stamps(epochs.get("tenant", 0), 0, epochs.get("user", 0))

    async def code(
        self,
        client: RegisteredClient,
        login: SignedIn | None = None,
        *,
        scopes: tuple[str, ...] = ("openid",),
        challenge: str | None = None,
        **fields: Any,
    ) -> str:
        """What the authorization endpoint would have sent to the client."""
        login = login or await self.sign_in()
        registered = await self.resources.clients.get(self.tenant, client.client_id)
        assert registered is not None
        stamps = replace(login.stamps, client=registered.epoch)
        tag = self.resources.store.tag(self.tenant, login.user_id)
        record = CodeRecord(
            tenant=self.tenant,
            client_id=client.client_id,
            redirect_uri=CALLBACK,
            redirect_uri_given=True,
            scopes=scopes,
            user_id=login.user_id,
            session_id=login.session_id,
            binding=Binding(tag, stamps, login.session_id, None, "offline_access" in scopes),
            code_challenge=challenge,
            nonce="n-0S6_WzA2Mj",
            auth_time=int(time.time()),
            acr="urn:gatehouse:acr:pwd",
            amr=("pwd",),
            sid=derive_sid(TAG_KEY, self.tenant, login.session_id, client.client_id),
        )
        return await self.resources.codes.put(replace(record, **fields))

    async def post(
        self, path: str, client: RegisteredClient | None = None, form: Mapping[str, Any] | None = None, **more: Any
    ) -> httpx.Response:
        """POST a form, with the client's own way of authentication (Basic, or client_id for a public one)."""
        data: dict[str, Any] = {**(form or {}), **more}
        auth: Any = httpx.USE_CLIENT_DEFAULT
        if client is not None and client.client_secret is not None:
            auth = httpx.BasicAuth(client.client_id, client.client_secret)
        elif client is not None:
            data = {"client_id": client.client_id, **data}
        return await self.http.post(self.path + path, data=data, auth=auth)

    async def redeem(self, client: RegisteredClient, code: str, **more: Any) -> httpx.Response:
        """Exchange a code."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        return await self.post("/token", client, form, **more)

    async def tokens(
        self, client: RegisteredClient, login: SignedIn | None = None, *, scopes: tuple[str, ...] = ("openid",)
    ) -> dict[str, Any]:
        """The tokens of a fresh sign-in."""
        code = await self.code(client, login, scopes=scopes, challenge=s256(VERIFIER))
        response = await self.redeem(client, code, code_verifier=VERIFIER)
        assert response.status_code == 200, response.text
        return dict(response.json())

    async def refresh(self, client: RegisteredClient, refresh_token: str, **more: Any) -> httpx.Response:
        """Use a refresh token."""
        return await self.post(
            "/token", client, {"grant_type": "refresh_token", "refresh_token": refresh_token}, **more
        )

    async def userinfo(self, token: str) -> httpx.Response:
        """Ask who the token's person is."""
        return await self.http.get(self.path + "/userinfo", headers={"Authorization": f"Bearer {token}"})

    async def active(self, client: RegisteredClient, token: str) -> bool:
        """What introspection says."""
        response = await self.post("/introspect", client, token=token)
        assert response.status_code == 200, response.text
        return bool(response.json()["active"])

    async def revoke(self, kind: str, key: str) -> None:
        """A whole revocation: committed, then true everywhere."""
        epoch = await self.owner.fetchval(
            "SELECT sessions.revoke_v1($1, 'test', $2, $3, 'test', $4)", self.tenant, kind, key, uuid7()
        )
        await self.resources.revoker.confirm([LedgerEntry(self.tenant, kind, key, epoch)])

    async def end_session(self, login: SignedIn, *, deep: bool = False) -> None:
        """A logout, or (`deep`) an administrator's end of the session."""
        await self.owner.execute(
            "SELECT sessions.end_v1($1, $2, 'test', 'test', $3, $4)", self.tenant, login.session_id, uuid7(), deep
        )
        rows = await self.owner.fetch(
            "SELECT tenant, kind, key, epoch FROM sessions.ledger WHERE right(key, 36) = $1", str(login.session_id)
        )
        await self.resources.revoker.confirm([LedgerEntry(*row.values()) for row in rows])

    def claims(self, token: str) -> dict[str, Any]:
        """What a JWT says, unverified."""
        read = jose.peek(token)
        assert isinstance(read, jose.Unverified)
        return dict(read.claims)


@asynccontextmanager
async def open_world(settings: AuthzSettings, owner_url: str, *, clock: Clock | None = None) -> AsyncIterator[World]:
    """A world on these stores."""
    owner = await asyncpg.connect(owner_url)
    await plant_keys(owner, TENANT, Sealer.from_setting(settings.key_encryption_key))
    app = create_app(settings, clock=clock)
    async with app.router.lifespan_context(app):
        await app.state.resources.follower.wait_fresh(15)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
            yield World(app, app.state.resources, http, owner)
    await owner.close()


async def plant_keys(owner: asyncpg.Connection, tenant: UUID, sealer: Sealer) -> None:
    """The keys of a tenant, from those this process has made already."""
    for alg in jose.SIGNING_ALGORITHMS:
        key = signing_key(alg)
        await owner.execute(
            "INSERT INTO authz.signing_key (tenant, kid, alg, public_jwk, private_sealed, sign_from) "
            "VALUES ($1, $2, $3, $4, $5, now() - interval '1 minute')",
            *(tenant, key.kid, alg, orjson.dumps(dict(key.public.jwk)).decode()),
            sealer.seal(jose.private_bytes(key), signing_aad(tenant, key.kid)),
        )
    sealed = sealer.seal(b"the refresh MAC key of the tests", mac_aad(tenant, "refresh", 0))
    await owner.execute(
        "INSERT INTO authz.mac_key (tenant, purpose, id, sealed) VALUES ($1, 'refresh', 0, $2)", tenant, sealed
    )
