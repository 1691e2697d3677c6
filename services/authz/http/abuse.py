"""Keeping guessers out: what is counted and how far, and where a request came from in coarse words.

Every attempt is counted before the work it costs, by account and by address, and stays counted whatever becomes of the
request (CVE-2026-35597). The limits delay, they never lock: an account is open again as soon as its rate allows
(GHSA-cq42-vhv7-xr7p). A sustained guesser has some 800 passwords and 300 codes a day for one account.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from uuid import UUID

from starlette.requests import Request

from identity_core.ratelimit import Limit

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


def password_limits(account: str, address: str) -> tuple[Limit, ...]:
    """`account`: the canonical key of the name typed, whether anybody has it or not."""
    return (
        Limit("password.account", account, per_seconds=5.0, burst=20),
        Limit("password.account.day", account, per_seconds=120.0, burst=100),
        Limit("password.address", network_of(address, v4=32, v6=64), per_seconds=1.0, burst=200),
    )


def code_limits(user_id: UUID, address: str) -> tuple[Limit, ...]:
    """For every one-time password of one person, over however many sign-ins at once (CVE-2024-32868)."""
    return (
        Limit("totp.account", str(user_id), per_seconds=12.0, burst=5),
        Limit("totp.account.day", str(user_id), per_seconds=300.0, burst=25),
        Limit("totp.address", network_of(address, v4=32, v6=64), per_seconds=1.0, burst=200),
    )


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
