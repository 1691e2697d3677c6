"""Values as clients send them, read into the one form in which they are kept.

Lenient where real clients differ from the RFC without being ambiguous: names in any case, booleans as text (Entra ID
sends `"False"`), one value where a list is due, a bare id where `{"value": id}` is. Strings are kept exactly as sent.
"""

from collections.abc import Mapping
from typing import Any, Final

from scim.protocol.attributes import Attribute
from scim.protocol.errors import Refused, invalid_syntax, invalid_value
from scim.protocol.limits import bounded


class Unset:
    """The type of UNSET: null, `[]` and `{}` are the same as no value (RFC 7643 §2.5)."""


UNSET: Final = Unset()


def read_value(attribute: Attribute, value: Any, where: str) -> Any:
    """`value` for `attribute`, or UNSET. `where` names it in a refusal. Raises Refused."""
    if value is None or value in ([], {}):
        return UNSET
    if not attribute.multi_valued:
        if isinstance(value, list) and len(value) == 1 and attribute.type == "complex":
            value = value[0]
        return read_single(attribute, value, where)
    entries = bounded(value, where) if isinstance(value, list) else [value]
    read = [entry for one in entries if (entry := read_single(attribute, one, where)) is not UNSET]
    if sum(1 for entry in read if isinstance(entry, dict) and entry.get("primary") is True) > 1:
        raise Refused(invalid_value(f"{where} has more than one primary value"))
    return read or UNSET


def read_single(attribute: Attribute, value: Any, where: str) -> Any:
    """One value (one entry, when the attribute has many)."""
    if value is None or value == {}:
        return UNSET
    match attribute.type:
        case "boolean":
            return _boolean(value, where)
        case "complex":
            return _complex(attribute, value, where)
        case "integer":
            if isinstance(value, int) and not isinstance(value, bool):
                return value
            raise Refused(invalid_value(f"{where} must be an integer"))
        case _:
            if isinstance(value, str):
                return value
            raise Refused(invalid_value(f"{where} must be a string"))


def by_attribute(
    attributes: Mapping[str, Attribute], value: Mapping[str, Any], where: str
) -> tuple[list[tuple[Attribute, Any]], list[str]]:
    """The members of an object with their attributes, and names that none has. Raises Refused on one given twice."""
    known: dict[str, tuple[Attribute, Any]] = {}
    unknown: list[str] = []
    for name, member in value.items():
        attribute = attributes.get(name.lower())
        if attribute is None:
            unknown.append(name)
        elif attribute.name in known:
            raise Refused(invalid_syntax(f"{where}{attribute.name} is given twice"))
        else:
            known[attribute.name] = (attribute, member)
    return list(known.values()), unknown


def _boolean(value: Any, where: str) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise Refused(invalid_value(f"{where} must be true or false"))


def _complex(attribute: Attribute, value: Any, where: str) -> Any:
    if isinstance(value, str) and "value" in attribute.subs:
        return {"value": value} if value else UNSET
    if not isinstance(value, dict):
        raise Refused(invalid_value(f"{where} must be an object"))
    members, _ = by_attribute(attribute.subs, value, f"{where}.")
    read = {
        sub.name: got
        for sub, member in members
        if not sub.read_only and (got := read_value(sub, member, f"{where}.{sub.name}")) is not UNSET
    }
    return read or UNSET
