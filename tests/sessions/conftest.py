"""The application of each test, over empty stores."""

from collections.abc import AsyncIterator

import pytest

from identity_core.testing.stores import Postgres
from sessions.app import create_app
from tests.sessions.desk import Desk, new_desk, settings_of


@pytest.fixture
async def desk(postgres: Postgres, redis_url: str, clean_stores: None) -> AsyncIterator[Desk]:
    async with new_desk(create_app(settings_of(postgres.sessions_url, redis_url)), postgres.owner_url) as made:
        yield made
