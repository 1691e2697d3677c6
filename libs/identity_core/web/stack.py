"""The middleware every service runs, in its one right order, and the exception handlers beside it.

app = FastAPI(middleware=standard_middleware(settings, render=render), telemetry=telemetry.for_fastapi(), …)
install_handlers(app, render)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starlette.applications import Starlette
from starlette.middleware import Middleware

from identity_core.metrics import HttpMetrics
from identity_core.settings import ServiceSettings
from identity_core.web.bodies import DEFAULT_LIMIT, BodyLimit
from identity_core.web.client_address import ClientAddress
from identity_core.web.headers import SecurityHeaders
from identity_core.web.host import HostCheck, hosts_of
from identity_core.web.problems import Render, UnhandledErrors, as_problem, install_problems
from identity_core.web.request_id import RequestId
from identity_core.web.unavailable import install_unavailable


def standard_middleware(
    settings: ServiceSettings,
    *,
    render: Render = as_problem,
    body_limit: int = DEFAULT_LIMIT,
    body_limits: Mapping[str, int] | None = None,
    more_urls: Iterable[str] = (),
) -> list[Middleware]:
    """Outermost first. What refuses a request stands inside what labels the answer, so refusals are labelled
    too.

    `body_limits`: bytes by path prefix; `more_urls`: further URLs whose hosts are ours (tenants with their
    own).
    """
    urls = (settings.issuer, settings.scim_base_url, settings.sessions_base_url, *more_urls)
    return [
        Middleware(RequestId),
        Middleware(HttpMetrics),
        Middleware(SecurityHeaders, https=settings.issuer.startswith("https://")),
        Middleware(UnhandledErrors, render=render),
        Middleware(HostCheck, allowed=hosts_of(urls, development=settings.env == "development"), render=render),
        Middleware(ClientAddress, trusted=settings.trusted_proxies, render=render),
        Middleware(BodyLimit, default=body_limit, limits=body_limits, render=render),
    ]


def install_handlers(app: Starlette, render: Render = as_problem) -> None:
    """HTTP exceptions, validation errors and stores away, all in the words of `render`."""
    install_problems(app, render)
    install_unavailable(app, render)
