"""An embedded PostgreSQL: superuser `gatehouse`, SCRAM over loopback TCP, C locale, UTF-8."""

import asyncio
import atexit
import os
import re
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from gatehouse.dev.devservers.errors import DevServerError
from gatehouse.dev.devservers.places import Place, kept_place, throw_away_place
from gatehouse.dev.devservers.postgres_data import make_data, superuser_password
from gatehouse.dev.devservers.processes import (
    ServerProcess,
    launch,
    processes_are_visible,
    start_on_port,
    wait_until,
)
from gatehouse.dev.devservers.programs import Program, find_postgres, readable_program

USER = "gatehouse"
DATABASE = "gatehouse"
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}\Z")
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    # In the data folder, so that a killed server leaves nothing in /dev/shm.
    "dynamic_shared_memory_type": "mmap",
}
_THROW_AWAY_SETTINGS = {"fsync": "off", "full_page_writes": "off", "log_checkpoints": "off"}


class Databases:
    """The databases of a PostgreSQL that somebody runs, reached by the superuser's URL."""

    def __init__(self, url: str) -> None:
        self.url = url

    def url_of(self, database: str) -> str:
        """The superuser's URL of another database of this server."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    def create_database(self, name: str, template: str | None = None) -> str:
        """Create a database, or clone `template` (to which nobody may be connected); returns its URL."""
        source = f" TEMPLATE {_checked(template)}" if template else ""
        self.execute(f"CREATE DATABASE {_checked(name)}{source}")
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Drop a database if there is one, ending its connections."""
        self.execute(f"DROP DATABASE IF EXISTS {_checked(name)} WITH (FORCE)")

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements one by one, each in its own transaction. Raises DevServerError."""
        run_sql(self.url_of(database), *statements)


def run_sql(url: str, *statements: str) -> None:
    """Run statements over a connection of their own, also from inside a running event loop."""

    async def run() -> None:
        connection = await asyncpg.connect(url, timeout=20)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    try:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, run()).result()
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        raise DevServerError(f"PostgreSQL refused: {str(error) or type(error).__name__}") from error


def _checked(name: str) -> str:
    if not _NAME.match(name):
        raise DevServerError(f"{name!r} is no plain database name.")
    return name


class PostgresServer(Databases):
    """A PostgreSQL of our own, made by `start`; it ends with `stop`, with the `with` block or with us."""

    def __init__(self, program: Program, place: Place, password: str, settings: Mapping[str, str], bound: bool):
        super().__init__("")
        self.version = program.version
        self.place = place
        self.port = 0
        self._program = program
        self._password = password
        self._settings = settings
        self._bound = bound
        self._process: ServerProcess | None = None
        self._owner = os.getpid()

    @classmethod
    def start(
        cls,
        base: Path | None = None,
        keep: bool = False,
        port: int | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        die_with_parent: bool = True,
    ) -> Self:
        """Start one on `port` or a free one, with data kept in `base` or thrown away on stop.

        The database `gatehouse` exists. `settings` are postgresql.conf's. Raises DevServerError.
        """
        program = find_postgres()
        if keep and base is None:
            raise DevServerError("Data to keep needs a folder to be kept in.")
        name = program.folder_name
        place = kept_place(base, name) if keep and base else throw_away_place(base, name)
        chosen = _SETTINGS | ({} if keep else _THROW_AWAY_SETTINGS) | dict(settings or {})
        try:
            runnable, password = readable_program(program, place.account), superuser_password(place)
            make_data(runnable, place, USER, password)
            server = cls(runnable, place, password, chosen, die_with_parent)
            server._boot(port)
        except BaseException:
            place.close()
            raise
        if die_with_parent:
            atexit.register(server._stop_at_exit)
        try:
            server._ensure_database()
        except BaseException:
            server.stop()
            raise
        return server

    @property
    def alive(self) -> bool:
        """Whether the server process runs (frozen counts as running)."""
        return self._process is not None and self._process.alive

    def stop(self) -> None:
        """Fast shutdown: connections are ended, the data is written; throw-away data is removed."""
        if self._process is not None:
            self._process.stop(signal.SIGINT)
        self.place.close()
        atexit.unregister(self._stop_at_exit)

    def kill(self) -> None:
        """SIGKILL all its processes; `restart` then recovers as after a crash."""
        self._running().kill()

    def freeze(self) -> None:
        """SIGSTOP all its processes: connections hang instead of breaking."""
        self._running().freeze()

    def thaw(self) -> None:
        """SIGCONT all its processes."""
        self._running().thaw()

    def restart(self) -> None:
        """Stop if running, then start on the same port with the same data and password."""
        self._running().stop(signal.SIGINT)
        self._boot(self.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _running(self) -> ServerProcess:
        if self._process is None:
            raise DevServerError("PostgreSQL was never started.")
        return self._process

    def _stop_at_exit(self) -> None:
        if os.getpid() == self._owner:  # not in a forked child
            self.stop()

    def _boot(self, port: int | None) -> None:
        self.port = start_on_port("PostgreSQL", port, self._launch, self.place.log)
        self.url = f"postgresql://{USER}:{self._password}@127.0.0.1:{self.port}/{DATABASE}"

    def _launch(self, port: int) -> None:
        place = self.place
        options = [word for key, value in self._settings.items() for word in ("-c", f"{key}={value}")]
        place.log.unlink(missing_ok=True)
        pid_file = place.data / "postmaster.pid"
        if processes_are_visible():
            # We hold the lock and saw nobody in the folder: it is a dead server's, its pid perhaps another's.
            pid_file.unlink(missing_ok=True)
        popen = launch(
            [self._program.path, "-D", place.data, "-c", f"port={port}", *options],
            folder=place.data,
            log=place.log,
            account=place.account,
            death_signal=signal.SIGINT if self._bound else None,
        )
        process = ServerProcess(popen, place.data)
        try:
            wait_until(
                lambda: not process.alive or _ready(pid_file, process.pid),
                60,
                lambda: f"PostgreSQL was not ready after a minute: {place.last_words()}",
            )
            if not process.alive:
                raise DevServerError(f"PostgreSQL did not start: {place.last_words()}")
        except BaseException:
            process.kill()
            raise
        self._process = process

    def _ensure_database(self) -> None:
        try:
            self.create_database(DATABASE)
        except DevServerError as error:
            if not isinstance(error.__cause__, asyncpg.DuplicateDatabaseError):
                raise


def _ready(pid_file: Path, pid: int) -> bool:
    """The postmaster writes its state into the eighth line of its pid file."""
    try:
        lines = pid_file.read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"
