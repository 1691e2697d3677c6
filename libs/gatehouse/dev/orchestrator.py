"""`gatehouse dev`: stores, migration, seed, three services and the demo; then a table; then a clean end.

Everything started here ends here, in the opposite order, also when a step fails or somebody presses Ctrl-C.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import httpx

from gatehouse import revisions
from gatehouse.dev import devjson
from gatehouse.dev.certificate import ensure_certificate
from gatehouse.dev.children import Child, Order, first_death, stop_in_order, tail_of
from gatehouse.dev.devservers import DevServers
from gatehouse.dev.plan import (
    SERVICES,
    Plan,
    plain_environment,
    role_urls,
    service_environment,
    taken_ports,
)
from gatehouse.dev.progress import Progress
from gatehouse.dev.secrets import DevSecrets, load_or_make
from gatehouse.dev.seed import seed
from gatehouse.dev.spans import relay_spans
from gatehouse.faults import CommandFault, ExitCode
from identity_core.settings import load

T = TypeVar("T")
READY_SECONDS = 60.0
_POLL_SECONDS = 0.05
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stopped(Exception):
    """Somebody asked us to end while we were still starting."""


@dataclass(frozen=True)
class House:
    """What is needed to start and describe the processes."""

    plan: Plan
    secrets: DevSecrets
    database_url: str
    redis_url: str

    def describe(self) -> dict[str, Any]:
        """The content of dev.json."""
        return devjson.document(self.plan, self.secrets, database_url=self.database_url, redis_url=self.redis_url)


async def run(plan: Plan, *, tls: bool, progress: Progress) -> ExitCode:
    """Run the house until it is asked to end. Raises CommandFault when it cannot start or a process dies."""
    stop = asyncio.Event()
    with _signals(stop):
        try:
            async with AsyncExitStack() as ends:
                house, children = await _start(plan, tls, progress, stop, ends)
                path = devjson.write(plan.data, house.describe())
                progress.ready(house.describe(), path)
                if plan.otel == "console":
                    ends.push_async_callback(_cancelled, asyncio.create_task(relay_spans(children)))
                await _until_stopped(children, stop)
                progress.stopping()
        except _Stopped:
            progress.stopping()
    progress.stopped()
    return ExitCode.OK


async def _start(
    plan: Plan, tls: bool, progress: Progress, stop: asyncio.Event, ends: AsyncExitStack
) -> tuple[House, list[Child]]:
    _refuse_taken_ports(plan)
    _make_folder(plan.data)
    if tls:
        plan = replace(plan, certificates=ensure_certificate(plan.data.absolute()))
    secrets = load_or_make(plan.data)
    _check_settings(plan, secrets)

    async def step(name: str, work: Callable[[], Awaitable[T]]) -> T:
        if stop.is_set():
            raise _Stopped
        with progress.step(name):
            return await work()

    async def stores() -> DevServers:
        servers = await asyncio.to_thread(DevServers.start, plan.data.absolute(), True)
        ends.push_async_callback(asyncio.to_thread, servers.stop)
        return servers

    servers = await step("PostgreSQL and Valkey", stores)
    house = House(plan, secrets, servers.postgres.url, servers.valkey.url)
    urls = role_urls(house.database_url, secrets)
    await step("Migrations", lambda: asyncio.to_thread(revisions.upgrade, house.database_url, urls))
    await step("Demo tenant", lambda: seed(plan, secrets, urls))
    children: list[Child] = []
    ends.push_async_callback(stop_in_order, children)

    async def services() -> None:
        for order in orders(house):
            children.append(await Child.start(order))  # noqa: PERF401 - each is ours to stop from its start on
        await _all_ready(plan, children, stop)

    await step("Services" + (" and demo application" if plan.demo else ""), services)
    return house, children


def orders(house: House) -> list[Order]:
    """The processes to start, in this order; they are stopped in the opposite one."""
    plan, secrets = house.plan, house.secrets
    plain = plain_environment(plan.environ) | {"PYTHONUNBUFFERED": "1"}
    made = [
        Order(
            name=service,
            command=[sys.executable, "-m", "gatehouse", "serve", service],
            environment=plain
            | service_environment(plan, secrets, service, database_url=house.database_url, redis_url=house.redis_url),
            log=plan.logs / f"{service}.log",
        )
        for service in reversed(SERVICES)
    ]
    if plan.demo:
        made.append(
            Order(
                name="demo",
                command=[sys.executable, "-m", "gatehouse.demo"],
                environment=plain | demo_environment(plan, secrets),
                log=plan.logs / "demo.log",
            )
        )
    return made


def demo_environment(plan: Plan, secrets: DevSecrets) -> dict[str, str]:
    """The settings of the demo application (`gatehouse.demo.settings`)."""
    settings = {
        "GATEHOUSE_DEMO_URL": plan.demo_url,
        "GATEHOUSE_DEMO_ISSUER": plan.issuer,
        "GATEHOUSE_DEMO_CLIENT_ID": "web",
        "GATEHOUSE_DEMO_CLIENT_SECRET": secrets.web_secret,
        "GATEHOUSE_DEMO_COOKIE_KEY": secrets.demo_cookie_key,
        "GATEHOUSE_DEMO_OTEL": plan.otel,
    }
    if endpoint := plan.environ.get("GATEHOUSE_OTEL_ENDPOINT"):
        settings["GATEHOUSE_DEMO_OTEL_ENDPOINT"] = endpoint
    if plan.certificates:
        settings["GATEHOUSE_DEMO_CA_FILE"] = str(plan.certificates.authority)
        settings["GATEHOUSE_DEMO_TLS_CERTFILE"] = str(plan.certificates.chain)
        settings["GATEHOUSE_DEMO_TLS_KEYFILE"] = str(plan.certificates.key)
    return settings


def _check_settings(plan: Plan, secrets: DevSecrets) -> None:
    """Read each service's settings as it will, so that a fault is told before anything has started."""
    from gatehouse.cli.settings_of import EVERY_NAME, settings_class

    for service in SERVICES:
        environment = service_environment(
            plan, secrets, service, database_url="postgresql://owner@127.0.0.1/x", redis_url="redis://127.0.0.1"
        )
        load(settings_class(service), environment, known_elsewhere=EVERY_NAME)


