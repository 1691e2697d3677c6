"""One change to a resource, without touching the one given: add, remove, replace (RFC 7644 §3.5.2.1 to §3.5.2.3)."""

from collections.abc import Hashable, Mapping
from typing import Any

from scim.protocol.attributes import Attribute
from scim.protocol.errors import Refused, invalid_syntax, no_target
from scim.protocol.limits import Work, bounded, weight
from scim.protocol.path import Target
from scim.protocol.selection import described, selects, terms_of
from scim.protocol.values import UNSET, by_attribute, read_single, read_value


def amend(resource: Mapping[str, Any], op: str, target: Target, value: Any, work: Work) -> dict[str, Any]:
    """The resource after `op`, whose steps are taken from `work`. Raises Refused."""
    work.spend(1)
    if target.extension is None:
        if target.attribute is None:
            return dict(resource)
        return _amend_holder(resource, op, target.attribute, target, value, work)
    inner = resource.get(target.extension.urn, {})
    if target.attribute is not None:
        inner = _amend_holder(inner, op, target.attribute, target, value, work)
    elif op == "remove" or value is None:
        inner = {}
    elif not isinstance(value, dict):
        raise Refused(invalid_syntax(f"{target.name} must be an object"))
    else:
        members, _ = by_attribute(target.extension.attributes, value, f"{target.name}:")
        for attribute, member in members:
            if not attribute.read_only:
                inner = _amend_holder(inner, op, attribute, Target(target.extension, attribute), member, work)
    return _put(resource, target.extension.urn, inner or UNSET)


def _amend_holder(
    holder: Mapping[str, Any], op: str, attribute: Attribute, target: Target, value: Any, work: Work
) -> dict[str, Any]:
    """The core resource, or the extension, after the change of one of its attributes."""
    present = holder.get(attribute.name)
    if target.selector is not None or (target.sub is not None and attribute.multi_valued):
        return _put(holder, attribute.name, _amend_entries(present or [], op, attribute, target, value, work))
    if target.sub is not None:
        inner = present or {}
        got = UNSET if op == "remove" else read_value(target.sub, value, target.name)
        return _put(holder, attribute.name, _put(inner, target.sub.name, got) or UNSET)
    if op == "remove":
        return _put(holder, attribute.name, _without(attribute, present, value, target.name, work))
    got = read_value(attribute, value, target.name)
    if got is UNSET:
        # An empty value adds nothing, and replaces everything.
        return dict(holder) if op == "add" else _put(holder, attribute.name, UNSET)
    if attribute.multi_valued:
        return _put(holder, attribute.name, _joined(attribute, present or [], got, work) if op == "add" else got)
    if attribute.type == "complex":
        # Sub-attributes that are not named stay as they are (§3.5.2.3); null ones go.
        kept = {n: v for n, v in (present or {}).items() if n not in _nulls(attribute, value)}
        return _put(holder, attribute.name, kept | got)
    return _put(holder, attribute.name, got)


def _amend_entries(entries: list[Any], op: str, attribute: Attribute, target: Target, value: Any, work: Work) -> Any:
    """The entries of a multi-valued attribute after a change of those selected (all, without a selector)."""
    selector, sub = target.selector, target.sub
    work.spend(sum(map(weight, entries)) * (1 if selector is None else terms_of(selector)))
    chosen = [selector is None or selects(attribute, selector, entry) for entry in entries]
    if op == "remove":
        if sub is None:
            return [entry for entry, hit in zip(entries, chosen, strict=True) if not hit] or UNSET
        stripped = [_put(entry, sub.name, UNSET) if hit else entry for entry, hit in zip(entries, chosen, strict=True)]
        return [entry for entry in stripped if entry] or UNSET
    if sub is not None:
        got = read_value(sub, value, target.name)
        patch = {} if got is UNSET else {sub.name: got}
        gone = {sub.name} if got is UNSET else set()
    else:
        got = read_single(attribute, value[0] if isinstance(value, list) and len(value) == 1 else value, target.name)
        patch, gone = (got if isinstance(got, dict) else {}), _nulls(attribute, value)
    if not any(chosen):
        return _joined(attribute, entries, [_new_entry(attribute, target) | patch], work) if patch else entries or UNSET
    work.spend(sum(chosen) * weight(patch))
    changed = [
        {name: held for name, held in entry.items() if name not in gone} | patch if hit else entry
        for entry, hit in zip(entries, chosen, strict=True)
    ]
    return _one_primary(changed, [hit and "primary" in patch for hit in chosen])


def _new_entry(attribute: Attribute, target: Target) -> dict[str, Any]:
    """The entry that the selector describes. Entra ID sets `phoneNumbers[type eq "mobile"].value` where none is."""
    entry = None if target.selector is None else described(attribute, target.selector)
    if entry is None:
        raise Refused(no_target(f"no value of {attribute.name} is selected by the path"))
    read = read_single(attribute, entry, attribute.name)
    return read if isinstance(read, dict) else {}


def _joined(attribute: Attribute, entries: list[Any], more: list[Any], work: Work) -> list[Any]:
    """`entries` and what of `more` is not among them; a new primary takes the place of the old one (§3.5.2)."""
    work.spend(sum(map(weight, entries)) + sum(map(weight, more)))
    known = {_key(entry) for entry in entries}
    added: list[Any] = []
    for one in more:
        if (key := _key(one)) not in known:
            known.add(key)
            added.append(one)
    joined = bounded([*entries, *added], attribute.name)
    return _one_primary(joined, [False] * len(entries) + [True] * len(added))


def _one_primary(entries: list[Any], fresh: list[bool]) -> list[Any]:
    """Other entries lose `primary` when a fresh one has it."""
    if not any(new and entry.get("primary") is True for entry, new in zip(entries, fresh, strict=True)):
        return entries
    return [
        entry if new or entry.get("primary") is not True else entry | {"primary": False}
        for entry, new in zip(entries, fresh, strict=True)
    ]


def _without(attribute: Attribute, present: Any, value: Any, where: str, work: Work) -> Any:
    """What is left after a remove. With a value only the entries equal to it go, by `value` where they have one."""
    if present is None or not attribute.multi_valued or value in (None, "", [], {}):
        return UNSET
    unwanted = read_value(attribute, value, where)
    gone = unwanted if isinstance(unwanted, list) else []
    work.spend(sum(map(weight, present)) + sum(map(weight, gone)))
    keys = {_identity(entry) for entry in gone}
    return [entry for entry in present if _identity(entry) not in keys] or UNSET


def _identity(entry: Any) -> Hashable:
    return _key(entry["value"] if isinstance(entry, dict) and "value" in entry else entry)


def _key(value: Any) -> Hashable:
    """The same for equal values of one attribute, so that many are compared by looking each up once."""
    if isinstance(value, dict):
        return frozenset((name, _key(held)) for name, held in value.items())
    if isinstance(value, list):
        return tuple(map(_key, value))
    known: Hashable = value
    return known


def _nulls(attribute: Attribute, value: Any) -> set[str]:
    """The sub-attributes that a complex value names with nothing."""
    if not isinstance(value, dict):
        return set()
    return {
        attribute.subs[name.lower()].name
        for name, member in value.items()
        if name.lower() in attribute.subs and member in (None, [], {})
    }


def _put(holder: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """A copy of `holder` with `name` set, or without it when there is nothing to set."""
    rest = {key: held for key, held in holder.items() if key != name}
    return rest if value is UNSET or value in ([], {}) else rest | {name: value}
