"""The test stand: the processes a set of rows needs, and one measurement of one row on them."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gatehouse.dev.children import Order
from gatehouse.dev.devservers import ValkeyServer
from gatehouse.dev.devservers.shared import migrate_new_database
from gatehouse.dev.plan import Ports
from load.bench.method import RowFault, Taken
from load.bench.peer import Peer, PeerMissing, open_peer
from load.bench.rows import Ground, Row
from load.browser import Browser, SignInFault
from load.figures import Sample
from load.generator.site import Site
from load.house import HouseFault, Stores, child, open_house, open_stores, plain_environment
from load.people import PASSWORD, address, populate
from load.processes import Cores, cpu_seconds, pin
from load.workers import Worker, WorkerFault, started

# What is measured is the operation: no log lines, and an address for each person as behind a proxy.
ENVIRON = {
    "GATEHOUSE_LOG_LEVEL": "error",
    "GATEHOUSE_OTEL": "off",
    "GATEHOUSE_TRUSTED_PROXIES": "127.0.0.0/8",
}
SOURCES = 32
_SETTLE_SECONDS = 0.1


@dataclass
class Stand:
    """What runs. `pids` are the processes under test by part; `stores` those of the stores beside them."""

    stores: Stores
    ground: Ground
    generator: Worker | None = None
    in_process: Worker | None = None
    pids: dict[str, int] = field(default_factory=dict)
    valkey_pids: list[int] = field(default_factory=list)
    peer: Peer | None = None
    peer_missing: str | None = None
    connections: int = 32
    seconds: float = 2.0

    async def measure(self, row: Row) -> Taken:
        """One measurement. Raises RowFault."""
        try:
            return await (self._inside(row) if row.part == "in process" else self._over_http(row))
        except WorkerFault as fault:
            raise RowFault(str(fault)) from fault

    async def _inside(self, row: Row) -> Taken:
        assert self.in_process is not None
        await self.in_process.ask({"do": "prepare", "row": row.name})
        before = self._store_seconds()
        answer = await self.in_process.ask({"do": "run", "seconds": self.seconds})
        return Taken(_sample(answer, answer["cpu_s"], before, self._store_seconds()))

    async def _over_http(self, row: Row) -> Taken:
        assert self.generator is not None
        assert row.job is not None
        connections = row.connections or self.connections
        where = {"host": "127.0.0.1", "port": self.ground.port(row.part), "connections": connections}
        job = row.job(self.ground) | where
        await self.generator.ask({"do": "prepare", "job": job})
        await asyncio.sleep(_SETTLE_SECONDS)
        pid = [self.pids[row.part]]
        stores, cpu = self._store_seconds(), cpu_seconds(pid)
        answer = await self.generator.ask({"do": "run", "seconds": self.seconds})
        sample = _sample(answer, cpu_seconds(pid) - cpu, stores, self._store_seconds())
        if sample.operations == 0:
            raise RowFault("; ".join(answer["faults"]) or "not one operation was finished")
        if not job.get("replay", True):
            return Taken(sample, answer["faults"])
        checked = await self.generator.ask({"do": "verify"})
        faults = dict(answer["faults"])
        for why, count in checked["faults"].items():
            faults[why] = faults.get(why, 0) + count
        return Taken(replace(sample, bad=sample.bad + checked["bad"]), faults)

    def _store_seconds(self) -> tuple[float, float]:
        return cpu_seconds([self.stores.postgres_pid]), cpu_seconds(self.valkey_pids)


@asynccontextmanager
async def open_stand(
    rows: Sequence[Row], *, seconds: float, connections: int, people: int, seed: int
) -> AsyncIterator[Stand]:
    """Start what these rows need and nothing else. Raises HouseFault, WorkerFault."""
    parts, cores = {row.part for row in rows}, Cores.divide()
    async with AsyncExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="gatehouse-bench-")))
        stores = await ends.enter_async_context(open_stores(cores))
        stand = Stand(stores, Ground(0), seconds=seconds, connections=connections, valkey_pids=[stores.valkey_pid])
        if "in process" in parts:
            await _open_in_process(stand, cores, ends)
        if parts - {"in process"}:
            stand.generator = await ends.enter_async_context(started("load.generator", cores=cores.others))
            await _open_empty(stand, folder, cores, ends)
        if parts & {"authz", "scim"}:
            await _open_services(stand, cores, ends, people=people, seed=seed)
        if "peer" in parts:
            await _open_peer(stand, folder, cores, ends)
        yield stand


async def _open_in_process(stand: Stand, cores: Cores, ends: AsyncExitStack) -> None:
    """A database and a Valkey of its own: its tag key is another one than the services'."""
    database = await asyncio.to_thread(migrate_new_database, stand.stores.postgres, "bench_in_process")
    valkey = await asyncio.to_thread(lambda: ValkeyServer.start(aof=True))
    ends.push_async_callback(asyncio.to_thread, valkey.stop)
    own = Stores(stand.stores.postgres, valkey)
    pin(own.valkey_pid, cores.others)
    stand.valkey_pids.append(own.valkey_pid)
    # The owner's URL: the services' roles get other passwords when their own database is migrated.
    arguments = (database.owner_url, valkey.url)
    stand.in_process = await ends.enter_async_context(started("load.bench.in_process", arguments, cores=cores.tested))


