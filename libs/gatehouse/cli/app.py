"""All commands together, and how a command ends: its exit code, and its fault in one sentence."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import typer

from gatehouse.cli import client, dev, doctor, key, migrate, serve, session, user
from gatehouse.cli.output import say_fault
from gatehouse.faults import CommandFault, ExitCode
from identity_core.faults import StartFault
from identity_core.settings import SettingsError

app = typer.Typer(
    name="gatehouse",
    help="Gatehouse: an OpenID provider, a SCIM directory and provable session revocation.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(dev.dev)
app.command()(serve.serve)
app.command()(migrate.migrate)
app.command()(doctor.doctor)
app.add_typer(client.app, name="client")
app.add_typer(user.app, name="user")
app.add_typer(key.app, name="key")
app.add_typer(session.app, name="session")


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the answer is an `ExitCode`. Faults are said here and nowhere else."""
    as_json = "--json" in arguments
    command = typer.main.get_command(app)
    try:
        ended = command.main(args=list(arguments) or ["--help"], prog_name="gatehouse", standalone_mode=False)
        return ended if isinstance(ended, int) else ExitCode.OK
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`): the interpreter must not write to it again while ending.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as error:
        fault = as_fault(error)
        say_fault(fault, as_json=as_json)
        return fault.exit_code


def as_fault(error: Exception) -> CommandFault:
    """Any exception as the fault it is; what nobody foresaw goes to a log file that the sentence names."""
    from asyncpg import InterfaceError, InvalidSchemaNameError, PostgresError, UndefinedTableError
    from redis.exceptions import RedisError

    from gatehouse.dev.devservers.errors import DevServerError
    from gatehouse.migrate import MigrationError

    match error:
        case CommandFault():
            return error
        case typer.TyperException():
            return _usage(error)
        case SettingsError():
            return _settings(error)
        case StartFault() | MigrationError():
            return CommandFault.from_sentence(ExitCode.STORE, str(error))
        case DevServerError():
            return CommandFault(ExitCode.STORE, str(error), "see docs/cli.md, `gatehouse dev`")
        case UndefinedTableError() | InvalidSchemaNameError():
            return CommandFault(ExitCode.MIGRATION, "The database was never migrated", "run `gatehouse migrate`")
        case PostgresError() | InterfaceError():
            state = getattr(error, "sqlstate", None) or type(error).__name__
            return CommandFault(
                ExitCode.STORE,
                f"PostgreSQL refused what the command asked ({state})",
                "run `gatehouse doctor`, and look into PostgreSQL's log",
            )
        case RedisError():
            return CommandFault(
                ExitCode.STORE,
                f"Redis did not answer ({type(error).__name__})",
                "start it, or correct GATEHOUSE_REDIS_URL",
            )
        case _:
            return _unexpected(error)


def _usage(error: typer.TyperException) -> CommandFault:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "gatehouse"
    return CommandFault(ExitCode.USAGE, " ".join(error.format_message().split()), f"see `{path} --help`")


def _settings(error: SettingsError) -> CommandFault:
    first = CommandFault.from_sentence(ExitCode.SETTINGS, error.faults[0])
    if len(error.faults) == 1:
        return first
    return CommandFault(
        ExitCode.SETTINGS,
        f"{len(error.faults)} settings cannot be used",
        "mend each of them:\n  " + "\n  ".join(error.faults),
    )


def _unexpected(error: Exception) -> CommandFault:
    descriptor, name = tempfile.mkstemp(prefix="gatehouse-", suffix=".log")
    with os.fdopen(descriptor, "w") as log:
        traceback.print_exception(error, file=log)
    return CommandFault(
        ExitCode.UNEXPECTED,
        f"Something unexpected happened ({type(error).__name__})",
        f"the details are in {Path(name)}; please report them",
    )
