"""A tenant of its own for each test: people, clients and browsers over the real application and stores."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
import orjson
from fastapi import FastAPI

from authz.ports import CodeRecord, Taken
from authz.storage.clients import register
from authz.storage.credentials import set_password
from authz.storage.tenants import create_tenant
from identity_core import totp
from identity_core.ids import uuid7
from identity_core.passwords import PasswordHasher
from identity_core.sealing import Sealer
from identity_core.secrets import AuthorizationCode, SessionCookie, random_token
from identity_core.session_store import LedgerEntry
from identity_core.testing.clock import FakeClock
from identity_core.usernames import username_key
from tests.authz.login.browser import Browser, Page

CALLBACK = "https://client.example/callback"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
PASSWORD = "correct horse battery staple"


@dataclass
class Person:
    """A user of the directory; `secret` is that of a confirmed authenticator."""

    id: UUID
    username: str
    password: str = PASSWORD
    secret: bytes | None = None


@dataclass
class House:
    """One tenant and everything a test does with it."""

    app: FastAPI
    owner: asyncpg.Connection
    clock: FakeClock
    hasher: PasswordHasher
    tenant: UUID
    slug: str
    hashes: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"/t/{self.slug}"

    @property
    def issuer(self) -> str:
        return f"http://localhost:8000{self.path}"

    def browser(self, address: str = "127.0.0.1") -> Browser:
        return Browser(self.app, address)

    async def policy(self, **policy: object) -> None:
        """Set the tenant's policy."""
        text = orjson.dumps(policy).decode()
        await self.owner.execute("UPDATE authz.tenant SET policy = $2::jsonb WHERE id = $1", self.tenant, text)
        self.forget()

    async def session_policy(self, limit: int | None, on_limit: str = "end_oldest") -> None:
        await self.owner.execute(
            "INSERT INTO sessions.policy (tenant, max_sessions_per_user, on_limit) VALUES ($1, $2, $3)",
            self.tenant,
            limit,
            on_limit,
        )

    def forget(self) -> None:
        """Let a second pass, so that caches look again."""
        self.clock.advance(1.1)

    async def person(
        self,
        username: str = "ada@example.com",
        *,
        active: bool = True,
        with_totp: bool = True,
        password: str = PASSWORD,
    ) -> Person:
        """A user with a password and, unless said otherwise, a confirmed authenticator."""
        user_id = uuid7()
        await self.owner.execute(
            "INSERT INTO directory.user_resource (tenant, id, user_name, user_name_key, active, resource, claims) "
            "VALUES ($1, $2, $3, $4, $5, '{}', '{}')",
            self.tenant,
            user_id,
            username,
            username_key(username),
            active,
        )
        if password:
            if password not in self.hashes:
                self.hashes[password] = await self.hasher.hash(password)
            await set_password(self.owner, self.tenant, user_id, self.hashes[password])
        person = Person(user_id, username, password)
        if with_totp:
            await self.authenticator(person)
        return person

    async def authenticator(self, person: Person) -> None:
        """Give a person a confirmed authenticator."""
        sealer: Sealer = self.app.state.resources.sealer
        person.secret, credential = totp.new_secret(), uuid7()
        sealed = sealer.seal(person.secret, f"totp:{self.tenant}:{person.id}:{credential}".encode())
        await self.owner.execute(
            "INSERT INTO authz.totp_credential (tenant, user_id, id, secret_sealed, confirmed_at) "
            "VALUES ($1, $2, $3, $4, now())",
            self.tenant,
            person.id,
            credential,
            sealed,
        )

    async def client(self, *, first_party: bool = True, client_id: str | None = None, **metadata: object) -> str:
        """A confidential first-party client with one https redirect URI, unless said otherwise."""
        document = {"redirect_uris": [CALLBACK], "client_name": "The Client", **metadata}
        made = await register(self.owner, self.tenant, document, client_id=client_id, first_party=first_party)
        return made.client_id

    def authorize(self, client_id: str, /, **parameters: str | None) -> str:
        """The address of an authorization request; None leaves a parameter out."""
        given = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": CALLBACK,
            "scope": "openid profile",
            "state": "the state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **parameters,
        }
        return f"{self.path}/authorize?" + urlencode({k: v for k, v in given.items() if v is not None})

    def code_of(self, person: Person) -> str:
        """What the person's authenticator shows; the step after it is the next one asked for."""
        assert person.secret is not None
        return totp.code_at(person.secret, totp.step_at(self.clock.now_ms() / 1000))

    def next_code(self) -> None:
        """Wait for the next step."""
        self.clock.advance(30)

    async def sign_in(self, browser: Browser, person: Person, url: str) -> Page:
        """From the authorization request through every factor; wherever that ends."""
        page = await browser.get(url)
        assert page.heading == "Sign in", page.text
        page = await browser.submit(page, "login-submit", username=person.username, password=person.password)
        if "totp-submit" in page.buttons:
            page = await browser.submit(page, "totp-submit", totp_code=self.code_of(person))
            self.next_code()
        return page

    async def take_code(self, page: Page) -> CodeRecord:
        """What the code in the answer stands for; it is used up."""
        code = AuthorizationCode.parse(page.query["code"])
        assert code is not None
        taken = await self.app.state.resources.codes.take(self.tenant, code)
        assert isinstance(taken, Taken)
        return taken.record

    def session_cookie(self, browser: Browser) -> SessionCookie:
        """The browser's session."""
        cookie = SessionCookie.parse(browser.cookies[f"gh_session_{self.slug}"])
        assert cookie is not None
        return cookie

    async def revoke(self, kind: str, key: str) -> None:
        """A whole revocation: committed and confirmed."""
        epoch = await self.owner.fetchval(
            "SELECT sessions.revoke_v1($1, 'test', $2, $3, 'test', $4)", self.tenant, kind, key, uuid7()
        )
        await self.app.state.resources.revoker.confirm([LedgerEntry(self.tenant, kind, key, epoch)])

    async def sessions(self, person: Person) -> list[asyncpg.Record]:
        """The person's session rows, oldest first."""
        return await self.owner.fetch(
            "SELECT id, ended_at, end_reason, acr, amr, device, network, client_ids, auth_time FROM sessions.session "
            "WHERE tenant = $1 AND user_id = $2 ORDER BY id",
            self.tenant,
            person.id,
        )

    async def audit(self, action: str) -> list[asyncpg.Record]:
        return await self.owner.fetch(
            "SELECT * FROM authz.audit WHERE tenant = $1 AND action = $2 ORDER BY id", self.tenant, action
        )


async def new_house(app: FastAPI, owner: asyncpg.Connection, clock: FakeClock, hasher: PasswordHasher) -> House:
    """A tenant nobody else uses."""
    slug = f"t{random_token(64).lower().replace('_', '').replace('-', '')}"
    tenant = await create_tenant(owner, slug, "Acme Corp")
    return House(app, owner, clock, hasher, tenant, slug)
