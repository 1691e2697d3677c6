"""Serving: the public and the management listener of one service, in one loop, until told to stop.

`serve` binds both sockets first (a taken port is one sentence, `StartFault`), runs the application's lifespan
itself so that its `StartFault` reaches the caller, then answers until SIGTERM or SIGINT: the public listener
stops accepting and finishes its requests within `GRACE_SECONDS`, `/readyz` saying so meanwhile; then
management stops, then the lifespan ends. `run` is `serve` in a fresh uvloop, for commands; several workers are
in `identity_core.web.workers`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

import structlog
import uvicorn
import uvloop
from starlette.applications import Starlette

from identity_core.faults import StartFault
from identity_core.settings import ServiceSettings, name_of
from identity_core.web.http_protocol import BoundedHttpProtocol

GRACE_SECONDS: Final = 10
KEEP_ALIVE_SECONDS: Final = 65
BACKLOG: Final = 2048

log = structlog.get_logger("identity_core.web")


def bind(host: str, port: int, setting: str) -> socket.socket:
    """A bound, not yet listening TCP socket. `setting` names what to change in the `StartFault`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            mend = f"stop what listens there, or set {setting} to another port"
            raise StartFault(f"Port {port} on {host} is taken: {mend}.") from error
        mend = f"set {setting} and its host to an address of this machine"
        raise StartFault(f"{host}:{port} cannot be listened on ({os.strerror(error.errno or 0)}): {mend}.") from error
    return listener


def bind_both(settings: ServiceSettings) -> tuple[socket.socket, socket.socket]:
    """The public and the management socket of `settings`."""
    kind = type(settings)
    public = bind(settings.host, settings.port, name_of(kind, "port"))
    try:
        inside = bind(settings.management_host, settings.management_port, name_of(kind, "management_port"))
    except StartFault:
        public.close()
        raise
    return public, inside


async def serve(
    app: Starlette,
    management: Starlette,
    settings: ServiceSettings,
    *,
    sockets: tuple[socket.socket, socket.socket] | None = None,
    stop: asyncio.Event | None = None,
    on_started: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or `stop`. Raises `StartFault`."""
    stop = stop or asyncio.Event()
    public_socket, inside_socket = sockets or bind_both(settings)
    with contextlib.closing(public_socket), contextlib.closing(inside_socket), _signals(stop):
        public = _Server(_config(app, settings, tls=True))
        inside = _Server(_config(management, settings, tls=False))
        async with app.router.lifespan_context(app):
            # What was built so far lives as long as the process: keep the collector from walking it.
            gc.collect()
            gc.freeze()
            async with inside.serving(inside_socket), public.serving(public_socket):
                log.info(
                    "service.started",
                    host=settings.host,
                    port=public_socket.getsockname()[1],
                    pid=os.getpid(),
                )
                if on_started:
                    on_started()
                await stop.wait()
                management.state.stopping = True
                log.info("service.stopping", pid=os.getpid())


def run(
    app: Starlette,
    management: Starlette,
    settings: ServiceSettings,
    *,
    sockets: tuple[socket.socket, socket.socket] | None = None,
) -> None:
    """`serve` in a uvloop of its own. Raises `StartFault`; returns after a clean stop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(app, management, settings, sockets=sockets))


class _Server(uvicorn.Server):
    """uvicorn's server without its own signal handling: two of them share this process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    @contextlib.asynccontextmanager
    async def serving(self, listener: socket.socket) -> AsyncIterator[None]:
        """Listening inside; at the end stop accepting and finish what runs."""
        task = asyncio.create_task(self.serve(sockets=[listener]))
        try:
            while not self.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.005)
            if task.done():
                task.result()
                raise StartFault("The HTTP server ended before it began: see the log.")
            yield
        finally:
            self.should_exit = True
            await task


def _config(app: Starlette, settings: ServiceSettings, *, tls: bool) -> uvicorn.Config:
    certfile, keyfile = (settings.tls_certfile, settings.tls_keyfile) if tls else (None, None)
    config = uvicorn.Config(
        app,
        http=BoundedHttpProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=BACKLOG,
        ssl_certfile=certfile,
        ssl_keyfile=keyfile,
    )
    try:
        config.load()
    except (ssl.SSLError, OSError) as error:
        raise StartFault(
            "The TLS certificate or key cannot be used: "
            "check GATEHOUSE_TLS_CERTFILE and GATEHOUSE_TLS_KEYFILE (PEM, and they must belong together)."
        ) from error
    return config


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set `stop` (where handlers may be set: in the main thread)."""
    loop = asyncio.get_running_loop()
    set_here: list[signal.Signals] = []
    with contextlib.suppress(ValueError, RuntimeError):
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
            set_here.append(number)
    try:
        yield
    finally:
        for number in set_here:
            loop.remove_signal_handler(number)
