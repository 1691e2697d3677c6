"""What a command says: a table for people, a JSON document for programs, a fault in the matching form."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from gatehouse.faults import CommandFault

JsonOption = Annotated[bool, typer.Option("--json", help="Answer one JSON document, faults included.")]
DataOption = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DIR",
        envvar="GATEHOUSE_DATA",
        help="Where `gatehouse dev` keeps its data; used when no GATEHOUSE_* setting names a database.",
    ),
]
DEFAULT_DATA = Path(".gatehouse")
PIPED_WIDTH = 160


def say_json(document: Any, *, stream: Any = None) -> None:
    """One JSON document and a newline."""
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=str).decode()
    print(text, file=stream or sys.stdout, flush=True)


def say_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str) -> None:
    """A table on standard output, or the sentence `empty`; plain columns where that is not a terminal."""
    console = _console()
    if not rows:
        console.print(empty, markup=False)
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console.print(table)


def say_fields(title: str, fields: Mapping[str, Any]) -> None:
    """One thing and its fields, in two columns."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        table.add_row(name, _cell(value))
    _console().print(table)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)


def say_fault(fault: CommandFault, *, as_json: bool) -> None:
    """A fault on standard error."""
    if as_json:
        say_json(fault.document(), stream=sys.stderr)
    else:
        print(f"gatehouse: {fault.sentence}", file=sys.stderr, flush=True)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, (list, tuple, set, frozenset)):
        return " ".join(str(item) for item in value)
    return str(value).replace("[", r"\[")
