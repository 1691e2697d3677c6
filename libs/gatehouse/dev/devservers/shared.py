"""One PostgreSQL for a whole test run of several processes: started on first demand, by the run's controller.

The controller lives longest, so what it starts outlives every worker and dies with it. Workers ask over a
Unix socket; the first question starts the server and migrates a template, and every worker clones that.
"""

import contextlib
import json
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

from gatehouse.dev.devservers.choice import ExternalPostgres, open_postgres
from gatehouse.dev.devservers.errors import DevServerError
from gatehouse.dev.devservers.postgres import Databases, PostgresServer
from gatehouse.migrate import SERVICE_ROLES, upgrade
from identity_core.testing.stores import Postgres, url_as

# A clone is another database, which the ledger would take for a restored one and make every tenant sign in again.
_AT_HOME = (
    "UPDATE sessions.ledger_identity i SET id = gen_random_uuid(), system_identifier = live.system_identifier, "
    "timeline = live.timeline FROM sessions.live_identity() live"
)


@dataclass(frozen=True, slots=True)
class MigratedTemplate:
    """A server with a migrated database to clone, and the passwords of its service roles."""

    url: str
    template: str
    passwords: dict[str, str]

    def clone(self, name: str) -> Postgres:
        """A new database like the template, with its URLs."""
        owner_url = Databases(self.url).create_database(self.database(name), template=self.template)
        Databases(self.url).execute(_AT_HOME, database=self.database(name))
        return Postgres.of(owner_url, _role_urls(owner_url, self.passwords))

    def drop(self, name: str) -> None:
        """Drop a clone."""
        Databases(self.url).drop_database(self.database(name))

    def database(self, name: str) -> str:
        """The clone's database name."""
        return self.template.removesuffix("template") + name


def migrate_new_database(server: Databases, name: str = "gh") -> Postgres:
    """A new, migrated database on `server`, with URLs for the service roles. Raises DevServerError."""
    owner_url = server.create_database(name)
    return _migrated(owner_url, {role: secrets.token_urlsafe(18) for role in SERVICE_ROLES})


def make_template(server: Databases, prefix: str) -> MigratedTemplate:
    """Migrate the database `<prefix>_template`, then close it to connections, so that it can be cloned."""
    template = f"{prefix}_template"
    passwords = {role: secrets.token_urlsafe(18) for role in SERVICE_ROLES}
    _migrated(server.create_database(template), passwords)
    server.execute(
        f"ALTER DATABASE {template} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{template}'",
    )
    return MigratedTemplate(server.url, template, passwords)


def _migrated(owner_url: str, passwords: dict[str, str]) -> Postgres:
    role_urls = _role_urls(owner_url, passwords)
    with ThreadPoolExecutor(1) as thread:  # it runs a loop of its own, and the caller may be in one
        thread.submit(upgrade, owner_url, role_urls).result()
    return Postgres.of(owner_url, role_urls)


def _role_urls(owner_url: str, passwords: dict[str, str]) -> dict[str, str]:
    return {role: url_as(owner_url, role, password) for role, password in passwords.items()}


class RunStores:
    """The controller's side: waits for the first question, answers all, cleans up."""

    def __init__(self, open_server: Callable[[], PostgresServer | ExternalPostgres] = open_postgres) -> None:
        self._open_server = open_server
        self._server: PostgresServer | ExternalPostgres | None = None
        self._answer: dict[str, object] | None = None
        self._template: MigratedTemplate | None = None
        self._folder = tempfile.mkdtemp(prefix="gatehouse-run-")
        self._key = secrets.token_bytes(32)
        path = str(Path(self._folder, "ask"))
        self._listener = Listener(path, family="AF_UNIX", backlog=128, authkey=self._key)
        self._thread = threading.Thread(target=self._serve, name="run-stores", daemon=True)
        self._thread.start()
        self.address = f"{path}|{self._key.hex()}"

    def close(self) -> None:
        """Stop the server, if anybody asked for one."""
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._server is not None:
            if isinstance(self._server, ExternalPostgres) and self._template is not None:
                self._leave_as_found(self._server, self._template)
            self._server.stop()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except (EOFError, ConnectionError, AuthenticationError):
                continue  # a caller that died, or does not know the key
            except Exception:  # the listener was closed
                return
            with contextlib.suppress(OSError):  # a caller that died while it waited
                self._reply(connection)

    def _reply(self, connection: "Connection") -> None:
        with connection:
            if self._answer is None:
                self._answer = self._make()
            connection.send_bytes(json.dumps(self._answer).encode())

    def _make(self) -> dict[str, object]:
        try:
            self._server = self._open_server()
            external = isinstance(self._server, ExternalPostgres)
            if external:
                _refuse_foreign_roles(self._server)
            self._template = make_template(self._server, f"gh_{secrets.token_hex(4)}" if external else "gh")
        except Exception as error:  # every worker shall read why
            return {"error": f"{type(error).__name__}: {error}"}
        return asdict(self._template)

    def _leave_as_found(self, server: Databases, template: MigratedTemplate) -> None:
        server.drop_database(template.template)
        server.execute(*(f"DROP ROLE IF EXISTS {role}" for role in SERVICE_ROLES))


def _refuse_foreign_roles(server: Databases) -> None:
    """Roles belong to a whole server: on one used already, migrating would change their passwords."""
    roles = ", ".join(f"'{role}'" for role in SERVICE_ROLES)
    try:
        server.execute(
            f"DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname IN ({roles})) "
            "THEN RAISE EXCEPTION 'in use'; END IF; END $$"
        )
    except DevServerError as error:
        raise DevServerError(
            "The PostgreSQL of GATEHOUSE_DATABASE_URL already has Gatehouse's roles, whose passwords the "
            "tests would change: give the tests an empty server, or unset the variable."
        ) from error


def ask_for_template(address: str) -> MigratedTemplate:
    """A worker's side of `RunStores.address`. Raises DevServerError with what went wrong in the controller."""
    path, _, key = address.rpartition("|")
    with Client(path, family="AF_UNIX", authkey=bytes.fromhex(key)) as connection:
        answer = json.loads(connection.recv_bytes())
    if "error" in answer:
        raise DevServerError(f"The run's PostgreSQL is not there: {answer['error']}")
    return MigratedTemplate(**answer)
