"""Which attributes are returned: `attributes` and `excludedAttributes` (RFC 7644 §3.9)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scim.protocol.attributes import Attribute, ResourceSchema
from scim.protocol.errors import ScimError, invalid_value
from scim.protocol.path import Target, parse_path

LISTS = ("attributes", "excludedAttributes")

# By extension URN ("" for the core) and attribute name: the sub-attributes named, or None for the whole.
_Named = dict[tuple[str, str], set[str] | None]


@dataclass(frozen=True, slots=True)
class Projection:
    """None: not asked for. Attributes `returned: always` are always there."""

    wanted: _Named | None = None
    unwanted: _Named | None = None

    def apply(self, schema: ResourceSchema, resource: dict[str, Any]) -> dict[str, Any]:
        if self.wanted is None and self.unwanted is None:
            return resource
        shown: dict[str, Any] = {}
        for name, value in resource.items():
            extension = schema.extensions.get(name.lower())
            if extension is None:
                kept = self._shown(schema.attributes, "", name, value)
            else:
                inner = {n: self._shown(extension.attributes, name, n, v) for n, v in value.items()}
                kept = {n: v for n, v in inner.items() if v is not None} or None
            if kept is not None:
                shown[name] = kept
        return shown

    def _shown(self, attributes: Mapping[str, Attribute], urn: str, name: str, value: Any) -> Any:
        attribute = attributes.get(name.lower())
        if attribute is not None and attribute.returned == "always":
            return value
        if self.wanted is not None:
            named = _named(self.wanted, urn, name)
            if named is _ABSENT:
                return None
            if named is not None:
                value = _subs(value, lambda sub: sub in named)
        if self.unwanted is not None and value is not None:
            named = _named(self.unwanted, urn, name)
            if named is None:
                return None
            if named is not _ABSENT:
                value = _subs(value, lambda sub: sub not in named)
        return value


_ABSENT: set[str] = set()
_MAX_CHARS = 4096


def names_fault(query: Mapping[str, str]) -> ScimError | None:
    """The refusal of lists of names that are too long to be read."""
    for name in LISTS:
        if len(query.get(name, "")) > _MAX_CHARS:
            return invalid_value(f"{name} has at most {_MAX_CHARS} characters")
    return None


def read_projection(schema: ResourceSchema, query: Mapping[str, str]) -> Projection:
    """From the query parameters; names that no schema has are passed over."""
    if "attributes" not in query and "excludedAttributes" not in query:
        return NOTHING_ASKED
    lists = [query.get(name) for name in LISTS]
    wanted, unwanted = (None if text is None else _read(schema, text.split(",")) for text in lists)
    return Projection(wanted, unwanted)


NOTHING_ASKED = Projection()


def _read(schema: ResourceSchema, names: Iterable[str]) -> _Named:
    named: _Named = {}
    for name in dict.fromkeys(names):
        target = parse_path(schema, name.strip())
        if not isinstance(target, Target) or target.selector is not None:
            continue
        key = (target.extension.urn if target.extension else "", target.attribute.name if target.attribute else "*")
        if target.sub is None:
            named[key] = None
        elif named.get(key, _ABSENT) is not None:
            named[key] = {*(named.get(key) or ()), target.sub.name}
    return named


def _named(named: _Named, urn: str, name: str) -> set[str] | None:
    """What is said of an attribute: its sub-attributes, None for the whole, _ABSENT for nothing."""
    if (urn, "*") in named:
        return None
    return named.get((urn, name), _ABSENT)


def _subs(value: Any, keep: Any) -> Any:
    if isinstance(value, list):
        return [entry for one in value if (entry := _subs(one, keep))] or None
    if isinstance(value, dict):
        return {name: held for name, held in value.items() if keep(name)} or None
    return value
