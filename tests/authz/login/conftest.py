"""One application with a clock that stands still, for the run of a worker; every test gets a house of its own in it."""

import base64
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from fastapi import FastAPI

from authz.app import create_app
from authz.settings import AuthzSettings
from authz.storage.keys import ensure_keys
from authz.storage.tenants import DEFAULT_ID
from identity_core.passwords import PasswordHasher
from identity_core.sealing import Sealer
from identity_core.settings import load
from identity_core.testing.clock import FakeClock
from identity_core.testing.keys import sealing_key
from identity_core.testing.sessions import TAG_KEY
from identity_core.testing.stores import Postgres
from tests.authz.login.house import House, new_house

# The same key as `world` has: both leave the default tenant's signing keys in the worker's one database.
_KEY = "test:" + base64.b64encode(sealing_key()).decode()


@pytest.fixture(scope="session")
def login_settings(postgres: Postgres, redis_url: str) -> AuthzSettings:
    return load(
        AuthzSettings,
        {
            "GATEHOUSE_ENV": "development",
            "GATEHOUSE_AUTHZ_DATABASE_URL": postgres.authz_url,
            "GATEHOUSE_REDIS_URL": redis_url,
            "GATEHOUSE_TAG_KEY": base64.b64encode(TAG_KEY).decode(),
            "GATEHOUSE_ISSUER": "http://localhost:8000",
            "GATEHOUSE_SCIM_BASE_URL": "http://localhost:8001/scim/v2",
            "GATEHOUSE_SESSIONS_BASE_URL": "http://localhost:8002",
            "GATEHOUSE_KEY_ENCRYPTION_KEY": _KEY,
            "GATEHOUSE_HASH_THREADS": "2",
            "GATEHOUSE_DB_POOL_SIZE": "8",
        },
    )


@pytest.fixture(scope="session")
def login_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
async def login_owner(postgres: Postgres) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres.owner_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
async def login_app(
    login_settings: AuthzSettings, login_clock: FakeClock, login_owner: asyncpg.Connection
) -> AsyncIterator[FastAPI]:
    await ensure_keys(login_owner, DEFAULT_ID, Sealer.from_setting(_KEY))
    app = create_app(login_settings, clock=login_clock)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
def login_hasher() -> Iterator[PasswordHasher]:
    hasher = PasswordHasher(1, 10)
    yield hasher
    hasher.close()


@pytest.fixture
async def house(
    login_app: FastAPI, login_owner: asyncpg.Connection, login_clock: FakeClock, login_hasher: PasswordHasher
) -> House:
    await login_app.state.resources.follower.wait_fresh(10)
    return await new_house(login_app, login_owner, login_clock, login_hasher)
