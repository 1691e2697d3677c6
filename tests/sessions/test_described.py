"""The API does what its OpenAPI document says: schemathesis asks it everything the document allows, and more."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import positive_data_acceptance

from identity_core.testing.stores import Postgres, TableCleaner
from sessions.app import create_app
from tests.sessions.desk import BASE, new_desk, settings_of


class _Served:
    """The application behind a socket, in a loop of its own: schemathesis asks from a thread that has none."""

    def __init__(self, postgres: Postgres, redis_url: str) -> None:
        self._app = create_app(settings_of(postgres.sessions_url, redis_url))
        self._owner_url = postgres.owner_url
        self._ready = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server = uvicorn.Server(uvicorn.Config(self._app, lifespan="off", log_config=None))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.token = ""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> "_Served":
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        self._socket.close()

    async def _serve(self) -> None:
        async with new_desk(self._app, self._owner_url) as desk:
            login = await desk.sign_in()
            await desk.revoke({"session_id": str(login.session_id)})
            # Stamps above every epoch there will be: a revocation of the tenant must not end the examination.
            self.token = desk.token(stamps=desk.last_stamps())
            self._ready.set()
            await self._server.serve(sockets=[self._socket])


@pytest.fixture(scope="module")
def served(_database: tuple[Postgres, TableCleaner], redis_url: str) -> Iterator[_Served]:
    postgres, cleaner = _database
    cleaner.clean()
    with _Served(postgres, redis_url) as made:
        yield made


schema = schemathesis.openapi.from_dict(create_app(settings_of("postgresql://nowhere", "redis://nowhere")).openapi())


@schema.parametrize()
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_the_document_declares(case: Case, served: _Served) -> None:
    # Two rules no schema can say: a cursor is one that was given, and the idle end lies before the absolute one.
    beyond = case.operation.label in ("GET /admin/sessions", "PUT /admin/policy")
    excluded: list[Any] = [positive_data_acceptance] if beyond else []
    headers = {"Authorization": f"Bearer {served.token}", "Host": BASE.removeprefix("http://")}
    case.call_and_validate(base_url=served.url, excluded_checks=excluded, headers=headers)
