"""`gatehouse dev`: stores, migration, seed, three services and the demo; then a table; then a clean end.

Everything started here ends here, in the opposite order, also when a step fails or somebody presses Ctrl-C. What takes
long to import is imported while the stores boot.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from gatehouse.cli.settings_of import EVERY_NAME, settings_class
from gatehouse.dev import devjson
from gatehouse.dev.children import Child, Order, first_death, stop_in_order
from gatehouse.dev.devservers import DevServers
from gatehouse.dev.plan import (
    SERVICES,
    Plan,
    demo_environment,
    plain_environment,
    refuse_taken_ports,
    role_urls,
    service_environment,
)
from gatehouse.dev.progress import Progress
from gatehouse.dev.secrets import DevSecrets, load_or_make
from gatehouse.faults import CommandFault, ExitCode
from identity_core.settings import load

T = TypeVar("T")
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STORES_POLL_SECONDS = 1.0


class _Stopped(Exception):
    """Somebody asked us to end while we were still starting."""


@dataclass(frozen=True)
class House:
    """What runs: the plan it follows, its secrets and its stores."""

    plan: Plan
    secrets: DevSecrets
    servers: DevServers

    @property
    def database_url(self) -> str:
        return self.servers.postgres.url

    def describe(self) -> dict[str, Any]:
        """The content of dev.json."""
        return devjson.document(
            self.plan, self.secrets, database_url=self.database_url, redis_url=self.servers.valkey.url
        )

    def settings_of(self, name: str) -> dict[str, str]:
        """The settings of one process."""
        if name == "demo":
            return demo_environment(self.plan, self.secrets)
        return service_environment(
            self.plan, self.secrets, name, database_url=self.database_url, redis_url=self.servers.valkey.url
        )


async def run(plan: Plan, *, tls: bool, progress: Progress) -> ExitCode:
    """Run the house until it is asked to end. Raises CommandFault when it cannot start or a process dies."""
    stop = asyncio.Event()
    refuse_taken_ports(plan)
    with _signals(stop), _only_one(plan):
        try:
            async with AsyncExitStack() as ends:
                house, children = await _start(plan, tls, progress, stop, ends)
                path = devjson.write(plan.data, house.describe())
                progress.ready(house.describe(), path)
                if house.plan.otel == "console":
                    _relay_spans(children, ends)
                await _until_stopped(house, children, stop)
                progress.stopping()
        except _Stopped:
            progress.stopping()
    progress.stopped()
    return ExitCode.OK


async def _start(
    plan: Plan, tls: bool, progress: Progress, stop: asyncio.Event, ends: AsyncExitStack
) -> tuple[House, list[Child]]:
    async def step(name: str, work: Callable[[], Awaitable[T]]) -> T:
        if stop.is_set():
            raise _Stopped
        with progress.step(name):
            return await work()

    if tls:
        from gatehouse.dev.certificate import ensure_certificate

        plan = replace(plan, certificates=ensure_certificate(plan.data.absolute()))
    secrets = load_or_make(plan.data)
    _check_settings(plan, secrets)
    stores, children = list[DevServers](), list[Child]()
    ends.push_async_callback(_stop_stores, stores)
    ends.push_async_callback(stop_in_order, children)
    for order in orders(plan):
        children.append(await Child.start(order))
    await step("PostgreSQL and Valkey", lambda: _boot_stores(plan, stores))
    house = House(plan, secrets, stores[0])
    await step("Migrations", lambda: _migrate(house))
    await step("Demo tenant", lambda: _seed(house))
    named = "Services and demo application" if plan.demo else "Services"
    await step(named, lambda: _services(house, children, stop))
    return house, children


async def _boot_stores(plan: Plan, stores: list[DevServers]) -> None:
    stores.append(await asyncio.to_thread(DevServers.start, plan.data.absolute(), True))


async def _stop_stores(stores: list[DevServers]) -> None:
    for servers in stores:
        await asyncio.to_thread(servers.stop)


async def _migrate(house: House) -> None:
    """Nothing when the database is as it should be: what migrates takes longer to import than everything else here."""
    from gatehouse.revisions import roles_can_enter, standing, upgrade

    urls = role_urls(house.database_url, house.secrets)
    if (await standing(house.database_url)).missing or not await roles_can_enter(urls):
        await asyncio.to_thread(upgrade, house.database_url, urls)


async def _seed(house: House) -> None:
    from gatehouse.dev.seed import seed

    await seed(house.plan, house.secrets, role_urls(house.database_url, house.secrets))


async def _services(house: House, children: Sequence[Child], stop: asyncio.Event) -> None:
    from gatehouse.dev.readiness import all_ready

    for child in children:
        await child.tell(house.settings_of(child.order.name))
    if not await all_ready(house.plan, children, stop):
        raise _Stopped


def _relay_spans(children: Sequence[Child], ends: AsyncExitStack) -> None:
    from gatehouse.dev.readiness import cancelled
    from gatehouse.dev.spans import SpanRelay

    relay = SpanRelay(children)
    # From the last to the first: what the children say while they end is printed too.
    ends.callback(relay.catch_up)
    ends.push_async_callback(stop_in_order, children)
    ends.push_async_callback(cancelled, asyncio.ensure_future(relay.run()))


def orders(plan: Plan) -> list[Order]:
    """The processes to start, in this order; they are stopped in the opposite one."""
    plain = plain_environment(plan)
    if plan.otel == "console":
        plain |= {"OTEL_BSP_SCHEDULE_DELAY": "500"}  # milliseconds: somebody is watching
    names = [*reversed(SERVICES), *(["demo"] if plan.demo else [])]
    return [
        Order(
            name=name,
            command=[sys.executable, "-m", "gatehouse.dev.preloaded", name],
            environment=plain,
            log=plan.logs / f"{name}.log",
        )
        for name in names
    ]


def _check_settings(plan: Plan, secrets: DevSecrets) -> None:
    """Read each service's settings as it will, so that a fault is told before anything has started."""
    for service in SERVICES:
        environment = service_environment(
            plan, secrets, service, database_url="postgresql://owner@127.0.0.1/x", redis_url="redis://127.0.0.1"
        )
        load(settings_class(service), environment, known_elsewhere=EVERY_NAME)


