"""The decision records are listed, in order, short, and the table of dependencies is whole."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.utils import canonicalize_name

from gatehouse.checks.lock import direct_requirements

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/adr"
RECORDS = sorted(path for path in FOLDER.glob("[0-9]*.md") if not path.name.startswith("0000"))


def test_numbers_run_without_gaps() -> None:
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))


def test_every_record_is_listed_and_nothing_else() -> None:
    listed = re.findall(r"^\| \[\d{4}\]\(([^)]+)\)", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert listed == [path.name for path in RECORDS]


def test_every_record_has_the_parts_of_the_template() -> None:
    for path in RECORDS:
        text = path.read_text()
        assert text.startswith(f"# {path.name[:4]}. "), path.name
        for part in ("- Status: ", "- Date: ", "## Context", "## Decision", "## Consequences"):
            assert part in text, (path.name, part)


def test_every_direct_dependency_has_its_keeper_and_reason() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    first_cells = re.findall(r"^\| ([^|]+) \|", (FOLDER / "0007-dependencies.md").read_text(), re.MULTILINE)
    named = {canonicalize_name(name) for cell in first_cells for name in re.split(r"[,;] ", cell)}
    asked = {canonicalize_name(requirement.name) for requirement in direct_requirements(pyproject)}
    assert asked - named == set()
