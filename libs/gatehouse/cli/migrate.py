"""`gatehouse migrate`: roles and revisions, by the owner of the database."""

from __future__ import annotations

from typing import Annotated

import typer

from gatehouse.cli.output import DEFAULT_DATA, DataOption, JsonOption, say_json
from gatehouse.faults import CommandFault, ExitCode


def migrate(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 5 when the database is behind.")] = False,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Make the service roles and bring every schema to its newest revision (GATEHOUSE_DATABASE_URL)."""
    from gatehouse import revisions
    from gatehouse.cli.surroundings import owner_environment, wait_for

    owner_url, role_urls = owner_environment(data)
    before = wait_for(revisions.standing(owner_url))
    if check:
        if before.missing:
            raise CommandFault(
                ExitCode.MIGRATION,
                f"The database lacks {', '.join(sorted(before.missing))}",
                "run `gatehouse migrate`",
            )
        _say(before.current, before.current, as_json)
        return
    after = revisions.upgrade(owner_url, role_urls)
    _say(before.current, after, as_json)


def _say(before: frozenset[str], after: frozenset[str], as_json: bool) -> None:
    applied = sorted(after - before)
    if as_json:
        say_json({"current": sorted(after), "applied": applied})
    elif applied:
        typer.echo(f"Migrated: {', '.join(applied)}.")
    else:
        typer.echo(f"Up to date: {', '.join(sorted(after))}.")
