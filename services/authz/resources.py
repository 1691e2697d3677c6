"""Everything a request may use, built once in `app.py`; every handler takes it from `request.app.state.resources`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from authz.ports import Clients, Codes, Keys, Tenant, Tenants, Tokens
from authz.settings import AuthzSettings
from identity_core.clock import Clock
from identity_core.db import Pool
from identity_core.passwords import PasswordHasher
from identity_core.ratelimit import RateLimiter
from identity_core.sealing import Sealer
from identity_core.session_store import Follower, Revoker, SessionStore
from identity_core.telemetry import Telemetry


@dataclass(frozen=True)
class Resources:
    """The adapters of one process. Nothing in it is made per request."""

    settings: AuthzSettings
    clock: Clock
    pool: Pool
    follower: Follower
    store: SessionStore
    revoker: Revoker
    limiter: RateLimiter
    hasher: PasswordHasher
    sealer: Sealer
    tenants: Tenants
    clients: Clients
    keys: Keys
    codes: Codes
    tokens: Tokens
    telemetry: Telemetry


def resources_of(request: Request) -> Resources:
    """The resources of the application that serves `request`."""
    return cast(Resources, request.app.state.resources)


def tenant_of(request: Request) -> Tenant:
    """The tenant the path named: active, and resolved before any handler runs."""
    return cast(Tenant, request.scope["state"]["tenant"])
