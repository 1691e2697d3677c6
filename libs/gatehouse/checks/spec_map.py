"""Which tests prove which section of a specification: `python -m gatehouse.checks.spec_map [--check]`.

Reads `@spec("RFC 7636 §4.6")` off the tests without importing them, and the claimed requirements from
`tests/vectors/musts/*.toml`:

    [[must]]
    id = "rfc7636-4.6-mismatch"          # unique; a test may name it instead of the section
    section = "RFC 7636 §4.6"
    text = "refuse when the verifier does not match the challenge"    # at most 15 words
    not_applicable = "…"                  # optional: why Gatehouse does not claim it

Writes docs/spec-map.md, or with `--check` fails when that file is stale. Either way a claimed requirement
that no test names, by its id or its section, is a failure.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from gatehouse.checks.musts import BadMust, Must, read_musts
from gatehouse.checks.spec_marks import BadMark, Mark, read_marks

MAP = Path("docs/spec-map.md")
TESTS = Path("tests")
MUSTS = Path("tests/vectors/musts")

_HEAD = """\
# Specification map

Which test proves which section, collected from the tests by `make spec-map`; do not edit by hand.
A requirement is one we claim to meet, in our words; the tests of its section, or those naming it, prove it.
"""


def in_order(text: str) -> list[tuple[int, int, str]]:
    """A sort key by which §4.10 comes after §4.9 and RFC 9449 after RFC 6749."""
    parts = re.split(r"(\d+)", text)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def proofs(marks: Iterable[Mark]) -> dict[str, list[str]]:
    """The tests of each section or requirement id, sorted, each once."""
    found: dict[str, set[str]] = defaultdict(set)
    for mark in marks:
        found[mark.section].add(mark.test)
    return {section: sorted(tests) for section, tests in found.items()}


def unproved(musts: Iterable[Must], tests: Mapping[str, Sequence[str]]) -> Iterator[Must]:
    """Requirements we claim and no test names."""
    for must in musts:
        if not must.not_applicable and not tests.get(must.id) and not tests.get(must.section):
            yield must


def render(musts: Sequence[Must], tests: Mapping[str, Sequence[str]]) -> str:
    """The page: one heading a section, in order, with its requirements and its tests."""
    ids = {must.id for must in musts}
    sections = {must.section for must in musts} | (set(tests) - ids)
    return "\n".join([_HEAD, *(_section(name, musts, tests) for name in sorted(sections, key=in_order))])


def _section(section: str, musts: Sequence[Must], tests: Mapping[str, Sequence[str]]) -> str:
    lines = [f"## {section}", ""]
    for must in sorted((m for m in musts if m.section == section), key=lambda m: in_order(m.id)):
        reason = f" *Not applicable: {must.not_applicable}*" if must.not_applicable else ""
        named = "".join(f"\n  - `{test}`" for test in tests.get(must.id, ()))
        lines.append(f"- **{must.id}**: {must.text}{reason}{named}")
    lines += [f"- `{test}`" for test in tests.get(section, ())]
    return "\n".join([*lines, ""])


def build(root: Path) -> tuple[str, list[str]]:
    """The page for the repository at `root`, and every fault found on the way."""
    marks: list[Mark] = []
    musts: list[Must] = []
    faults: list[str] = []
    for mark in read_marks(root, TESTS):
        if isinstance(mark, BadMark):
            faults.append(f"{mark.test}: {mark.fault}")
        else:
            marks.append(mark)
    for must in read_musts(root / MUSTS):
        if isinstance(must, BadMust):
            faults.append(f"{MUSTS}/{must.file}: {must.fault}")
        else:
            musts.append(must)
    tests = proofs(marks)
    faults += [f"{m.id} ({m.section}) is claimed and no test names it: {m.text}" for m in unproved(musts, tests)]
    return render(musts, tests), faults


def main(arguments: Sequence[str]) -> int:
    """Write or check the map of the working directory; the exit code."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: python -m gatehouse.checks.spec_map [--check]", file=sys.stderr)
        return 2
    page, faults = build(Path.cwd())
    if not arguments:
        MAP.parent.mkdir(exist_ok=True)
        MAP.write_text(page, "utf-8")
    elif not MAP.exists() or MAP.read_text("utf-8") != page:
        faults.append(f"{MAP} is stale: make spec-map")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
