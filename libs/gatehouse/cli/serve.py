"""`gatehouse serve`: one service, configured by GATEHOUSE_* alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
from enum import StrEnum
from typing import Annotated

import typer

from gatehouse.cli.output import JsonOption
from gatehouse.faults import CommandFault, ExitCode
from identity_core.faults import StartFault
from identity_core.settings import ServiceSettings


class Service(StrEnum):
    """The services there are."""

    AUTHZ = "authz"
    SCIM = "scim"
    SESSIONS = "sessions"


def serve(
    service: Annotated[Service, typer.Argument(help="Which one.")],
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes on the same sockets.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Serve one service until SIGTERM or SIGINT."""
    from gatehouse.cli.settings_of import EVERY_NAME, settings_class
    from identity_core import logs
    from identity_core.settings import load

    settings = load(settings_class(service.value), os.environ, known_elsewhere=EVERY_NAME)
    _refuse_taken_ports(settings)
    asyncio.run(check_stores(settings))
    logs.configure(service.value, settings.log_level)
    if workers > 1:
        from identity_core.web.workers import Target, run_workers

        target = Target(f"{service.value}.app:create_app", f"{service.value}.app:management_app_for")
        run_workers(target, settings, workers)
        return
    _serve_here(service.value, settings)


def _serve_here(service: str, settings: ServiceSettings) -> None:
    import importlib

    from identity_core.web.serve import run

    room = importlib.import_module(f"{service}.app")
    app = room.create_app(settings)
    run(app, room.management_app_for(app), settings)


def _refuse_taken_ports(settings: ServiceSettings) -> None:
    from identity_core.web.serve import bind_both

    try:
        listeners = bind_both(settings)
    except StartFault as fault:
        code = ExitCode.PORT if " is taken" in str(fault) else ExitCode.SETTINGS
        raise CommandFault.from_sentence(code, str(fault)) from fault
    for listener in listeners:
        listener.close()


async def check_stores(settings: ServiceSettings) -> None:
    """Both stores answer and the database is up to date. Raises StartFault, CommandFault."""
    from gatehouse.revisions import require_current
    from identity_core.db import connect_dedicated
    from identity_core.redis import check_redis, create_redis

    connection = await connect_dedicated(settings.database_url, name="gatehouse-start")
    await connection.close()
    client = create_redis(settings.redis_url)
    try:
        await check_redis(client, settings.redis_url)
    finally:
        with contextlib.suppress(Exception):
            await client.aclose()
    await require_current(settings.database_url)
