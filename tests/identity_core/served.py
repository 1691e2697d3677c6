"""A small service for the tests of serving: `python -m tests.identity_core.served PORT MANAGEMENT_PORT WORKERS`."""

import asyncio
import contextlib
import dataclasses
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from identity_core import logs
from identity_core.faults import StartFault
from identity_core.metrics import HttpMetrics
from identity_core.settings import ServiceSettings, load
from identity_core.web.health import management_app
from identity_core.web.serve import run
from identity_core.web.workers import Target, run_workers

BASE = {
    "GATEHOUSE_AUTHZ_DATABASE_URL": "postgresql://x@localhost/x",
    "GATEHOUSE_REDIS_URL": "redis://localhost",
    "GATEHOUSE_TAG_KEY": "A" * 43,
    "GATEHOUSE_ISSUER": "https://id.example",
    "GATEHOUSE_SCIM_BASE_URL": "https://scim.example",
    "GATEHOUSE_SESSIONS_BASE_URL": "https://sessions.example",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServedSettings(ServiceSettings):
    service: ClassVar[str] = "authz"


def settings(port: int = 0, management_port: int = 0, **more: str) -> ServedSettings:
    ports = {
        "GATEHOUSE_AUTHZ_PORT": str(port),
        "GATEHOUSE_AUTHZ_MANAGEMENT_PORT": str(management_port),
    }
    return load(ServedSettings, BASE | ports | more)


async def _who(request: Request) -> Response:
    return JSONResponse({"pid": os.getpid(), "headers": len(request.headers)})


async def _slow(request: Request) -> Response:
    await asyncio.sleep(float(request.query_params.get("seconds", "0.5")))
    return PlainTextResponse("done")


async def _body(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def _die(request: Request) -> Response:
    os._exit(9)


def create_app(settings: ServedSettings) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if os.environ.get("TEST_FAIL_START"):
            raise StartFault("The test's store is away: start it.")
        yield
        if note := os.environ.get("TEST_STOP_NOTE"):
            Path(note).write_text("stopped")

    return Starlette(
        routes=[
            Route("/who", _who),
            Route("/slow", _slow),
            Route("/body", _body, methods=["POST"]),
            Route("/die", _die),
        ],
        lifespan=lifespan,
        middleware=[Middleware(HttpMetrics)],
    )


def management_app_for(app: Starlette) -> Starlette:
    async def fine() -> None:
        return

    return management_app({"test": fine})


def main() -> None:
    port, management_port, workers = (int(argument) for argument in sys.argv[1:4])
    chosen = settings(port, management_port)
    logs.configure("authz")
    try:
        if workers == 1:
            app = create_app(chosen)
            run(app, management_app_for(app), chosen)
        else:
            target = Target("tests.identity_core.served:create_app", "tests.identity_core.served:management_app_for")
            run_workers(target, chosen, workers)
    except StartFault as fault:
        print(fault)
        raise SystemExit(78) from None


if __name__ == "__main__":
    main()
