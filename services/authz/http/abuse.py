"""Keeping guessers out: what is counted and how far, and where a request came from in coarse words.

Every attempt is counted before the work it costs, by account and by address, and stays counted whatever becomes of the
request (CVE-2026-35597). The limits delay, they never lock: an account is open again as soon as its rate allows. A
sustained guesser has some 800 passwords and 300 codes a day for one account.

A stranger does not keep a person out (GHSA-cq42-vhv7-xr7p). What one address tries at one account is counted first and
comes back more slowly than the account's own allowance does, so that one address never uses that up; what it is refused
does not count against the account. And a browser that has signed in to the account before is counted on its own, so
that many addresses together do not keep it out either.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from starlette.requests import Request

from identity_core.ratelimit import Allowed, Limit, Limited, RateLimiter

_BROWSERS: Final = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip


Stages = Sequence[Sequence[Limit]]
"""Limits in the order they are taken in: what one stage refuses does not count at the next."""


def password_limits(account: str, address: str, known: str | None) -> Stages:
    """`account`: the canonical key of the name typed, whether anybody has it or not. `known`: see `Visit.known`."""
    network = network_of(address, v4=32, v6=64)
    everyone = Limit("password.address", network, per_seconds=1.0, burst=200)
    if known is not None:
        return [(*_pair("password.known", f"{account}\0{known}", (5.0, 20), (120.0, 50)), everyone)]
    return [
        (*_pair("password.account.address", f"{account}\0{network}", (6.0, 20), (240.0, 60)), everyone),
        _pair("password.account", account, (3.0, 40), (120.0, 120)),
    ]


def code_limits(user_id: UUID, address: str, known: str | None) -> Stages:
    """For every one-time password of one person, over however many sign-ins at once (CVE-2024-32868)."""
    network = network_of(address, v4=32, v6=64)
    everyone = Limit("totp.address", network, per_seconds=1.0, burst=200)
    if known is not None:
        return [(*_pair("totp.known", f"{user_id}\0{known}", (12.0, 5), (300.0, 25)), everyone)]
    return [
        (*_pair("totp.account.address", f"{user_id}\0{network}", (15.0, 4), (600.0, 15)), everyone),
        _pair("totp.account", str(user_id), (12.0, 5), (300.0, 25)),
    ]


def _pair(name: str, key: str, short: tuple[float, int], long: tuple[float, int]) -> tuple[Limit, ...]:
    """A limit for minutes and one for days, each (seconds for one more, at once)."""
    return (
        Limit(name, key, per_seconds=short[0], burst=short[1]),
        Limit(f"{name}.day", key, per_seconds=long[0], burst=long[1]),
    )


async def taken(limiter: RateLimiter, tenant: UUID, stages: Stages) -> Allowed | Limited:
    """Consume stage after stage until one refuses. One round trip a stage."""
    for limits in stages:
        answer = await limiter.take(tenant, *limits)
        if isinstance(answer, Limited):
            return answer
    return Allowed()


def client_limits(client_id: str | None, address: str) -> tuple[Limit, ...]:
    """For every failed authentication of a client; one that succeeds is not counted and never refused."""
    by_network = Limit("client.address", network_of(address, v4=32, v6=64), per_seconds=1.0, burst=60)
    by_client = () if client_id is None else (Limit("client.id", client_id, per_seconds=1.0, burst=30),)
    return (*by_client, by_network)


def interaction_limits(address: str) -> tuple[Limit, ...]:
    """For every sign-in that is begun: each is kept for minutes, whether anybody goes on with it or not."""
    return (Limit("interaction.address", network_of(address, v4=32, v6=64), per_seconds=0.2, burst=500),)


def address_of(request: Request) -> str:
    """The client's address, as the middleware has found it out."""
    address = request.scope["state"]["client_address"]
    assert isinstance(address, str)  # noqa: S101 - the middleware's promise; without it nothing may be answered
    return address


def network_of(address: str, *, v4: int = 24, v6: int = 48) -> str:
    """The network an address lies in: for rows that are kept, a neighbourhood and not a person."""
    prefix = v4 if ipaddress.ip_address(address).version == 4 else v6
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))


def device_of(user_agent: str) -> str | None:
    """A few words such as `Firefox on Linux`; None when the header says neither."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    return " on ".join(word for word in (browser, system) if word) or None
