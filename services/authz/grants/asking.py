"""What every grant type is given, and what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from authz.ports import Codes, KeyRing, Tenant, Tokens
from authz.protocol.audience import OwnApis
from authz.protocol.client_metadata import Client
from authz.protocol.decision import Decision


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token request whose client is authenticated and may use the grant type."""

    tenant: Tenant
    client: Client
    form: Mapping[str, str] = field(repr=False)
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stores:
    """What takes are made from. `client_tag` is the hash tag of the client's own tokens."""

    codes: Codes
    tokens: Tokens
    ring: KeyRing
    apis: OwnApis
    client_tag: int


class Grant(Protocol):
    """One grant type."""

    @property
    def name(self) -> str:
        """The `grant_type` value."""
        ...

    async def decision(self, ask: TokenRequest, stores: Stores) -> Decision:
        """Take what the request names and decide. Raises the stores' faults."""
        ...