@contextmanager
def _only_one(plan: Plan) -> Iterator[None]:
    """One house a folder: its logs and stores are one run's. The lock goes with the process."""
    try:
        # Root's servers run as another user, who must be able to pass through.
        plan.data.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        lock = os.open(plan.data / "dev.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CommandFault(
            ExitCode.SETTINGS,
            f"The folder {plan.data} cannot be used ({error.strerror})",
            "make it writable, or choose another with --data",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise CommandFault(
            ExitCode.CONFLICT,
            f"Another `gatehouse dev` runs in {plan.data}",
            "stop that one, or choose another folder with --data",
        ) from error
    finally:
        os.close(lock)


async def _until_stopped(house: House, children: Sequence[Child], stop: asyncio.Event) -> None:
    from gatehouse.dev.readiness import cancelled

    death = asyncio.ensure_future(first_death(children))
    store = asyncio.ensure_future(_store_death(house.servers))
    asked = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([death, store, asked], return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            return
        raise store.result() if store.done() else death.result().death()
    finally:
        await cancelled(death, store, asked)


async def _store_death(servers: DevServers) -> CommandFault:
    """Wait until a store of our own has ended."""
    while True:
        for name, server in (("PostgreSQL", servers.postgres), ("Valkey", servers.valkey)):
            if not getattr(server, "alive", True):  # one that is not ours has no such word
                return CommandFault(
                    ExitCode.CHILD, f"{name} ended by itself", "see its log beside the data, and start again"
                )
        await asyncio.sleep(_STORES_POLL_SECONDS)


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
