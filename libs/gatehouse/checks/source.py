"""A file as the lints see it: its place in the repository, its text, and, for Python, its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple


class Finding(NamedTuple):
    """One breach: where (1-based line) and what, in one sentence."""

    line: int
    message: str


@dataclass(frozen=True)
class Source:
    """One file. `path` is relative to the repository, with forward slashes."""

    path: PurePosixPath
    text: str

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree; an empty module for a file that is not Python."""
        return ast.parse(self.text if self.path.suffix == ".py" else "")

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    def lies_in(self, *places: str) -> bool:
        """Whether the file is, or is under, one of `places`; a `*` stands for one folder name."""
        return any(_matches(self.path.parts, PurePosixPath(place).parts) for place in places)


def _matches(path: tuple[str, ...], place: tuple[str, ...]) -> bool:
    if len(path) < len(place):
        return False
    return all(there in ("*", here) for here, there in zip(path, place, strict=False))


@dataclass(frozen=True)
class Rule:
    """A lint: its name, as printed, and what it looks for in one file."""

    name: str
    check: Callable[[Source], Iterable[Finding]]


SUFFIXES = frozenset({".py", ".lua", ".html", ".css", ".js", ".sh"})


def read_tree(root: Path, places: Iterable[str]) -> Iterator[Source]:
    """Every file of our own kinds under `places` (files or folders, relative to `root`), in a fixed order."""
    for place in places:
        start = root / place
        found = sorted(start.rglob("*")) if start.is_dir() else [start]
        for path in found:
            if path.suffix in SUFFIXES and path.is_file() and not _is_foreign(path.relative_to(root)):
                yield Source(PurePosixPath(path.relative_to(root).as_posix()), path.read_text("utf-8"))


def _is_foreign(path: Path) -> bool:
    """Built or third-party text: caches, node_modules, minified scripts."""
    return any(part in {"__pycache__", "node_modules"} or part.startswith(".") for part in path.parts) or (
        ".min." in path.name
    )


def last_name(node: ast.expr | None) -> str:
    """The last identifier of a name or dotted name (`a.b.c` → `c`); empty for anything else."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def called(node: ast.AST) -> str:
    """The last identifier of what a call calls; empty when `node` is no call."""
    return last_name(node.func) if isinstance(node, ast.Call) else ""