async def _open_empty(stand: Stand, folder: Path, cores: Cores, ends: AsyncExitStack) -> None:
    port = Ports.from_base(0).demo
    order = Order(
        name="empty",
        command=[sys.executable, "-m", "load.empty", str(port)],
        environment=plain_environment(),
        log=folder / "empty.log",
    )
    empty = await ends.enter_async_context(child(order, f"http://127.0.0.1:{port}/", cores=cores.tested))
    stand.pids["empty"] = empty.pid
    stand.ground = Ground(port)


async def _open_services(stand: Stand, cores: Cores, ends: AsyncExitStack, *, people: int, seed: int) -> None:
    house = await ends.enter_async_context(
        open_house(stand.stores, ("authz", "scim"), ENVIRON, mfa="optional", cores=cores)
    )
    population = await populate(house.role_urls, house.tag_key, people=people, sources=SOURCES, seed=seed)
    stand.pids |= {service: house.pid(service) for service in ("authz", "scim")}
    stand.ground = Ground(stand.ground.empty_port, house, population)
    signed_in = [
        await _signed_in(stand.ground.site("opaque"), house.plan.ports.authz, name, number)
        for number, (_, name) in enumerate(population.people[: stand.connections])
    ]
    stand.ground.browsers["ours"] = signed_in


async def _open_peer(stand: Stand, folder: Path, cores: Cores, ends: AsyncExitStack) -> None:
    try:
        peer = await ends.enter_async_context(open_peer(stand.stores, folder, cores=cores.tested))
        browsers = [await _signed_in(peer.site(), peer.port, "ada", n) for n in range(stand.connections)]
    except (PeerMissing, HouseFault, SignInFault) as fault:
        stand.peer_missing = str(fault)
        return
    stand.peer = peer
    stand.pids["peer"] = peer.child.pid
    ground = stand.ground
    stand.ground = Ground(ground.empty_port, ground.house, ground.population, peer, ground.browsers)
    stand.ground.browsers["peer"] = browsers


async def _signed_in(site: Site, port: int, name: str, number: int) -> str:
    """The Cookie header of a browser in which this person is signed in."""
    browser = Browser("127.0.0.1", port, replace(site, headers={"X-Forwarded-For": address(number)}))
    await asyncio.to_thread(browser.sign_in, name, PASSWORD)
    return browser.jar.header


def _sample(answer: dict[str, Any], cpu_s: float, before: tuple[float, float], after: tuple[float, float]) -> Sample:
    return Sample(
        operations=answer["operations"],
        bad=answer["bad"],
        wall_s=answer["wall_s"],
        cpu_s=cpu_s,
        postgres_s=after[0] - before[0],
        valkey_s=after[1] - before[1],
    )
