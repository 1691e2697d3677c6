"""PATCH (RFC 7644 §3.5.2): operations are read into a plan without looking at the resource, then applied to it.

All shapes that real clients send become the same few changes: `op` in any case, no path with an object of attributes,
of dotted paths or of URNs, one value where a list is due, booleans as text. An attribute nobody defined is ignored
and named; anything that would be ambiguous is refused. Either all operations of a request apply, or none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from scim.protocol.amend import amend
from scim.protocol.attributes import Attribute, ResourceSchema
from scim.protocol.errors import (
    Refused,
    ScimError,
    invalid_path,
    invalid_syntax,
    invalid_value,
    mutability,
    no_target,
)
from scim.protocol.intake import missing
from scim.protocol.limits import Work
from scim.protocol.path import Target, Unknown, parse_path

Op = Literal["add", "remove", "replace"]
_OPS: Mapping[str, Op] = {"add": "add", "remove": "remove", "replace": "replace"}
MAX_OPERATIONS = 1000
"""Of one request; without a path each member of the value is one."""
MAX_PATH_CHARS = 16 * 1024
"""Of all paths of a request together, each as often as it differs: to read a character takes some 4 µs."""


@dataclass(frozen=True, slots=True)
class Change:
    """One step: exactly one target. `value` is as the client sent it."""

    op: Op
    target: Target
    value: Any = None


@dataclass(frozen=True, slots=True)
class Plan:
    """`write_only`: as in an intake (a password); `ignored`: names that no schema has."""

    changes: tuple[Change, ...]
    write_only: dict[str, Any] = field(repr=False, default_factory=dict)
    ignored: tuple[str, ...] = ()

    @property
    def touched(self) -> frozenset[str]:
        """The names of what the request speaks of, whether or not it changes."""
        return frozenset(change.target.name for change in self.changes)


class Paths:
    """The paths of one request, each read once."""

    def __init__(self, schema: ResourceSchema) -> None:
        self._schema = schema
        self._known: dict[str, Target | Unknown] = {}
        self._left = MAX_PATH_CHARS

    def read(self, path: str) -> Target | Unknown:
        """Raises Refused: for a path that is none, and when there is too much of them."""
        known = self._known.get(path)
        if known is not None:
            return known
        self._left -= len(path)
        target = parse_path(self._schema, path)
        if isinstance(target, ScimError):
            raise Refused(target)
        if self._left < 0:
            raise Refused(invalid_value(f"the paths of a request have at most {MAX_PATH_CHARS} characters"))
        self._known[path] = target
        return target


def read_patch(schema: ResourceSchema, document: Mapping[str, Any]) -> Plan | ScimError:
    """The plan of a PatchOp message, or why it is none."""
    operations = _member(document, "operations")
    if not isinstance(operations, list) or not operations:
        return invalid_syntax("Operations must be a list of one or more operations")
    if len(operations) > MAX_OPERATIONS:
        return _too_many()
    try:
        return _plan(schema, operations)
    except Refused as refused:
        return refused.error


def apply_plan(schema: ResourceSchema, plan: Plan, resource: Mapping[str, Any]) -> dict[str, Any] | ScimError:
    """The resource after all changes; the one given stays as it is. 413 when it takes more than MAX_STEPS."""
    changed, work = dict(resource), Work()
    try:
        for change in plan.changes:
            changed = amend(changed, change.op, change.target, change.value, work)
    except Refused as refused:
        return refused.error
    lacking = missing(schema, changed)
    return mutability(lacking.detail) if lacking else changed


def _plan(schema: ResourceSchema, operations: list[Any]) -> Plan:
    changes: list[Change] = []
    write_only: dict[str, Any] = {}
    ignored: list[str] = []
    paths, count = Paths(schema), 0
    for operation in operations:
        for step in _steps(paths, operation):
            count += 1
            if count > MAX_OPERATIONS:
                raise Refused(_too_many())
            if isinstance(step, Unknown):
                ignored.append(step.name)
            elif (attribute := step.target.attribute) is not None and attribute.write_only:
                _take_write_only(attribute, step, write_only)
            else:
                changes.append(step)
    return Plan(tuple(changes), write_only, tuple(ignored))


def _take_write_only(attribute: Attribute, step: Change, into: dict[str, Any]) -> None:
    if step.op == "remove" or not isinstance(step.value, str):
        raise Refused(invalid_value(f"{attribute.name} can only be set, to a string"))
    into[attribute.name] = step.value


def _steps(paths: Paths, operation: Any) -> Iterator[Change | Unknown]:
    if not isinstance(operation, dict):
        raise Refused(invalid_syntax("an operation must be an object"))
    given = _member(operation, "op")
    op = _OPS.get(given.lower()) if isinstance(given, str) else None
    if op is None:
        raise Refused(invalid_syntax("op must be add, remove or replace"))
    path, value = _member(operation, "path"), _member(operation, "value")
    if op != "remove" and not _has(operation, "value"):
        raise Refused(invalid_value("add and replace need a value"))
    if path is None or path == "":
        yield from _pathless(paths, op, value)
        return
    if not isinstance(path, str):
        raise Refused(invalid_path("path must be a string"))
    target = paths.read(path)
    if isinstance(target, Target) and _read_only(target):
        raise Refused(mutability(f"{target.name} cannot be changed"))
    yield Change(op, target, value) if isinstance(target, Target) else target


def _pathless(paths: Paths, op: Op, value: Any) -> Iterator[Change | Unknown]:
    """Each member of the value is a change of its own; read-only members are passed over (Okta sends `id`)."""
    if op == "remove":
        raise Refused(no_target("remove needs a path"))
    if not isinstance(value, dict):
        raise Refused(invalid_syntax("without a path the value must be an object"))
    for name, member in value.items():
        target = paths.read(name)
        if isinstance(target, Unknown):
            yield target
        elif not _read_only(target):
            yield Change(op, target, member)


def _too_many() -> ScimError:
    return invalid_value(f"a request has at most {MAX_OPERATIONS} operations")


def _read_only(target: Target) -> bool:
    return bool(
        (target.attribute is not None and target.attribute.read_only)
        or (target.sub is not None and target.sub.read_only)
    )


def _member(value: Mapping[str, Any], name: str) -> Any:
    """A member of a message; message names too come in any case."""
    if name in value:
        return value[name]
    return next((member for key, member in value.items() if key.lower() == name), None)


def _has(value: Mapping[str, Any], name: str) -> bool:
    return any(key.lower() == name for key in value)
