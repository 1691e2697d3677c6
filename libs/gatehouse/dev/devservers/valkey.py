"""An embedded Valkey (or the machine's Redis) on loopback TCP."""

import atexit
import os
import re
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from gatehouse.dev.devservers.accounts import give
from gatehouse.dev.devservers.errors import DevServerError
from gatehouse.dev.devservers.places import Place, kept_place, throw_away_place
from gatehouse.dev.devservers.processes import ServerProcess, launch, start_on_port, wait_until
from gatehouse.dev.devservers.programs import Program, find_valkey, readable_program

_CONFIGURATION = "server.conf"
_PASSWORD = re.compile(r"[A-Za-z0-9._~-]+")


def server_version(info: Mapping[str, Any]) -> tuple[str, str]:
    """What `INFO server` says it is, as ("valkey", "9.1.2") or ("redis", "7.0.15").

    A Valkey gives its compatibility level, 7.2.4, as `redis_version`, so `valkey_version` is read first.
    """
    if version := info.get("valkey_version"):
        return "valkey", str(version)
    return "redis", str(info["redis_version"])


class ValkeyServer:
    """A Valkey of our own, made by `start`; it ends with `stop`, with the `with` block or with us."""

    def __init__(self, program: Program, place: Place, password: str | None, aof: bool, lines: Sequence[str]):
        self.version = program.version
        self.place = place
        self.port = 0
        self.aof = aof
        self.password = password
        self.sentinel = False
        self._program = program
        self._lines = tuple(lines)
        self._bound = True
        self._process: ServerProcess | None = None
        self._snapshot = place.base / "snapshot"
        self._owner = os.getpid()

    @classmethod
    def start(
        cls,
        base: Path | None = None,
        keep: bool = False,
        port: int | None = None,
        *,
        password: str | None = None,
        aof: bool | None = None,
        settings: Sequence[str] = (),
        sentinel: bool = False,
        die_with_parent: bool = True,
    ) -> Self:
        """Start one on `port` or a free one, with data kept in `base` or thrown away on stop.

        `aof`: append-only file, synced every second (default: when kept). `settings`: lines of valkey.conf.
        `sentinel`: a sentinel instead of a data server. Raises DevServerError.
        """
        program = find_valkey()
        if password is not None and not _PASSWORD.fullmatch(password):
            raise DevServerError("A Valkey password here is letters, digits, '-', '_', '.' or '~'.")
        if keep and base is None:
            raise DevServerError("Data to keep needs a folder to be kept in.")
        name = program.folder_name
        place = kept_place(base, name) if keep and base else throw_away_place(base, name)
        try:
            runnable = readable_program(program, place.account)
            server = cls(runnable, place, password, keep if aof is None else aof, settings)
            server.sentinel, server._bound = sentinel, die_with_parent
            server._boot(port)
        except BaseException:
            place.close()
            raise
        if die_with_parent:
            atexit.register(server._stop_at_exit)
        return server

    @property
    def url(self) -> str:
        """redis://[:password@]127.0.0.1:port/0."""
        login = f":{self.password}@" if self.password else ""
        return f"redis://{login}127.0.0.1:{self.port}/0"

    @property
    def alive(self) -> bool:
        """Whether the server process runs (frozen counts as running)."""
        return self._process is not None and self._process.alive

    def client(self) -> "redis.Redis":
        """A synchronous client that answers text; the caller closes it."""
        return redis.Redis.from_url(self.url, decode_responses=True, socket_timeout=10)

    def stop(self) -> None:
        """Orderly shutdown: an append-only file is synced; throw-away data is removed."""
        if self._process is not None:
            self._process.stop(signal.SIGTERM)
        self.place.close()
        atexit.unregister(self._stop_at_exit)

    def kill(self) -> None:
        """SIGKILL: what the append-only file holds is what `restart` finds; without one, nothing."""
        self._running().kill()

    def freeze(self) -> None:
        """SIGSTOP: connections hang instead of breaking."""
        self._running().freeze()

    def thaw(self) -> None:
        """SIGCONT."""
        self._running().thaw()

    def restart(self, empty: bool = False) -> None:
        """Stop if running, then start on the same port, with the data or (`empty`) without any.

        A server killed before, and without append-only file, comes back empty: its data was in memory only.
        """
        process = self._running()
        process.thaw()
        if process.alive and not empty and not self.aof and not self.sentinel:
            self._save()
        process.stop(signal.SIGTERM)
        if empty:
            shutil.rmtree(self.place.data)
        self._boot(self.port)

    def save_snapshot(self) -> None:
        """Remember the data as it is now, replacing an earlier snapshot; the server goes on."""
        if not self.aof:
            self._save()
        process = self._running()
        process.freeze()
        try:
            shutil.rmtree(self._snapshot, ignore_errors=True)
            shutil.copytree(self.place.data, self._snapshot)
        finally:
            process.thaw()
            self._forget_dump()

    def restore_snapshot(self) -> None:
        """Restart with the data of the snapshot, as a server does that lost what came after."""
        if not self._snapshot.exists():
            raise DevServerError("There is no Valkey snapshot to restore.")
        self._running().kill()
        shutil.rmtree(self.place.data)
        shutil.copytree(self._snapshot, self.place.data)
        self._boot(self.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _running(self) -> ServerProcess:
        if self._process is None:
            raise DevServerError("Valkey was never started.")
        return self._process

    def _stop_at_exit(self) -> None:
        if os.getpid() == self._owner:  # not in a forked child
            self.stop()

    def _save(self) -> None:
        with self.client() as client:
            client.save()

    def _forget_dump(self) -> None:
        """A server without persistence must not find an old dump after its next crash."""
        if not self.aof:
            (self.place.data / "dump.rdb").unlink(missing_ok=True)

    def _boot(self, port: int | None) -> None:
        self.port = start_on_port("Valkey", port, self._launch, self.place.log)
        self._forget_dump()

    def _configure(self, port: int) -> Path:
        data = self.place.data
        path = data / _CONFIGURATION
        try:
            data.mkdir(mode=0o700, exist_ok=True)
            # A sentinel that ran before keeps its state in its configuration.
            if not (self.sentinel and self._process and path.exists()):
                path.unlink(missing_ok=True)
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                    file.write("\n".join([*self._basics(port), *self._lines, ""]))
            give(data, self.place.account)
        except OSError as error:
            raise DevServerError(f"Cannot make {data}: {error.strerror}.") from error
        return path

    def _basics(self, port: int) -> list[str]:
        lines = ["bind 127.0.0.1", f"port {port}", f'dir "{self.place.data}"', "daemonize no"]
        if self.password:
            lines += [f'requirepass "{self.password}"', f'masterauth "{self.password}"'][: 1 if self.sentinel else 2]
        if self.sentinel:
            return lines
        persistence = ["appendonly yes", "appendfsync everysec"] if self.aof else ["appendonly no"]
        return [*lines, 'save ""', "maxmemory-policy noeviction", *persistence]

    def _launch(self, port: int) -> None:
        place = self.place
        path = self._configure(port)
        place.log.unlink(missing_ok=True)
        # Nothing else ends a frozen server when its parent is killed; kept data deserves an orderly shutdown.
        ending = signal.SIGTERM if place.keep else signal.SIGKILL
        popen = launch(
            [self._program.path, path, *(["--sentinel"] if self.sentinel else [])],
            folder=place.data,
            log=place.log,
            account=place.account,
            death_signal=ending if self._bound else None,
        )
        process = ServerProcess(popen, place.data)
        try:
            wait_until(
                lambda: not process.alive or _ready(place.log, self.sentinel),
                60,
                lambda: f"Valkey was not ready after a minute: {place.last_words()}",
            )
            if not process.alive:
                raise DevServerError(f"Valkey did not start: {place.last_words()}")
        except BaseException:
            process.kill()
            raise
        self._process = process


def _ready(log: Path, sentinel: bool) -> bool:
    """It said so itself: a PING could be answered by another server, whose port ours has tried to take."""
    try:
        said = log.read_text(errors="replace")
    except OSError:
        return False
    return ("Sentinel ID is" if sentinel else "Ready to accept connections") in said
