"""A whole house in processes of its own, to be killed and started again: three services, perhaps the demo, on free
ports over stores that the caller gives."""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from authz.storage import clients
from gatehouse.dev import devjson
from gatehouse.dev.certificate import ensure_certificate
from gatehouse.dev.children import tail_of
from gatehouse.dev.plan import (
    ROLES,
    SERVICES,
    Plan,
    Ports,
    demo_environment,
    role_urls,
    service_environment,
)
from gatehouse.dev.planting import plant
from gatehouse.dev.secrets import DevSecrets, make
from gatehouse.dev.seed_data import DEFAULT_TENANT
from identity_core.db import create_pool, transaction
from identity_core.testing.stack import House, Registration
from identity_core.testing.stores import Postgres

_READY_SECONDS = 90
_STOP_SECONDS = 20
# Below the range from which the system takes ports for outgoing connections, so a killed service finds its own free.
_PORTS = range(12_000, 30_000)
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
# Every visitor says its own address, so that one's attempts do not count for the others.
_SETTINGS = {"GATEHOUSE_TRUSTED_PROXIES": "127.0.0.1/32", "GATEHOUSE_LOG_LEVEL": "info"}


@dataclass(frozen=True)
class Stores:
    """The URLs of a migrated database and of a Redis that is this house's own."""

    postgres: Postgres
    redis_url: str


class Stack:
    """The processes of one house. `house` is what its callers know."""

    def __init__(self, plan: Plan, secrets: DevSecrets, stores: Stores) -> None:
        self.plan, self.secrets, self.stores = plan, secrets, stores
        urls = {"database_url": stores.postgres.owner_url, "redis_url": stores.redis_url}
        self.house = House.from_document(devjson.document(plan, secrets, **urls))
        self._settings = {name: service_environment(plan, secrets, name, **urls) for name in SERVICES}
        if plan.demo:
            self._settings["demo"] = demo_environment(plan, secrets)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._starts = dict.fromkeys(self._settings, 0)

    @classmethod
    async def start(
        cls,
        folder: Path,
        stores: Stores,
        *,
        tls: bool = False,
        demo: bool = False,
        otel: str = "off",
        settings: Mapping[str, str] | None = None,
    ) -> Stack:
        """Seed the database, start every service and wait until all are ready."""
        certificates = ensure_certificate(folder) if tls else None
        environ = dict(os.environ) | _SETTINGS | dict(settings or {})
        plan = Plan(data=folder, ports=_free_ports(), certificates=certificates, otel=otel, demo=demo, environ=environ)
        secrets = replace(make(), role_passwords=_role_passwords(stores.postgres))
        stack = cls(plan, secrets, stores)
        await plant(plan, secrets, role_urls(stores.postgres.owner_url, secrets))
        try:
            for name in stack._settings:
                stack.launch(name)
            await stack.ready()
        except BaseException:
            stack.stop()
            raise
        return stack

    def launch(self, name: str) -> None:
        """Start one process, with a new log; it is not ready yet."""
        assert name not in self._running, f"{name} runs"
        self._starts[name] += 1
        program = ["gatehouse.demo"] if name == "demo" else ["gatehouse", "serve", name]
        environment = _plain(self.plan) | self._settings[name]
        self._running[name] = _popen([sys.executable, "-m", *program], environment, self._log(name))

    def kill(self, name: str) -> None:
        """SIGKILL: the process ends between two instructions."""
        process = self._running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    async def restart(self, name: str) -> None:
        """Start a killed process again and wait until it is ready."""
        self.launch(name)
        await self.ready()

    def ensure(self, name: str) -> None:
        """Start it unless it runs."""
        if name not in self._running:
            self.launch(name)

    def stop(self) -> None:
        """End what runs: SIGTERM to all, then SIGKILL to whom that does not reach."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._running.clear()

    async def ready(self) -> None:
        """Return when every process that runs says it is ready. Fails with the ends of the logs."""
        deadline = time.monotonic() + _READY_SECONDS
        async with self.house.http(timeout=5) as http:
            while not await self._all_ready(http):
                dead = [name for name, process in self._running.items() if process.poll() is not None]
                if dead or time.monotonic() > deadline:
                    raise AssertionError(f"not ready (ended: {dead})\n{self.logs(dead or list(self._running))}")
                await asyncio.sleep(0.1)

    async def _all_ready(self, http: httpx.AsyncClient) -> bool:
        for name in self._running:
            url = f"{self.house.demo_url}/healthz" if name == "demo" else f"{self.house.management[name]}/readyz"
            try:
                if (await http.get(url)).status_code != httpx.codes.OK:
                    return False
            except httpx.HTTPError:
                return False
        return True

    def logs(self, names: Sequence[str] = SERVICES) -> str:
        """The ends of the newest logs."""
        return "\n".join(f"{name}:\n{tail_of(self._log(name))}" for name in names)

    def whole_logs(self) -> str:
        """Everything that every process has said since the start."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.plan.logs.glob("*.log")))

    def _log(self, name: str) -> Path:
        return self.plan.logs / f"{name}.{self._starts[name]}.log"

    async def register(self, *, first_party: bool = True, **metadata: Any) -> Registration:
        """Register a client of the default tenant (RFC 7591 metadata)."""
        pool = await create_pool(self.stores.postgres.authz_url, size=1, name="flows")
        try:
            async with transaction(pool) as connection:
                made = await clients.register(connection, DEFAULT_TENANT, metadata, first_party=first_party)
        finally:
            await pool.close()
        after = metadata.get("post_logout_redirect_uris") or [None]
        return Registration(made.client_id, made.client_secret, metadata.get("redirect_uris", [""])[0], after[0])


def _role_passwords(postgres: Postgres) -> dict[str, str]:
    urls = {"authz": postgres.authz_url, "scim": postgres.scim_url, "sessions": postgres.sessions_url}
    assert {f"gatehouse_{name}" for name in urls} == set(ROLES.values())
    return {name: urlsplit(url).password or "" for name, url in urls.items()}


def _free_ports() -> Ports:
    """Ports that nobody listens on, at random, so that runs beside each other do not choose the same."""
    free: list[int] = []
    while len(free) < len(fields(Ports)):
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in free:
            free.append(port)
    return Ports(**{field.name: port for field, port in zip(fields(Ports), free, strict=True)})


def free_port() -> int:
    """One such port, for a server of a test."""
    return _free_ports().authz


def _plain(plan: Plan) -> dict[str, str]:
    """Our environment without any setting of Gatehouse. Compiled modules are kept for the next start in any case."""
    plain = {name: value for name, value in plan.environ.items() if not name.startswith("GATEHOUSE_")}
    if plain.pop("PYTHONDONTWRITEBYTECODE", ""):
        plain["PYTHONPYCACHEPREFIX"] = str(plan.data.parent / "bytecode")
    return plain | {"PYTHONUNBUFFERED": "1"}


def _popen(command: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A process group of its own that ends with us."""
    parent = os.getpid()

    def arrange() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        return subprocess.Popen(
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=arrange,  # noqa: PLW1509 - two calls that take no lock
        )
