"""The Host header must name one of our own hosts; anything else is 400 (CVE-2026-48710, GHSA-93m4-mfpg-c3xf).

Nothing is ever built from Host (issuer and links come from settings); this keeps a foreign name from being
routed, logged or cached as ours. Names are compared, ports are not: a proxy may have dropped or changed them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from identity_core.settings import is_loopback
from identity_core.web.problems import Failure, Render, as_problem

Allowed = Callable[[str], bool]

_AUTHORITY: Final = re.compile(
    rb"(?P<host>[A-Za-z0-9_](?:[A-Za-z0-9_.\-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
)


def hosts_of(urls: Iterable[str], *, development: bool = False) -> Allowed:
    """Allow the hosts of `urls`; in development loopback names too."""
    hosts = frozenset(urlsplit(address).hostname or "" for address in urls)
    return lambda host: host in hosts or (development and is_loopback(host))


def inside_hosts(host: str) -> bool:
    """For the management listener: addresses, loopback and cluster names, none of which a stranger's DNS can
    answer to.
    """
    if is_loopback(host) or "." not in host or host.endswith((".svc", ".svc.cluster.local")):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def host_of(scope: Scope) -> str | None:
    """The host named by the one Host header, lower-cased and without port; None when absent, double or
    malformed.
    """
    given = [value for name, value in scope["headers"] if name == b"host"]
    match = _AUTHORITY.fullmatch(given[0]) if len(given) == 1 else None
    return match["host"].decode("ascii").lower().strip("[]").removesuffix(".") if match else None


class HostCheck:
    """Pure ASGI middleware."""

    def __init__(self, app: ASGIApp, *, allowed: Allowed, render: Render = as_problem) -> None:
        self.app = app
        self._allowed = allowed
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = host_of(scope)
            if host is None or not self._allowed(host):
                failure = Failure(400, detail="the Host header does not name this service")
                await self._render(scope, failure)(scope, receive, send)
                return
        await self.app(scope, receive, send)
