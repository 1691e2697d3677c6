"""The `filter` of a list request, as far as it is answered: one `eq` on an attribute that is looked up by index.

Everything else is `invalidFilter`: an answer of zero resources to a filter we do not understand makes clients create
duplicates.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from scim2_models import InvalidFilterException, ScimFilter
from scim2_models.path import CompareOperator, Comparison

from scim.protocol.attributes import ResourceSchema
from scim.protocol.documents import storable
from scim.protocol.errors import ScimError, invalid_filter

_MAX_CHARS = 4096


@dataclass(frozen=True, slots=True)
class Lookup:
    """Resources whose `attribute` (canonical name) equals `value`."""

    attribute: str
    value: str


def read_filter(schema: ResourceSchema, lookups: Mapping[str, str], text: str) -> Lookup | ScimError:
    """`lookups`: the attributes that may be asked for, by lower-case name. Names and operators in any case."""
    if len(text) > _MAX_CHARS:
        return invalid_filter("the filter is too long")
    try:
        node = ScimFilter(text).ast
    except InvalidFilterException:
        return invalid_filter("the filter is not well-formed")
    offered = ", ".join(lookups.values())
    if not isinstance(node, Comparison) or node.op is not CompareOperator.eq:
        return invalid_filter(f"filters are one comparison with eq, of {offered}")
    path = node.attr_path
    ours = path.uri is None or path.uri.lower() == schema.urn.lower()
    name = lookups.get(path.attr.lower()) if ours and path.sub_attr is None else None
    if name is None:
        return invalid_filter(f"resources are looked up by {offered}")
    if not isinstance(node.value, str) or not storable(node.value):
        return invalid_filter(f"{name} is compared with a string")
    return Lookup(name, node.value)
