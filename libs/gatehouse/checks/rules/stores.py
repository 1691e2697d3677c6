"""SQL lives in storage/, and what commits is known by name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gatehouse.checks.source import Finding, Source, called

_SQL_PLACES = (
    "services/*/storage",
    "services/*/storage.py",
    "migrations",
    "libs/identity_core/session_store",
    "libs/identity_core/db.py",
    "libs/identity_core/events.py",
    "libs/identity_core/audit.py",
    "libs/identity_core/ratelimit.py",
    "libs/identity_core/bearer.py",
    "libs/identity_core/testing",
    "libs/gatehouse",
    "tests",
    "load",
)
_COMMIT_PLACES = (
    "services/*/storage/unit_of_work.py",
    "libs/identity_core/db.py",
    "libs/identity_core/session_store",
    "libs/identity_core/testing",
    "libs/gatehouse/cli",
    "libs/gatehouse/dev",
    "libs/gatehouse/migrate.py",
    "tests",
    "load",
)

# The shape of a statement, so that "Select a client" and "Update your password" stay English.
_STATEMENT = re.compile(
    r"""\s*(
        SELECT\s(.*\bFROM\b|[\w.]+\() | INSERT\s+INTO\s | UPDATE\s+[\w.$"{}]+(\s+(AS\s+)?\w+)?\s+SET\s |
        DELETE\s+FROM\s | WITH\s+(RECURSIVE\s+)?\w+\s*(\([^)]*\)\s*)?AS\s |
        CREATE\s+(OR\s+REPLACE\s+)?(UNIQUE\s+)?(TABLE|VIEW|FUNCTION|SCHEMA|ROLE|INDEX|SEQUENCE|TYPE|TRIGGER)\s
    )""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_BUILDERS = frozenset({"text", "select", "insert", "update", "delete"})


def sql_outside_storage(source: Source) -> Iterator[Finding]:
    """Statements as text, and SQLAlchemy's statement builders, anywhere but in the rooms that own them."""
    if source.lies_in(*_SQL_PLACES):
        return
    for line, text in _texts(source):
        if _STATEMENT.match(text):
            yield Finding(line, "SQL belongs in storage/")
    for node in source.nodes:
        match node:
            case ast.ImportFrom(module=str(module), names=names) if module.split(".")[0] == "sqlalchemy":
                for name in names:
                    if name.name in _BUILDERS:
                        yield Finding(node.lineno, f"sqlalchemy.{name.name} belongs in storage/")
            case ast.Attribute(value=ast.Name(id="sa" | "sqlalchemy"), attr=attr) if attr in _BUILDERS:
                yield Finding(node.lineno, f"sqlalchemy.{attr} belongs in storage/")
            case _:
                pass


def commits(source: Source) -> Iterator[Finding]:
    """Transactions opened or committed anywhere but in a unit of work."""
    if source.lies_in(*_COMMIT_PLACES):
        return
    for node in source.nodes:
        # A transaction takes no positional argument; what does, begins something else.
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.args:
            name = called(node)
            if name in {"commit", "begin", "begin_nested", "transaction"}:
                yield Finding(node.lineno, f".{name}() belongs in storage/unit_of_work.py: commit, then answer")


def _texts(source: Source) -> Iterator[tuple[int, str]]:
    """Every string that is not a docstring, with its line; in an f-string `{}` stands for what is put in."""
    parts = {id(part) for node in source.nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    skipped = parts | {id(node.value) for node in source.nodes if isinstance(node, ast.Expr)}
    for node in source.nodes:
        match node:
            case ast.Constant(value=str(text)) if id(node) not in skipped:
                yield node.lineno, text
            case ast.JoinedStr(values=values):
                pieces = (p.value if isinstance(p, ast.Constant) else "{}" for p in values)
                yield node.lineno, "".join(str(piece) for piece in pieces)
            case _:
                pass
