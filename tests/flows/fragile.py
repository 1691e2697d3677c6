"""A house that may be broken: a PostgreSQL and a Valkey of its own, to be frozen, killed and emptied."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio

from gatehouse.dev.devservers import PostgresServer, ValkeyServer
from gatehouse.dev.devservers.shared import migrate_new_database
from identity_core.testing.relying_party import RelyingParty, Tokens
from identity_core.testing.stack import Operator
from identity_core.testing.visitor import Visitor
from tests.flows.houses import Person, first_sign_in, new_person, new_visitor
from tests.flows.stack import Stack, Stores

# Short, so that a test which waits for the end of a lease does not wait long.
# Short enough to wait for, and long enough for a busy machine to keep it by checks a second apart.
_SETTINGS = {"GATEHOUSE_LEASE_SECONDS": "4"}


@dataclass
class Fragile:
    """The house, and the servers under it."""

    stack: Stack
    postgres: PostgresServer
    valkey: ValkeyServer

    async def heal(self) -> None:
        """Undo whatever a test has done, then wait until all is well."""
        for server in (self.postgres, self.valkey):
            if server.alive:
                server.thaw()
            else:
                server.restart()
        for name in ("authz", "scim", "sessions"):
            self.stack.ensure(name)
        # Ready a dozen times in a row: on a busy machine the short lease of these tests may lapse once more.
        for _ in range(12):
            await self.stack.ready()
            await asyncio.sleep(0.1)


@pytest_asyncio.fixture(scope="session")
async def _fragile(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fragile]:
    with PostgresServer.start(settings={"fsync": "on"}) as postgres, ValkeyServer.start(aof=True) as valkey:
        stores = Stores(migrate_new_database(postgres), valkey.url)
        stack = await Stack.start(tmp_path_factory.mktemp("fragile"), stores, settings=_SETTINGS)
        try:
            yield Fragile(stack, postgres, valkey)
        finally:
            stack.stop()


@pytest_asyncio.fixture
async def fragile(_fragile: Fragile) -> AsyncIterator[Fragile]:
    """Whole when the test begins, and after it."""
    yield _fragile
    await _fragile.heal()


@dataclass
class Scene:
    """One person signed in at a house that may be broken."""

    fragile: Fragile
    operator: Operator
    application: RelyingParty
    visitor: Visitor
    person: Person
    tokens: Tokens

    @property
    def stack(self) -> Stack:
        return self.fragile.stack

    async def userinfo(self, access_token: str) -> httpx.Response:
        url, headers = f"{self.stack.house.issuer}/userinfo", {"Authorization": f"Bearer {access_token}"}
        return await self.operator.http.get(url, headers=headers)

    async def token(self, **form: str) -> httpx.Response:
        """A request to the token endpoint by the application."""
        web = self.application.registration
        auth = httpx.BasicAuth(web.client_id, web.client_secret or "")
        return await self.operator.http.post(f"{self.stack.house.issuer}/token", data=form, auth=auth)

    async def refresh(self, refresh_token: str) -> httpx.Response:
        return await self.token(grant_type="refresh_token", refresh_token=refresh_token)

    async def introspect(self, token: str) -> httpx.Response:
        web = self.application.registration
        auth = httpx.BasicAuth(web.client_id, web.client_secret or "")
        return await self.operator.http.post(f"{self.stack.house.issuer}/introspect", data={"token": token}, auth=auth)


@pytest_asyncio.fixture
async def scene(fragile: Fragile) -> AsyncIterator[Scene]:
    """A new person, signed in by Authlib's client."""
    async with AsyncExitStack() as exits:
        operator = await exits.enter_async_context(Operator(fragile.stack.house))
        application = await exits.enter_async_context(RelyingParty(fragile.stack.house))
        visitor = await exits.enter_async_context(new_visitor(fragile.stack))
        person = await new_person(operator)
        tokens = await first_sign_in(visitor, application, person)
        yield Scene(fragile, operator, application, visitor, person, tokens)


__all__ = ["Fragile", "Scene", "_fragile", "fragile", "scene"]
