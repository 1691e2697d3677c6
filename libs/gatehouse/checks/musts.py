"""Reads the requirements we claim from tests/vectors/musts/*.toml (the form is told in `spec_map`)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

MAX_WORDS = 15
_KEYS = frozenset({"id", "section", "text", "not_applicable"})


class Must(NamedTuple):
    """One requirement. `not_applicable` is empty when we claim it, else the reason why we do not."""

    id: str
    section: str
    text: str
    not_applicable: str


class BadMust(NamedTuple):
    """A requirement, or a file of them, which cannot be read."""

    file: str
    fault: str


def read_musts(folder: Path) -> Iterator[Must | BadMust]:
    """Every requirement of every file in `folder`; an id used twice is a fault."""
    seen: set[str] = set()
    for path in sorted(folder.glob("*.toml")):
        for must in musts_in(path.name, path.read_text("utf-8")):
            if isinstance(must, Must):
                if must.id in seen:
                    yield BadMust(path.name, f"{must.id} is there twice")
                    continue
                seen.add(must.id)
            yield must


def musts_in(file: str, text: str) -> Iterator[Must | BadMust]:
    """The requirements of one file."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        yield BadMust(file, str(fault))
        return
    rows = content.get("must", [])
    if set(content) - {"must"} or not isinstance(rows, list) or not rows:
        yield BadMust(file, "a file of requirements is a list of [[must]] and nothing else")
        return
    for number, row in enumerate(rows, 1):
        yield _one(file, number, row)


def _one(file: str, number: int, row: Mapping[str, object]) -> Must | BadMust:
    name = str(row.get("id", f"must {number}"))
    if unknown := set(row) - _KEYS:
        return BadMust(file, f"{name}: unknown {', '.join(sorted(unknown))}")
    values = {key: value.strip() for key, value in row.items() if isinstance(value, str) and value.strip()}
    if missing := [key for key in ("id", "section", "text") if key not in values]:
        return BadMust(file, f"{name}: {', '.join(missing)} is missing")
    if "not_applicable" in row and "not_applicable" not in values:
        return BadMust(file, f"{name}: not_applicable wants its reason")
    if len(values["text"].split()) > MAX_WORDS:
        return BadMust(file, f"{name}: text has over {MAX_WORDS} words")
    section = " ".join(values["section"].split())
    return Must(values["id"], section, values["text"], values.get("not_applicable", ""))
