"""The client's real address: the peer's, unless the peer is a proxy we were told to trust.

X-Forwarded-For is read from the right, past trusted proxies, to the first address that is not one; what
stands left of it was written by strangers and is not looked at. A value that must be looked at and is not an
address refuses the request: it never falls back to the proxy's address, nor skips what depends on it
(CVE-2024-47070).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from identity_core.web.problems import Failure, Render, as_problem

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAX_LENGTH: Final = 2048


def client_address(scope: Scope, trusted: Sequence[Network] = ()) -> str | None:
    """The client's address in canonical text, or None when it cannot be told."""
    peer = _parsed(scope["client"][0]) if scope.get("client") else None
    if peer is None or not _within(peer, trusted):
        return None if peer is None else str(peer)
    forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    if not forwarded:
        return str(peer)
    if len(forwarded) > _MAX_LENGTH:
        return None
    hop: Address | None = peer
    for part in reversed(forwarded.decode("latin-1").split(",")):
        hop = _parsed(part.strip(" \t"))
        if hop is None or not _within(hop, trusted):
            break
    return None if hop is None else str(hop)


class ClientAddress:
    """Pure ASGI middleware: puts the address into `scope["client"]` and `scope["state"]["client_address"]`,
    or answers 400.
    """

    def __init__(self, app: ASGIApp, *, trusted: Sequence[Network] = (), render: Render = as_problem) -> None:
        self.app = app
        self._trusted = tuple(trusted)
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        address = client_address(scope, self._trusted)
        if address is None:
            failure = Failure(400, detail="the client's address cannot be told from X-Forwarded-For")
            await self._render(scope, failure)(scope, receive, send)
            return
        scope["client"] = (address, scope["client"][1])
        scope.setdefault("state", {})["client_address"] = address
        await self.app(scope, receive, send)


def _parsed(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
