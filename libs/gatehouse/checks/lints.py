"""Our own lints: `python -m gatehouse.checks.lints [paths]`.

Prints `file:line rule message` for each finding and exits 1 when there is one, 0 otherwise, 2 on a wrong
path. Without paths it reads the whole of our code and the changelog fragments. A new lint is a function from
a Source to Findings and one line in RULES.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from gatehouse.checks.rules import files, fragments, routes, stores, values
from gatehouse.checks.source import Finding, Rule, Source, read_tree

RULES = (
    Rule("async-route", routes.sync_routes),
    Rule("async-dependency", routes.sync_dependencies),
    Rule("asgi-middleware", routes.base_http_middleware),
    Rule("sql-in-storage", stores.sql_outside_storage),
    Rule("commit-in-unit-of-work", stores.commits),
    Rule("clock-offset", values.clock_offsets),
    Rule("clock-in-protocol", values.clock_reads),
    Rule("secret-compare", values.secret_comparisons),
    Rule("authlib-jose", files.authlib_jose),
    Rule("vague-name", files.vague_names),
    Rule("long-file", files.long_files),
    Rule("undone", files.undone),
)
PLACES = ("services", "libs", "migrations", "tests", "load", "deploy")
FRAGMENTS = "changelog.d"


def check(source: Source) -> Iterator[tuple[str, Finding]]:
    """Every finding of every rule in one file, with the rule's name; not parsing is a finding too."""
    try:
        _ = source.tree
    except SyntaxError as fault:
        yield "syntax", Finding(fault.lineno or 1, fault.msg)
        return
    for rule in RULES:
        for finding in rule.check(source):
            yield rule.name, finding


def report(root: Path, places: Iterable[str]) -> Iterator[str]:
    """The printed line of each finding under `places`, in order of file and line."""
    for source in read_tree(root, places):
        for name, finding in sorted(check(source), key=lambda pair: (pair[1].line, pair[0])):
            yield f"{source.path}:{finding.line} {name} {finding.message}"


def report_fragments(root: Path) -> Iterator[str]:
    """The printed line of each malformed changelog fragment."""
    for name, finding in fragments.check_fragments(root / FRAGMENTS):
        yield f"{FRAGMENTS}/{name}:{finding.line} changelog-fragment {finding.message}"


def main(arguments: Sequence[str]) -> int:
    """Lint `arguments`, or everything; the exit code."""
    root = Path.cwd()
    wrong = [place for place in arguments if not (root / place).exists()]
    if wrong:
        print(f"no such file or folder: {', '.join(wrong)}", file=sys.stderr)
        return 2
    places = [(root / place).resolve().relative_to(root.resolve()).as_posix() for place in arguments]
    lines = list(report(root, places or (place for place in PLACES if (root / place).exists())))
    if not arguments:
        lines += report_fragments(root)
    print(*lines, sep="\n", end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
