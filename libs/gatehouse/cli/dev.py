"""`gatehouse dev`: the whole house on this machine."""

from __future__ import annotations

import asyncio
import os
from enum import StrEnum
from typing import Annotated

import typer

from gatehouse.cli.output import DEFAULT_DATA, DataOption, JsonOption


class Otel(StrEnum):
    """Where spans go."""

    OFF = "off"
    CONSOLE = "console"
    OTLP = "otlp"


def dev(
    tls: Annotated[bool, typer.Option("--tls", help="Serve https with a certificate made on the spot.")] = False,
    otel: Annotated[Otel, typer.Option(help="Where spans go.")] = Otel.OFF,
    port_base: Annotated[
        int,
        typer.Option(min=0, max=65_000, help="authz's port; the others follow (+1, +2, +10, +100…); 0: any free."),
    ] = 8000,
    no_demo: Annotated[bool, typer.Option("--no-demo", help="Leave the demo application out.")] = False,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Start PostgreSQL, Valkey, the three services and the demo; Ctrl-C stops them and keeps the data."""
    from gatehouse.dev.plan import Plan, Ports, bytecode_kept, refuse_taken_ports

    ports = Ports.from_base(port_base)
    plan = Plan(data=data, ports=ports, otel=otel.value, demo=not no_demo, environ=dict(os.environ))
    refuse_taken_ports(plan)
    with bytecode_kept(data):
        from gatehouse.dev.orchestrator import run
        from gatehouse.dev.progress import ForPeople, ForPrograms

        code = asyncio.run(run(plan, tls=tls, progress=ForPrograms() if as_json else ForPeople()))
    raise typer.Exit(code)
