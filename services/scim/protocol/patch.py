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
from scim.protocol.path import Target, Unknown, parse_path

Op = Literal["add", "remove", "replace"]
_OPS: Mapping[str, Op] = {"add": "add", "remove": "remove", "replace": "replace"}
MAX_OPERATIONS = 1000


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


def read_patch(schema: ResourceSchema, document: Mapping[str, Any]) -> Plan | ScimError:
    """The plan of a PatchOp message, or why it is none."""
    operations = _member(document, "operations")
    if not isinstance(operations, list) or not operations:
        return invalid_syntax("Operations must be a list of one or more operations")
    if len(operations) > MAX_OPERATIONS:
        return invalid_value(f"a request has at most {MAX_OPERATIONS} operations")
    try:
        return _plan(schema, operations)
    except Refused as refused:
        return refused.error


def apply_plan(schema: ResourceSchema, plan: Plan, resource: Mapping[str, Any]) -> dict[str, Any] | ScimError:
    """The resource after all changes; the one given stays as it is."""
    changed: dict[str, Any] = dict(resource)
    try:
        for change in plan.changes:
            changed = amend(changed, change.op, change.target, change.value)
    except Refused as refused:
        return refused.error
    lacking = missing(schema.attributes, changed)
    return mutability(lacking.detail) if lacking else changed


def _plan(schema: ResourceSchema, operations: list[Any]) -> Plan:
    changes: list[Change] = []
    write_only: dict[str, Any] = {}
    ignored: list[str] = []
    for operation in operations:
        for step in _steps(schema, operation):
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


def _steps(schema: ResourceSchema, operation: Any) -> Iterator[Change | Unknown]:
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
        yield from _pathless(schema, op, value)
        return
    if not isinstance(path, str):
        raise Refused(invalid_path("path must be a string"))
    target = _target(schema, path)
    if isinstance(target, Target) and _read_only(target):
        raise Refused(mutability(f"{target.name} cannot be changed"))
    yield Change(op, target, value) if isinstance(target, Target) else target


def _pathless(schema: ResourceSchema, op: Op, value: Any) -> Iterator[Change | Unknown]:
    """Each member of the value is a change of its own; read-only members are passed over (Okta sends `id`)."""
    if op == "remove":
        raise Refused(no_target("remove needs a path"))
    if not isinstance(value, dict):
        raise Refused(invalid_syntax("without a path the value must be an object"))
    for name, member in value.items():
        target = _target(schema, name)
        if isinstance(target, Unknown):
            yield target
        elif not _read_only(target):
            yield Change(op, target, member)


def _target(schema: ResourceSchema, path: str) -> Target | Unknown:
    target = parse_path(schema, path)
    if isinstance(target, ScimError):
        raise Refused(target)
    return target


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
