"""Files: how they are named, how long they are, what they leave undone, and doors only some may use."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gatehouse.checks.source import Finding, Source

MAX_LINES = 400

_VAGUE = frozenset({"utils", "util", "utilities", "helpers", "helper", "manager", "managers", "common", "misc"})
# Written with a class of one letter so that this file does not find itself.
_UNDONE = re.compile(r"\b(T[O]DO|F[I]XME|X[X]X)\b")


def vague_names(source: Source) -> Iterator[Finding]:
    """Modules and packages whose name says nothing about what is inside."""
    for part in source.path.with_suffix("").parts:
        if part.lower().strip("_") in _VAGUE:
            yield Finding(1, f"'{part}' names no subject: call it after what it holds")


def long_files(source: Source) -> Iterator[Finding]:
    """Files over 400 lines."""
    if len(source.lines) > MAX_LINES:
        yield Finding(MAX_LINES + 1, f"{len(source.lines)} lines, at most {MAX_LINES}: split it by subject")


def undone(source: Source) -> Iterator[Finding]:
    """Notes to finish later, and bodies that only say so."""
    for number, line in enumerate(source.lines, 1):
        if _UNDONE.search(line):
            yield Finding(number, "finish it, or open an issue: no notes to self in the code")
    for node in source.nodes:
        match node:
            case (
                ast.Raise(exc=ast.Name(id="NotImplementedError"))
                | ast.Raise(exc=ast.Call(func=ast.Name(id="NotImplementedError")))
            ):
                yield Finding(node.lineno, "no stubs: leave it out until it is there")
            case _:
                pass


def authlib_jose(source: Source) -> Iterator[Finding]:
    """Imports of authlib.jose, which import-linter sees only as `authlib`."""
    for node in source.nodes:
        match node:
            case ast.Import(names=names):
                modules = [name.name for name in names]
            case ast.ImportFrom(module=str(module), names=names, level=0):
                modules = [f"{module}.{name.name}" for name in names]
            case _:
                continue
        if any(f"{module}.".startswith("authlib.jose.") for module in modules):
            yield Finding(node.lineno, "JOSE is identity_core.jose; authlib.jose is deprecated")
