"""Every route there is, read from the applications themselves, and the family each one belongs to.

A family says in which words an endpoint refuses. A route that is in no family fails the tests: whoever adds one says
here what it is, and the matrix of bad input covers it from then on.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Mount

from gatehouse.cli.settings_of import EVERY_NAME, settings_class
from gatehouse.dev.plan import SERVICES, Plan, Ports, service_environment
from gatehouse.dev.secrets import make
from identity_core.settings import load

Family = Literal["oauth", "resource", "page", "scim", "problem", "document", "asset"]
TENANT_PREFIX = "/t/{slug}"

# (service, path of the default tenant) → family; every method of a path speaks the same words.
FAMILIES: dict[tuple[str, str], Family] = {
    ("authz", "/token"): "oauth",
    ("authz", "/introspect"): "oauth",
    ("authz", "/revoke"): "oauth",
    ("authz", "/userinfo"): "resource",
    ("authz", "/jwks"): "document",
    ("authz", "/.well-known/openid-configuration"): "document",
    ("authz", "/.well-known/oauth-authorization-server"): "document",
    ("authz", "/authorize"): "page",
    ("authz", "/login"): "page",
    ("authz", "/login/totp"): "page",
    ("authz", "/enroll/totp"): "page",
    ("authz", "/consent"): "page",
    ("authz", "/logout"): "page",
    ("authz", "/signed-out"): "page",
    ("authz", "/error"): "page",
    ("authz", "/static/{name}"): "asset",
    ("scim", "/scim/v2/Users"): "scim",
    ("scim", "/scim/v2/Users/{id}"): "scim",
    ("scim", "/scim/v2/Users/.search"): "scim",
    ("scim", "/scim/v2/.search"): "scim",
    ("scim", "/scim/v2/ServiceProviderConfig"): "scim",
    ("scim", "/scim/v2/Schemas"): "scim",
    ("scim", "/scim/v2/Schemas/{id}"): "scim",
    ("scim", "/scim/v2/ResourceTypes"): "scim",
    ("scim", "/scim/v2/ResourceTypes/{id}"): "scim",
    ("scim", "/openapi.json"): "document",
    ("sessions", "/admin/sessions"): "problem",
    ("sessions", "/admin/sessions/{id}"): "problem",
    ("sessions", "/admin/revocations"): "problem",
    ("sessions", "/admin/revocations/{id}"): "problem",
    ("sessions", "/admin/policy"): "problem",
    ("sessions", "/openapi.json"): "document",
}


@dataclass(frozen=True, order=True)
class Endpoint:
    """One route by one method."""

    service: str
    path: str
    method: str

    @property
    def family(self) -> Family:
        return FAMILIES[self.service, self.path]

    def __str__(self) -> str:
        return f"{self.service} {self.method} {self.path}"


def endpoints() -> list[Endpoint]:
    """Every endpoint of every service, those of tenants at their place below the default tenant's; HEAD is GET's."""
    found = {
        Endpoint(service, path, method)
        for service in SERVICES
        for path, methods in _routes(_application_routes(service), "")
        for method in methods - {"HEAD", "OPTIONS"}
    }
    return sorted(found)


def _application_routes(service: str) -> Sequence[BaseRoute]:
    plan = Plan(data=Path("/nowhere"), ports=Ports.from_base(8000), environ={})
    stores = {"database_url": "postgresql://owner@127.0.0.1/none", "redis_url": "redis://127.0.0.1"}
    environment = service_environment(plan, make(), service, **stores)
    settings = load(settings_class(service), environment, known_elsewhere=EVERY_NAME)
    routes: Sequence[BaseRoute] = importlib.import_module(f"{service}.app").create_app(settings).routes
    return routes


def _routes(routes: Sequence[BaseRoute], prefix: str) -> Iterator[tuple[str, set[str]]]:
    for context in iter_route_contexts(routes):
        route = context.original_route
        if isinstance(route, Mount):
            yield from _routes(route.routes, prefix + route.path)
        elif context.path_format is not None:
            whole = (prefix + context.path_format).removeprefix(TENANT_PREFIX).removesuffix(TENANT_PREFIX)
            # A route without methods is one endpoint's twin at another address.
            yield whole, set(getattr(context, "methods", None) or {"GET"})
