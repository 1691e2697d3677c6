"""The houses that tests share: one over http with the demo application, one over TLS; each worker has its own.

A conftest imports the fixtures it wants. Two conftests that import the same one share one house.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

import pytest
import pytest_asyncio

from gatehouse.dev.devservers import ValkeyServer
from gatehouse.dev.devservers.shared import ask_for_template
from identity_core.secrets import random_token
from identity_core.testing.relying_party import RelyingParty, Tokens
from identity_core.testing.stack import Operator
from identity_core.testing.visitor import Authenticator, Visitor
from tests.flows.stack import Stack, Stores

_addresses = count(1)
PASSWORD = "a long pass phrase of the tests 9"


@dataclass
class _Shared:
    stack: Stack
    valkey: ValkeyServer
    users: int = 0


_shared: dict[str, _Shared] = {}


@asynccontextmanager
async def shared_house(
    kind: str, worker: str, template_address: str, folders: pytest.TempPathFactory, *, tls: bool, demo: bool
) -> AsyncIterator[Stack]:
    """The house of this kind, started by whom asks first and stopped by whom leaves last."""
    if kind not in _shared:
        template = ask_for_template(template_address)
        postgres = template.clone(f"{worker}_{kind}")
        valkey = ValkeyServer.start(aof=True)
        try:
            stack = await Stack.start(folders.mktemp(kind), Stores(postgres, valkey.url), tls=tls, demo=demo)
        except BaseException:
            valkey.stop()
            template.drop(f"{worker}_{kind}")
            raise
        _shared[kind] = _Shared(stack, valkey)
    shared = _shared[kind]
    shared.users += 1
    try:
        yield shared.stack
    finally:
        shared.users -= 1
        if not shared.users:
            del _shared[kind]
            shared.stack.stop()
            shared.valkey.stop()
            ask_for_template(template_address).drop(f"{worker}_{kind}")


@pytest_asyncio.fixture(scope="session")
async def stack(
    worker_name: str, _run_stores_address: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """Three services and the demo application over http. Not to be broken: see `fragile` for that."""
    async with shared_house("plain", worker_name, _run_stores_address, tmp_path_factory, tls=False, demo=True) as one:
        yield one


@pytest_asyncio.fixture(scope="session")
async def tls_stack(
    worker_name: str, _run_stores_address: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """Three services over TLS, with a certificate of their own authority."""
    async with shared_house("tls", worker_name, _run_stores_address, tmp_path_factory, tls=True, demo=False) as one:
        yield one


def valkey_of(stack: Stack) -> ValkeyServer:
    """The Valkey under a shared house. Whoever freezes it thaws it again."""
    return next(shared.valkey for shared in _shared.values() if shared.stack is stack)


@dataclass
class Person:
    """A user of the directory and, once set up, the person's authenticator."""

    id: str
    username: str
    password: str = PASSWORD
    authenticator: Authenticator | None = None


async def new_person(operator: Operator) -> Person:
    """A new user, created by the provisioning source."""
    username = f"p{random_token(64).lower().replace('_', 'x').replace('-', 'y')}@example.com"
    created = await operator.create_user(
        username, PASSWORD, displayName="Pat Example", emails=[{"value": username, "primary": True}]
    )
    return Person(created["id"], username)


def new_address() -> str:
    """An address that no other visitor says."""
    number = next(_addresses)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def new_visitor(stack: Stack) -> Visitor:
    """A browser nobody has used, at an address of its own."""
    return Visitor(stack.house, address=new_address())


async def first_sign_in(visitor: Visitor, application: RelyingParty, person: Person) -> Tokens:
    """Sign in with the password, set up an authenticator, and come back to the application."""
    attempt = await application.begin()
    page = await visitor.sign_in(await visitor.open(attempt.url), person.username, person.password, None)
    page, person.authenticator = await visitor.enroll(page)
    assert page.left, f"{page.status} {page.heading!r} at {page.path}"
    return await application.finish(attempt, page.url)


async def sign_in_again(visitor: Visitor, application: RelyingParty, person: Person) -> Tokens:
    """Sign in with password and code."""
    attempt = await application.begin()
    page = await visitor.open(attempt.url)
    page = await visitor.sign_in(page, person.username, person.password, person.authenticator)
    assert page.left, f"{page.status} {page.heading!r} at {page.path}"
    return await application.finish(attempt, page.url)


__all__ = [
    "PASSWORD",
    "Person",
    "first_sign_in",
    "new_address",
    "new_person",
    "new_visitor",
    "shared_house",
    "sign_in_again",
    "stack",
    "tls_stack",
    "valkey_of",
]