def _refuse_taken_ports(plan: Plan) -> None:
    taken = taken_ports(plan.ports, demo=plan.demo)
    if taken:
        named = ", ".join(f"{port} ({name})" for name, port in taken)
        raise CommandFault(
            ExitCode.PORT,
            f"Port {named} is taken" if len(taken) == 1 else f"Ports {named} are taken",
            "stop what listens there, or choose others with `--port-base 9000`",
        )


def _make_folder(data: Path) -> None:
    try:
        # Root's servers run as another user, who must be able to pass through.
        data.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandFault(
            ExitCode.SETTINGS,
            f"The folder {data} cannot be made ({error.strerror})",
            "choose another with --data",
        ) from error


async def _all_ready(plan: Plan, children: list[Child], stop: asyncio.Event) -> None:
    """Wait until every child answers that it is ready, one of them dies, or somebody asks us to end."""
    urls = [f"{plan.management(service)}/readyz" for service in SERVICES]
    if plan.demo:
        urls.append(f"{plan.demo_url}/healthz")
    async with httpx.AsyncClient(verify=_trust(plan), trust_env=False, timeout=2) as client:
        ready = asyncio.ensure_future(_all_of(client, urls))
        death = asyncio.ensure_future(first_death(children))
        asked = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({ready, death, asked}, timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if death.done():
                raise death.result().death()
            if stop.is_set():
                raise _Stopped
            if not ready.done():
                raise _not_ready(plan, children)
        finally:
            await _cancelled(ready, death, asked)


async def _all_of(client: httpx.AsyncClient, urls: Iterable[str]) -> None:
    await asyncio.gather(*(_ready(client, url) for url in urls))


def _trust(plan: Plan) -> ssl.SSLContext | bool:
    return ssl.create_default_context(cafile=plan.certificates.authority) if plan.certificates else True


async def _ready(client: httpx.AsyncClient, url: str) -> None:
    while True:
        try:
            if (await client.get(url)).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass  # not listening yet
        await asyncio.sleep(_POLL_SECONDS)


def _not_ready(plan: Plan, children: list[Child]) -> CommandFault:
    tails = "\n".join(f"{child.order.name}:\n{tail_of(child.order.log)}" for child in children)
    return CommandFault(
        ExitCode.CHILD,
        f"The services were not ready after {READY_SECONDS:.0f} seconds",
        f"look into {plan.logs}; the logs end with:\n{tails}",
    )


async def _until_stopped(children: list[Child], stop: asyncio.Event) -> None:
    death, asked = asyncio.ensure_future(first_death(children)), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([death, asked], return_when=asyncio.FIRST_COMPLETED)
        if death.done() and not stop.is_set():
            raise death.result().death()
    finally:
        await _cancelled(death, asked)


async def _cancelled(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """The first interruption ends the house in order; the others change nothing, for the end is under way."""
    loop = asyncio.get_running_loop()
    for number in _ENDINGS:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in _ENDINGS:
            loop.remove_signal_handler(number)


__all__ = ["House", "demo_environment", "orders", "run"]
