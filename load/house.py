"""A house of its own for one run: throw-away stores that sync as kept ones do, migrated, and the services on them.

Everything started here ends with the block, also after a fault. Ports are free ones, addresses are loopback.
"""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx

from gatehouse import revisions
from gatehouse.dev import secrets as dev_secrets
from gatehouse.dev.children import Child, Order, first_death, stop_in_order, tail_of
from gatehouse.dev.devservers import PostgresServer, ValkeyServer
from gatehouse.dev.devservers.postgres import DATABASE
from gatehouse.dev.plan import Plan, Ports, role_urls, service_environment
from gatehouse.dev.secrets import DevSecrets
from load.machine import REPOSITORY
from load.processes import Cores, pin, pinned

READY_SECONDS = 60.0
# The wheel's throw-away servers do not sync; ours do, as a deployment's would.
DURABLE = {"fsync": "on", "full_page_writes": "on"}

_POLICY = """UPDATE authz.tenant SET policy = policy || '{{"mfa": "{mfa}"}}'"""


class HouseFault(Exception):
    """The house cannot stand; one sentence."""


@dataclass(frozen=True)
class Stores:
    """A PostgreSQL and a Valkey of this run alone."""

    postgres: PostgresServer
    valkey: ValkeyServer

    @property
    def postgres_pid(self) -> int:
        """The postmaster, whose children are the backends."""
        return int((self.postgres.place.data / "postmaster.pid").read_text().split()[0])

    @property
    def valkey_pid(self) -> int:
        with self.valkey.client() as client:
            info = client.info("server")
        return int(info["process_id"])

    @property
    def versions(self) -> dict[str, str]:
        """What they say they are."""
        with self.valkey.client() as client:
            found: dict[str, str] = client.info("server")
        return {
            "postgresql": self.postgres.version,
            "valkey": str(found.get("valkey_version") or found["redis_version"]),
        }


@dataclass(frozen=True)
class RunningHouse:
    """A house whose services answer."""

    stores: Stores
    plan: Plan
    secrets: DevSecrets
    children: Mapping[str, Child]

    @property
    def role_urls(self) -> dict[str, str]:
        """The database as each service's role, by role."""
        return role_urls(self.stores.postgres.url, self.secrets)

    @property
    def tag_key(self) -> bytes:
        """The key of the hash tags, as the services hold it."""
        return base64.b64decode(self.secrets.tag_key)

    def pid(self, service: str) -> int:
        """The process of one service."""
        return self.children[service].pid


@asynccontextmanager
async def open_stores(cores: Cores) -> AsyncIterator[Stores]:
    """Both servers, off the core of the process under test."""
    async with AsyncExitStack() as ends:
        postgres = await asyncio.to_thread(lambda: PostgresServer.start(settings=DURABLE))
        ends.push_async_callback(asyncio.to_thread, postgres.stop)
        valkey = await asyncio.to_thread(lambda: ValkeyServer.start(aof=True))
        ends.push_async_callback(asyncio.to_thread, valkey.stop)
        stores = Stores(postgres, valkey)
        pin(stores.postgres_pid, cores.others)
        pin(stores.valkey_pid, cores.others)
        yield stores


@asynccontextmanager
async def open_house(
    stores: Stores,
    services: Sequence[str],
    environ: Mapping[str, str],
    *,
    mfa: Literal["required", "optional"],
    cores: Cores,
) -> AsyncIterator[RunningHouse]:
    """Migrate `stores`, then start these services with `environ` (GATEHOUSE_* names) over their settings.

    `mfa` is the default tenant's policy: whether everybody must have an authenticator.
    """
    folder = Path(tempfile.mkdtemp(prefix="gatehouse-load-"))
    plan = Plan(data=folder, ports=Ports.from_base(0), demo=False, environ=environ)
    secrets = dev_secrets.make()
    urls = role_urls(stores.postgres.url, secrets)
    children: list[Child] = []
    try:
        await asyncio.to_thread(revisions.upgrade, stores.postgres.url, urls)
        stores.postgres.execute(_POLICY.format(mfa=mfa), database=DATABASE)
        with pinned(cores.tested):
            for service in services:
                order = _order(plan, secrets, service, stores)
                children.append(await Child.start(order))
        await _ready(plan, children)
        yield RunningHouse(stores, plan, secrets, {child.order.name: child for child in children})
    finally:
        await stop_in_order(children)
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def child(order: Order, ready_url: str, *, cores: frozenset[int] | None) -> AsyncIterator[Child]:
    """One more process beside the house, once `ready_url` answers 200."""
    with pinned(cores):
        started = await Child.start(order)
    try:
        await _answering([started], [ready_url])
        yield started
    finally:
        await started.stop()


def _order(plan: Plan, secrets: DevSecrets, service: str, stores: Stores) -> Order:
    settings = service_environment(
        plan, secrets, service, database_url=stores.postgres.url, redis_url=stores.valkey.url
    )
    return Order(
        name=service,
        command=[sys.executable, "-m", "gatehouse", "serve", service],
        environment=plain_environment() | settings,
        log=plan.logs / f"{service}.log",
    )


async def _ready(plan: Plan, children: Sequence[Child]) -> None:
    await _answering(children, [f"{plan.management(child.order.name)}/readyz" for child in children])


async def _answering(children: Sequence[Child], urls: Sequence[str]) -> None:
    """Wait until every URL answers 200. Raises HouseFault when a process dies or the time is up."""
    asking = asyncio.ensure_future(_all_of(urls))
    death = asyncio.ensure_future(first_death(children))
    try:
        await asyncio.wait({asking, death}, timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if death.done():
            raise HouseFault(str(death.result().death()))
        if not asking.done():
            tails = "\n".join(f"{child.order.name}:\n{tail_of(child.order.log)}" for child in children)
            raise HouseFault(f"not ready after {READY_SECONDS:.0f} seconds\n{tails}")
        await asking
    finally:
        for task in (asking, death):
            task.cancel()
        await asyncio.gather(asking, death, return_exceptions=True)


async def _all_of(urls: Sequence[str]) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
        for url in urls:
            while not await _answers(client, url):  # noqa: ASYNC110 - nobody tells us when it listens
                await asyncio.sleep(0.05)


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def plain_environment() -> dict[str, str]:
    """The caller's environment without any setting of Gatehouse, and with this folder's packages importable."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GATEHOUSE_")}
    return plain | {"PYTHONPATH": str(REPOSITORY)}
