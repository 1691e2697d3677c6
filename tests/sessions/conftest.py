"""The application of each test, over empty stores."""

import base64
from collections.abc import AsyncIterator, Callable

import pytest

from identity_core.settings import load
from identity_core.testing.stores import Postgres
from sessions.app import create_app
from sessions.settings import SessionsSettings
from tests.sessions.desk import BASE, ISSUER, TAG_KEY, Desk, new_desk

MakeSettings = Callable[..., SessionsSettings]


@pytest.fixture(scope="session")
def make_settings() -> MakeSettings:
    """`make_settings(database_url, redis_url, **more)`: as from the environment; the sweeper sleeps."""

    def make(database_url: str, redis_url: str, **more: str) -> SessionsSettings:
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

    return make


@pytest.fixture
async def desk(
    postgres: Postgres, redis_url: str, clean_stores: None, make_settings: MakeSettings
) -> AsyncIterator[Desk]:
    app = create_app(make_settings(postgres.sessions_url, redis_url))
    async with new_desk(app, postgres.owner_url) as made:
        yield made
