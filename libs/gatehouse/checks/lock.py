"""Whether requirements.lock still says what pyproject.toml asks for: `python -m gatehouse.checks.lock`.

Works without a network. It does not resolve; it compares the direct dependencies (names and version ranges),
wants a hash for every entry, and refuses any address: a lock which names an index works only where that index
is reached.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

GROUP = "dev"
_ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")
_DIRECT = re.compile(r"^\s+#\s+(via\s+)?gatehouse \(pyproject\.toml:")
_ADDRESS = re.compile(r"://|--(extra-)?index-url|--find-links|^\s*-[if]\s", re.MULTILINE)


class Entry(NamedTuple):
    """One locked package; `direct` when the lock holds it to be asked for by pyproject.toml."""

    version: str
    hashes: int
    direct: bool


def direct_requirements(pyproject: Mapping[str, Any], group: str = GROUP) -> list[Requirement]:
    """The requirements of a dependency group, its included groups and the project itself."""
    asked = pyproject["project"].get("dependencies", [])
    return [Requirement(text) for text in [*asked, *_flatten(pyproject["dependency-groups"], group)]]


def _flatten(groups: Mapping[str, Sequence[str | Mapping[str, str]]], group: str) -> Iterator[str]:
    for item in groups.get(group, ()):
        if isinstance(item, str):
            yield item
        else:
            yield from _flatten(groups, item["include-group"])


def read_lock(text: str) -> dict[str, Entry]:
    """The entries of a hashed requirements file, by normalised name."""
    entries: dict[str, Entry] = {}
    name = ""
    for line in text.splitlines():
        if found := _ENTRY.match(line):
            name = canonicalize_name(found["name"])
            entries[name] = Entry(found["version"], 0, False)
        elif name and "--hash=" in line:
            entries[name] = entries[name]._replace(hashes=entries[name].hashes + 1)
        elif name and _DIRECT.match(line):
            entries[name] = entries[name]._replace(direct=True)
    return entries


def faults(pyproject: Mapping[str, Any], lock: str) -> Iterator[str]:
    """What is wrong with the lock, one sentence each."""
    if found := _ADDRESS.search(lock):
        line = lock.count("\n", 0, found.start()) + 1
        yield f"line {line} names an address: lock with --no-emit-index-url"
    entries = read_lock(lock)
    yield from (f"{name} has no hash" for name, entry in entries.items() if not entry.hashes)
    asked = direct_requirements(pyproject)
    for requirement in asked:
        entry = entries.get(canonicalize_name(requirement.name))
        if entry is None:
            yield f"{requirement.name} is in pyproject.toml and not in the lock: make lock"
        elif not requirement.specifier.contains(entry.version, prereleases=True):
            ranges = requirement.specifier
            yield f"{requirement.name} {entry.version} is locked, {ranges} is asked for: make lock"
    names = {canonicalize_name(requirement.name) for requirement in asked}
    yield from (
        f"{name} is locked as asked for by pyproject.toml, which does not: make lock"
        for name, entry in entries.items()
        if entry.direct and name not in names
    )


def main() -> int:
    """Check the lock of the working directory; the exit code."""
    pyproject = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))
    found = list(faults(pyproject, Path("requirements.lock").read_text("utf-8")))
    for fault in found:
        print(f"requirements.lock: {fault}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
