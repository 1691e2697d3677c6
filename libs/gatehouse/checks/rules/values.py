"""Rules on values: secrets are compared in constant time, and time comes from where it is owned."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gatehouse.checks.source import Finding, Source, called, last_name

PUBLIC = "# lint: public"

_SECRET_WORDS = frozenset({"secret", "token", "mac", "hmac", "digest", "hexdigest", "hash", "password"})
# The last word says what a value is: token_type, secret_id and hash_alg are no secrets.
_PUBLIC_LAST_WORD = re.compile(
    "types?|kind|class|use|format|alg|methods?|version|status|state|ids?|names?|uri|endpoint|prefix|hint|tag"
    "|index|family|generation|at|ttl|lifetime|seconds|ms|length|len|size|count"
)


def secret_comparisons(source: Source) -> Iterator[Finding]:
    """`==` and `!=` on what is called a secret, token, MAC, digest or hash.

    Comparisons with a literal or an upper-case constant are public; so is a line which ends in `# lint:
    public`, with its reason before it.
    """
    if source.lies_in("tests", "load", "libs/identity_core/testing", "libs/identity_core/secrets.py"):
        return
    for node in source.nodes:
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        if any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops) and not any(map(_is_public, sides)):
            name = next((_name(side) for side in sides if _is_secret(_name(side))), "")
            first, last = node.lineno - 1, node.end_lineno or node.lineno
            if name and not any(PUBLIC in line for line in source.lines[first:last]):
                yield Finding(node.lineno, f"compare {name} by identity_core.secrets.same, or say why it is public")


def clock_reads(source: Source) -> Iterator[Finding]:
    """protocol/ reads no clock: `now` is one of its arguments."""
    if not source.lies_in("services/*/protocol"):
        return
    for node in source.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner, name = last_name(node.func.value), node.func.attr
            if (owner in {"datetime", "date"} and name in {"now", "utcnow", "today"}) or (
                owner == "time" and name in {"time", "time_ns", "monotonic", "monotonic_ns"}
            ):
                yield Finding(node.lineno, f"{owner}.{name}() in protocol/: take `now` as an argument")
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield Finding(node.lineno, "protocol/ reads no clock: take `now` as an argument")


def clock_offsets(source: Source) -> Iterator[Finding]:
    """`offset_ms=` other than 0, the clock's own, or the caller's own parameter handed on.

    The offset moves the clock of the stores for tests; anywhere else it would be a way to make what is dead
    alive.
    """
    if source.lies_in("tests", "libs/identity_core/testing", "libs/identity_core/clock.py"):
        return
    for function, call in _calls(source.tree, None):
        for pair in call.keywords:
            if pair.arg == "offset_ms" and not _is_known_offset(pair.value, function):
                yield Finding(pair.value.lineno, "only tests may move the clock: pass clock.offset_ms")


def _calls(node: ast.AST, function: ast.arguments | None) -> Iterator[tuple[ast.arguments | None, ast.Call]]:
    """Every call below `node`, with the parameters of the function it stands in."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        function = node.args
    if isinstance(node, ast.Call):
        yield function, node
    for child in ast.iter_child_nodes(node):
        yield from _calls(child, function)


def _is_known_offset(value: ast.expr, function: ast.arguments | None) -> bool:
    match value:
        case ast.Constant(value=0):
            return True
        case ast.Attribute(value=owner, attr="offset_ms"):
            return last_name(owner).strip("_") == "clock"
        case ast.Name(id="offset_ms") if function is not None:
            parameters = [*function.posonlyargs, *function.args, *function.kwonlyargs]
            return any(parameter.arg == "offset_ms" for parameter in parameters)
        case _:
            return False


def _name(side: ast.expr) -> str:
    """What a side of a comparison is called: its last identifier, its literal key, or what computed it."""
    match side:
        case ast.Call():
            return called(side)
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return key
        case ast.Subscript(value=value):
            return _name(value)
        case _:
            return last_name(side)


def _is_secret(name: str) -> bool:
    words = name.lower().strip("_").split("_")
    return bool(_SECRET_WORDS & set(words)) and not _PUBLIC_LAST_WORD.fullmatch(words[-1])


def _is_public(side: ast.expr) -> bool:
    if isinstance(side, ast.Constant | ast.List | ast.Tuple | ast.Set):
        return True
    name = last_name(side)
    return bool(name) and name.isupper()
