"""authz in process, on real and empty stores: a new application for every test, with keys made once a process."""

import base64
from collections.abc import AsyncIterator, Callable

import pytest

from authz.settings import AuthzSettings
from identity_core.settings import load
from identity_core.testing.keys import sealing_key
from identity_core.testing.stores import Postgres
from tests.authz.world import ISSUER, SCIM, SESSIONS, TAG_KEY, World, open_world


@pytest.fixture
def make_settings(postgres: Postgres, redis_url: str) -> Callable[..., AuthzSettings]:
    """`make_settings(GATEHOUSE_AUTHZ_CODE_SECONDS="1")`: the settings of the tests, with some replaced."""

    def make(**more: str) -> AuthzSettings:
        environ = {
            "GATEHOUSE_ENV": "development",
            "GATEHOUSE_AUTHZ_DATABASE_URL": postgres.authz_url,
            "GATEHOUSE_REDIS_URL": redis_url,
            "GATEHOUSE_TAG_KEY": base64.b64encode(TAG_KEY).decode(),
            "GATEHOUSE_KEY_ENCRYPTION_KEY": "test:" + base64.b64encode(sealing_key()).decode(),
            "GATEHOUSE_ISSUER": ISSUER,
            "GATEHOUSE_SCIM_BASE_URL": SCIM,
            "GATEHOUSE_SESSIONS_BASE_URL": SESSIONS,
        }
        return load(AuthzSettings, environ | more)

    return make


@pytest.fixture
async def world(
    make_settings: Callable[..., AuthzSettings], postgres: Postgres, clean_stores: None
) -> AsyncIterator[World]:
    """The application of this test with its stores empty but for the default tenant's keys."""
    async with open_world(make_settings(), postgres.owner_url) as made:
        yield made
