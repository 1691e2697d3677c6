"""Stores for tests: one PostgreSQL for the whole run, a database of it and a Valkey for each worker.

Nothing is started before a test asks for it. `postgres` and `redis_url` are a worker's own and not emptied
between tests; a test that needs them empty asks for `clean_stores`. `private_postgres`, `private_database`
and `private_valkey` make servers for one test, to be frozen and killed.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from gatehouse.dev.devservers import DevServerError, PostgresServer, ValkeyServer
from gatehouse.dev.devservers.shared import RunStores, ask_for_template, migrate_new_database
from identity_core.testing.stores import Postgres, RedisCleaner, TableCleaner, url_of_database

_RUN = pytest.StashKey[RunStores]()
_ADDRESS = "run_stores_address"


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[_RUN] = RunStores()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist: the controller is about to start this worker."""
    node.workerinput[_ADDRESS] = node.config.stash[_RUN].address


def pytest_unconfigure(config: pytest.Config) -> None:
    if (run := config.stash.get(_RUN, None)) is not None:
        run.close()


@pytest.fixture(scope="session")
def worker_name(request: pytest.FixtureRequest) -> str:
    """`gw0`, `gw1`, …, or `main` without xdist."""
    return str(getattr(request.config, "workerinput", {}).get("workerid", "main"))


@pytest.fixture(scope="session")
def _run_stores_address(request: pytest.FixtureRequest) -> str:
    workerinput = getattr(request.config, "workerinput", None)
    return str(workerinput[_ADDRESS] if workerinput else request.config.stash[_RUN].address)


@pytest.fixture(scope="session")
def _database(worker_name: str, _run_stores_address: str) -> Iterator[tuple[Postgres, TableCleaner]]:
    """The cleaner is made with the database, before any test can put a row in."""
    template = ask_for_template(_run_stores_address)
    postgres = template.clone(worker_name)
    cleaner = TableCleaner(postgres.owner_url)
    yield postgres, cleaner
    cleaner.close()
    template.drop(worker_name)


@pytest.fixture(scope="session")
def postgres(_database: tuple[Postgres, TableCleaner]) -> Postgres:
    """This worker's migrated database: `owner_url`, `authz_url`, `scim_url`, `sessions_url`."""
    return _database[0]


@pytest.fixture(scope="session")
def redis_url(worker_name: str) -> Iterator[str]:
    """This worker's Valkey; with `GATEHOUSE_REDIS_URL`, an empty database number of that server."""
    external = os.environ.get("GATEHOUSE_REDIS_URL")
    if not external:
        with ValkeyServer.start() as server:
            yield server.url
        return
    first = int(urlsplit(external).path.strip("/") or 0)
    url = url_of_database(external, str(first + int(worker_name.removeprefix("gw").replace("main", "0"))))
    with redis.Redis.from_url(url) as client:
        if client.dbsize():
            raise DevServerError(f"Redis database {urlsplit(url).path} holds data that the tests would remove.")
        yield url
        client.flushdb()


@pytest.fixture(scope="session")
def _redis_cleaner(redis_url: str) -> Iterator[RedisCleaner]:
    cleaner = RedisCleaner(redis_url, whole_server=not os.environ.get("GATEHOUSE_REDIS_URL"))
    yield cleaner
    cleaner.close()


@pytest.fixture
def clean_stores(_database: tuple[Postgres, TableCleaner], _redis_cleaner: RedisCleaner) -> None:
    """The test begins with the tables as the migration left them and nothing in Redis."""
    _database[1].clean()
    _redis_cleaner.clean()


@pytest.fixture
def private_postgres() -> Iterator[Callable[[], PostgresServer]]:
    """`private_postgres()` starts an empty PostgreSQL for this test: `.url`, `.freeze()`, `.kill()`, …"""
    servers: list[PostgresServer] = []

    def start(**options: object) -> PostgresServer:
        servers.append(PostgresServer.start(**options))  # type: ignore[arg-type]
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def private_database(
    private_postgres: Callable[[], PostgresServer],
) -> Callable[[], tuple[PostgresServer, Postgres]]:
    """`server, urls = private_database()`: a private PostgreSQL with a migrated database and its URLs."""

    def start() -> tuple[PostgresServer, Postgres]:
        server = private_postgres()
        return server, migrate_new_database(server)

    return start


@pytest.fixture
def private_valkey() -> Iterator[Callable[..., ValkeyServer]]:
    """`private_valkey(aof=True)` starts a Valkey for this test: `.url`, `.freeze()`, `.kill()`, …"""
    servers: list[ValkeyServer] = []

    def start(**options: object) -> ValkeyServer:
        servers.append(ValkeyServer.start(**options))  # type: ignore[arg-type]
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
