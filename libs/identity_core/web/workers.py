"""Several worker processes on the same two sockets.

The parent binds, starts `count` fresh processes (spawned, not forked: no loop, no thread and no half-built
pool is inherited), starts a dead one again, and stops all on SIGTERM or SIGINT. Every worker serves both
listeners; metrics are aggregated by prometheus_client's multiprocess files, so any worker answers `/metrics`
for all. A worker that cannot start (`StartFault`) would fail again: the parent stops the others and raises
its sentence. A worker whose parent vanished stops by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import multiprocessing
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Final

import structlog
import uvloop
from prometheus_client.multiprocess import mark_process_dead

from identity_core import logs
from identity_core.faults import StartFault
from identity_core.settings import ServiceSettings
from identity_core.web.serve import GRACE_SECONDS, bind_both, serve

RESTART_PAUSE_SECONDS: Final = 1.0
_START_FAULT: Final = 78
_MULTIPROC: Final = "PROMETHEUS_MULTIPROC_DIR"

log = structlog.get_logger("identity_core.web")


@dataclass(frozen=True)
class Target:
    """What a worker builds, named so that a fresh process can import it.

    `app`: "authz.app:create_app", called with the settings; `management`: "authz.app:management_app_for",
    called with that application.
    """

    app: str
    management: str


@dataclass
class _Worker:
    process: SpawnProcess
    faults: Connection


def run_workers(target: Target, settings: ServiceSettings, count: int) -> None:
    """Serve with `count` processes until SIGTERM or SIGINT. Raises `StartFault`."""
    sockets = bind_both(settings)
    with contextlib.closing(sockets[0]), contextlib.closing(sockets[1]), _metrics_folder(), _Stop() as stop:
        workers = [_start(target, settings, sockets) for _ in range(count)]
        try:
            while not stop.asked:
                wait([worker.process.sentinel for worker in workers], timeout=0.2)
                for place, worker in enumerate(workers):
                    if not stop.asked and not worker.process.is_alive():
                        workers[place] = _replace(worker, target, settings, sockets)
        finally:
            _stop(workers)


def _start(target: Target, settings: ServiceSettings, sockets: tuple[socket.socket, socket.socket]) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(target, settings, sockets, theirs, os.getpid()))
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _replace(
    dead: _Worker, target: Target, settings: ServiceSettings, sockets: tuple[socket.socket, socket.socket]
) -> _Worker:
    code = dead.process.exitcode
    if dead.process.pid is not None:
        mark_process_dead(dead.process.pid)  # type: ignore[no-untyped-call]
    if code == _START_FAULT and dead.faults.poll():
        raise StartFault(dead.faults.recv())
    dead.faults.close()
    log.error("worker.died", pid=dead.process.pid, exit_code=code)
    time.sleep(RESTART_PAUSE_SECONDS)
    return _start(target, settings, sockets)


def _stop(workers: list[_Worker]) -> None:
    for worker in workers:
        if worker.process.is_alive():
            worker.process.terminate()
    end = time.monotonic() + GRACE_SECONDS + 3
    for worker in workers:
        worker.process.join(max(0.0, end - time.monotonic()))
        if worker.process.is_alive():
            log.error("worker.killed", pid=worker.process.pid)
            worker.process.kill()
            worker.process.join()


def _work(
    target: Target,
    settings: ServiceSettings,
    sockets: tuple[socket.socket, socket.socket],
    faults: Connection,
    parent: int,
) -> None:
    """The life of one worker process."""
    logs.configure(settings.service, settings.log_level)
    try:
        app = _named(target.app)(settings)
        management = _named(target.management)(app)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve_while_parented(app, management, settings, sockets, parent))
    except StartFault as fault:
        faults.send(str(fault))
        faults.close()
        raise SystemExit(_START_FAULT) from None


async def _serve_while_parented(
    app: Any,
    management: Any,
    settings: ServiceSettings,
    sockets: tuple[socket.socket, socket.socket],
    parent: int,
) -> None:
    stop = asyncio.Event()

    async def watch() -> None:
        while os.getppid() == parent:  # noqa: ASYNC110 - the system tells nobody
            await asyncio.sleep(1)
        stop.set()

    watching = asyncio.create_task(watch())
    try:
        await serve(app, management, settings, sockets=sockets, stop=stop)
    finally:
        watching.cancel()


def _named(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


@contextlib.contextmanager
def _metrics_folder() -> Iterator[None]:
    """The folder the workers share their metrics in; theirs because the environment is inherited."""
    given = os.environ.get(_MULTIPROC)
    folder = given or tempfile.mkdtemp(prefix="gatehouse-metrics-")
    os.environ[_MULTIPROC] = folder
    try:
        yield
    finally:
        if not given:
            del os.environ[_MULTIPROC]
            shutil.rmtree(folder, ignore_errors=True)


class _Stop:
    """SIGTERM and SIGINT, noticed by the parent."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> _Stop:
        self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: object) -> None:
        self.asked = True
