"""What a write changed, by name: audit rows and events hold names of attributes and never values."""

from collections.abc import Mapping
from typing import Any


def changed_names(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Sorted names; members of objects and of extensions each by their own (`name.givenName`, `urn:…:gender`)."""
    names: set[str] = set()
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if name.startswith("urn:"):
            names.update(f"{name}:{each}" for each in changed_names(old or {}, new or {}))
        elif isinstance(old, dict) or isinstance(new, dict):
            members = _members(old) | _members(new)
            names.update(f"{name}.{each}" for each in members if _of(old, each) != _of(new, each))
        else:
            names.add(name)
    return tuple(sorted(names))


def _members(value: Any) -> set[str]:
    return set(value) if isinstance(value, dict) else set()


def _of(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
