"""Finds `@spec(...)` on tests by their syntax, without importing them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gatehouse.checks.source import called


class Mark(NamedTuple):
    """One section (or requirement id) named by one test, as `path::test`."""

    section: str
    test: str


class BadMark(NamedTuple):
    """A mark which cannot be read."""

    test: str
    fault: str


def read_marks(root: Path, tests: Path) -> Iterator[Mark | BadMark]:
    """Every mark in the Python files under `root / tests`."""
    for path in sorted((root / tests).rglob("*.py")):
        place = path.relative_to(root).as_posix()
        if not any(part.startswith(".") or part == "node_modules" for part in path.relative_to(root).parts):
            yield from marks_in(place, path.read_text("utf-8"))


def marks_in(place: str, text: str) -> Iterator[Mark | BadMark]:
    """The marks of one module: on its tests, on its classes, or on all of it by `pytestmark`."""
    try:
        module = ast.parse(text)
    except SyntaxError as fault:
        yield BadMark(place, f"line {fault.lineno}: {fault.msg}")
        return
    for node in module.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
        ):
            yield from _read(place, _spec_calls(node.value))
    yield from _in_body(place, module.body)


def _in_body(place: str, body: list[ast.stmt]) -> Iterator[Mark | BadMark]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            where = f"{place}::{node.name}"
            for decorator in node.decorator_list:
                yield from _read(where, _spec_calls(decorator))
            if isinstance(node, ast.ClassDef):
                yield from _in_body(where, node.body)


def _spec_calls(node: ast.AST) -> Iterator[ast.Call]:
    """`spec(...)` itself, or inside a list or a parametrize's `marks=`."""
    for child in ast.walk(node):
        if isinstance(child, ast.Call) and called(child) == "spec":
            yield child


def _read(where: str, calls: Iterator[ast.Call]) -> Iterator[Mark | BadMark]:
    for call in calls:
        if not call.args:
            yield BadMark(where, "spec() names no section")
        for argument in call.args:
            match argument:
                case ast.Constant(value=str(section)) if section.strip():
                    yield Mark(" ".join(section.split()), where)
                case _:
                    yield BadMark(where, "spec() takes sections as literal strings, so that they can be collected")
