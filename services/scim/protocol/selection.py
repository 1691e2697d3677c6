"""Whether a filter in brackets, as in `emails[type eq "work"]`, selects an entry (RFC 7644 §3.4.2.2)."""

from collections.abc import Mapping
from typing import Any

from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
)

from scim.protocol.attributes import Attribute
from scim.protocol.documents import storable


def selects(attribute: Attribute, node: FilterNode, entry: Any) -> bool:
    """An attribute the entry lacks matches nothing but `ne`; text is compared in any case unless caseExact."""
    match node:
        case Not(expr=inner):
            return not selects(attribute, inner, entry)
        case LogicalExpr(op=op, terms=terms):
            every = all if op is LogicalOperator.and_ else any
            return every(selects(attribute, term, entry) for term in terms)
        case Present(attr_path=path):
            return _held(attribute, path, entry) not in (None, "", [], {})
        case Comparison(attr_path=path, op=op, value=wanted):
            sub = attribute.subs.get(path.attr.lower(), attribute)
            return _compare(sub, op, _held(attribute, path, entry), wanted)
        case _:
            return False


def terms_of(node: FilterNode) -> int:
    """How many comparisons the filter has at most to make of one entry."""
    match node:
        case Not(expr=inner):
            return 1 + terms_of(inner)
        case LogicalExpr(terms=terms):
            return sum(map(terms_of, terms))
        case _:
            return 1


def described(attribute: Attribute, node: FilterNode) -> dict[str, Any] | None:
    """The entry that a filter of nothing but `eq` joined by `and` describes; None for any other filter."""
    match node:
        case LogicalExpr(op=LogicalOperator.and_, terms=terms):
            entry: dict[str, Any] = {}
            for term in terms:
                one = described(attribute, term)
                if one is None or any(entry.get(name, value) != value for name, value in one.items()):
                    return None
                entry |= one
            return entry
        case Comparison(attr_path=AttrPath(attr=name, sub_attr=None), op=CompareOperator.eq, value=value):
            sub = attribute.subs.get(name.lower())
            # A filter's own escapes can spell what a body may not.
            if sub is None or value is None or (isinstance(value, str) and not storable(value)):
                return None
            return {sub.name: value}
        case _:
            return None


def _held(attribute: Attribute, path: AttrPath, entry: Any) -> Any:
    if not isinstance(entry, Mapping):
        return entry if path.attr.lower() == "value" else None
    sub = attribute.subs.get(path.attr.lower())
    return None if sub is None else entry.get(sub.name)


def _compare(sub: Attribute, op: CompareOperator, held: Any, wanted: Any) -> bool:
    if op is CompareOperator.ne:
        return not _compare(sub, CompareOperator.eq, held, wanted)
    if isinstance(held, bool) or sub.type == "boolean":
        # Entra ID quotes booleans: `roles[primary eq "True"]`. A missing one is false.
        return op is CompareOperator.eq and _as_bool(held or False) == _as_bool(wanted)
    if isinstance(held, str) and isinstance(wanted, str):
        return _compare_text(op, *((held, wanted) if sub.case_exact else (held.casefold(), wanted.casefold())))
    return op is CompareOperator.eq and held is not None and held == wanted


def _as_bool(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


def _compare_text(op: CompareOperator, held: str, wanted: str) -> bool:
    match op:
        case CompareOperator.eq:
            return held == wanted
        case CompareOperator.co:
            return wanted in held
        case CompareOperator.sw:
            return held.startswith(wanted)
        case CompareOperator.ew:
            return held.endswith(wanted)
        case CompareOperator.gt:
            return held > wanted
        case CompareOperator.ge:
            return held >= wanted
        case CompareOperator.lt:
            return held < wanted
        case CompareOperator.le:
            return held <= wanted
        case _:
            return False
