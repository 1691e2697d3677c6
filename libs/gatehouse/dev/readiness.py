"""Waiting for the processes of a development house until each answers that it is ready, one dies, or we are stopped."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from typing import Any

import httpx

from gatehouse.dev.children import Child, first_death, tail_of
from gatehouse.dev.plan import SERVICES, Plan
from gatehouse.faults import CommandFault, ExitCode

READY_SECONDS = 60.0
_POLL_SECONDS = 0.05


async def all_ready(plan: Plan, children: Sequence[Child], stop: asyncio.Event) -> bool:
    """True once every process is ready, False when `stop` was set first. Raises CommandFault: a death, or a minute."""
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
            if not ready.done() and not stop.is_set():
                raise _not_ready(plan, children)
            return not stop.is_set()
        finally:
            await cancelled(ready, death, asked)


async def cancelled(*tasks: asyncio.Future[Any]) -> None:
    """Cancel them and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _all_of(client: httpx.AsyncClient, urls: Iterable[str]) -> None:
    await asyncio.gather(*(_ready(client, httpx.URL(url)) for url in urls))


def _trust(plan: Plan) -> ssl.SSLContext | bool:
    return ssl.create_default_context(cafile=plan.certificates.authority) if plan.certificates else True


async def _ready(client: httpx.AsyncClient, url: httpx.URL) -> None:
    while not await _listens(url.host, url.port or 80):  # noqa: ASYNC110 - another process tells nobody
        await asyncio.sleep(_POLL_SECONDS)
    while True:
        try:
            if (await client.get(url)).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass  # it listens, but does not answer yet
        await asyncio.sleep(_POLL_SECONDS)


async def _listens(host: str, port: int) -> bool:
    """A bare connection: next to nothing while the processes we wait for need the machine."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


def _not_ready(plan: Plan, children: Sequence[Child]) -> CommandFault:
    tails = "\n".join(f"{child.order.name}:\n{tail_of(child.order.log)}" for child in children)
    return CommandFault(
        ExitCode.CHILD,
        f"The services were not ready after {READY_SECONDS:.0f} seconds",
        f"look into {plan.logs}; the logs end with:\n{tails}",
    )
