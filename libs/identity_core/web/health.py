"""The management application: `/livez`, `/readyz`, `/metrics`. It listens apart from the public one, for the
inside only.

`/livez` answers while the event loop turns. `/readyz` runs the checks side by side, each with its own short
time; a failing one is named, its cause is not told (it is logged). While a service is stopping it is alive
but not ready.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from identity_core import metrics
from identity_core.web.headers import SecurityHeaders
from identity_core.web.host import HostCheck, inside_hosts
from identity_core.web.problems import UnhandledErrors, install_problems, problem

Check = Callable[[], Awaitable[None]]
CHECK_SECONDS: Final = 1.0

log = structlog.get_logger("identity_core.web")


def management_app(
    checks: Mapping[str, Check],
    render_metrics: Callable[[], bytes] = metrics.render,
    *,
    check_seconds: float = CHECK_SECONDS,
) -> Starlette:
    """`checks`: by name, an awaitable that raises when the service must not be given traffic.

    `app.state.stopping = True` (set by `serve`) makes `/readyz` answer 503 whatever the checks say.
    """

    async def livez(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(request: Request) -> Response:
        if getattr(request.app.state, "stopping", False):
            return problem(503, detail="the service is stopping")
        results = await asyncio.gather(*(_passes(name, check, check_seconds) for name, check in checks.items()))
        failing = [name for name, passed in zip(checks, results, strict=True) if not passed]
        if failing:
            return problem(503, detail=f"not ready: {', '.join(failing)}", failing=failing)
        return JSONResponse({"status": "ready"})

    async def metrics_page(request: Request) -> Response:
        return Response(render_metrics(), media_type=metrics.CONTENT_TYPE)

    app = Starlette(
        routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics_page)],
        middleware=[
            Middleware(SecurityHeaders, https=False),
            Middleware(UnhandledErrors),
            Middleware(HostCheck, allowed=inside_hosts),
        ],
    )
    install_problems(app)
    return app


async def _passes(name: str, check: Check, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await check()
    except Exception as error:
        # Any failure of a check is a denial of traffic.
        log.warning("readiness.failed", name=name, error=type(error).__name__)
        return False
    return True
