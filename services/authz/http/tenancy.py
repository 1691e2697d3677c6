"""Which tenant a request is for: decided once by its path, before any handler runs. Nothing is read from Host."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry import trace
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from authz.http.rendering import render_failure
from authz.ports import Tenants
from identity_core.web.problems import Failure


class TenantGate:
    """Resolves the tenant of the path parameter `slug` (none: the default tenant); unknown or inactive is 404."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute] = ()) -> None:
        self.app = app
        # Read by whoever lists the routes below a mount (metrics by template, OpenAPI).
        self.routes = list(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tenants: Tenants = scope["app"].state.resources.tenants
        tenant = await tenants.by_slug(scope["path_params"].get("slug"))
        if tenant is None:
            await render_failure(scope, Failure(404))(scope, receive, send)
            return
        scope.setdefault("state", {})["tenant"] = tenant
        await self.app(scope, receive, send)


class TenantRoute(Route):
    """A route behind the gate. It gives the request's span its own template: FastAPI sees the mount alone."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        span = trace.get_current_span()
        if span.is_recording():
            template = f"/t/{{slug}}{self.path_format}" if "slug" in scope["path_params"] else self.path_format
            method = scope["method"] if scope["method"] in (self.methods or ()) else "HTTP"
            span.update_name(f"{method} {template}")
        await super().handle(scope, receive, send)


def for_every_tenant(routes: Sequence[Route], well_known: Sequence[Route]) -> list[BaseRoute]:
    """The routes under `/t/{slug}` and at the root; `well_known` also with the tenant after their path.

    RFC 8414 §3.1 puts the issuer's path behind `/.well-known/…`; OIDC Discovery §4 puts it before.
    """
    everything = [*well_known, *routes]
    gate = TenantGate(Router(everything, redirect_slashes=False), everything)
    inserted = [Route(f"{route.path}/t/{{slug}}", _Behind(route)) for route in well_known]
    return [*inserted, Mount("/t/{slug}", gate), Mount("", gate)]


class _Behind(TenantGate):
    """One endpoint behind the gate, as an ASGI application of its own."""

    def __init__(self, route: Route) -> None:
        super().__init__(route.app)
