"""A fresh rig on the worker's own stores."""

from collections.abc import AsyncIterator

import pytest

from identity_core.testing.sessions import Rig, open_rig
from identity_core.testing.stores import Postgres


@pytest.fixture
async def rig(postgres: Postgres, redis_url: str, clean_stores: None) -> AsyncIterator[Rig]:
    async with open_rig(postgres.authz_url, redis_url) as made:
        await made.wait_fresh()
        yield made
