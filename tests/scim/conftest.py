"""One application for the run of a worker; every test gets a tenant of its own in it."""

import base64
from collections.abc import AsyncIterator

import asyncpg
import pytest
from fastapi import FastAPI

from identity_core.settings import load
from identity_core.testing.stores import Postgres
from scim.app import create_app
from scim.settings import ScimSettings
from tests.scim.directory import BASE, ISSUER, TAG_KEY, Directory, new_directory


@pytest.fixture(scope="session")
def scim_settings(postgres: Postgres, redis_url: str) -> ScimSettings:
    return load(
        ScimSettings,
        {
            "GATEHOUSE_ENV": "development",
            "GATEHOUSE_SCIM_DATABASE_URL": postgres.scim_url,
            "GATEHOUSE_REDIS_URL": redis_url,
            "GATEHOUSE_TAG_KEY": base64.b64encode(TAG_KEY).decode(),
            "GATEHOUSE_ISSUER": ISSUER,
            "GATEHOUSE_SCIM_BASE_URL": BASE,
            "GATEHOUSE_SESSIONS_BASE_URL": "http://localhost:8002",
            "GATEHOUSE_DB_POOL_SIZE": "8",
        },
    )


@pytest.fixture(scope="session")
async def scim_app(scim_settings: ScimSettings) -> AsyncIterator[FastAPI]:
    app = create_app(scim_settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
async def owner(postgres: Postgres) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres.owner_url)
    yield connection
    await connection.close()


@pytest.fixture
async def directory(scim_app: FastAPI, owner: asyncpg.Connection) -> AsyncIterator[Directory]:
    await scim_app.state.resources.follower.wait_fresh(10)
    made = await new_directory(scim_app, owner)
    yield made
    await made.http.aclose()
