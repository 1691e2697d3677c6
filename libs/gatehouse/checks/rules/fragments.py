"""Changelog fragments: one small file per change, named `<subject>.<type>.md`, holding whole sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from gatehouse.checks.source import Finding

TYPES = ("added", "changed", "deprecated", "removed", "fixed", "security")

_NAME = re.compile(rf"[a-z0-9][a-z0-9-]*\.({'|'.join(TYPES)})\.md")


def check_fragment(name: str, text: str) -> Iterator[Finding]:
    """What is wrong with one fragment, by its file name and its text."""
    if not _NAME.fullmatch(name):
        yield Finding(1, f"name it <subject>.<type>.md, type one of {', '.join(TYPES)}")
    lines = text.strip().splitlines()
    if not lines:
        yield Finding(1, "say what changed, for somebody who runs or calls Gatehouse")
        return
    if any(line.startswith(("#", "- ", "* ")) for line in lines):
        yield Finding(1, "write sentences: no headings, no lists")
    if not lines[-1].rstrip().endswith("."):
        yield Finding(len(lines), "end with a full stop")


def check_fragments(folder: Path) -> Iterator[tuple[str, Finding]]:
    """The findings of every file in `folder` but its README, with the file's name."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name != "README.md":
            for finding in check_fragment(path.name, path.read_text("utf-8")):
                yield path.name, finding
