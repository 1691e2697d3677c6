"""PATCH paths (RFC 7644 §3.5.2): the grammar is scim2-models', the meaning is looked up in our schemas."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from scim2_models import InvalidPathException, Path
from scim2_models.path import AttrPath, FilterNode, ValuePath

from scim.protocol.attributes import Attribute, Extension, ResourceSchema
from scim.protocol.errors import ScimError, invalid_path

_MAX_CHARS = 1024
_PLAIN = re.compile(r"[A-Za-z0-9_:.$-]+")


@dataclass(frozen=True, slots=True)
class Target:
    """Where an operation acts: an attribute, of an extension or of the core; some entries of it; a sub-attribute.

    Without `attribute` it is the whole extension.
    """

    extension: Extension | None
    attribute: Attribute | None
    selector: FilterNode | None = None
    sub: Attribute | None = None

    @property
    def name(self) -> str:
        """For messages and audit rows: canonical names, no filter (it holds values)."""
        prefix = f"{self.extension.urn}:" if self.extension else ""
        if self.attribute is None:
            return prefix.removesuffix(":")
        return f"{prefix}{self.attribute.name}" + (f".{self.sub.name}" if self.sub else "")


@dataclass(frozen=True, slots=True)
class Unknown:
    """A well-formed path to nothing we know. `name` is the path without its filter."""

    name: str


def parse_path(schema: ResourceSchema, text: str) -> Target | Unknown | ScimError:
    """What `text` names, in any case; `invalidPath` when it is not a path at all."""
    if len(text) > _MAX_CHARS:
        return invalid_path("the path is too long")
    # A bare URN reads as an attribute named after its last part, so it is looked up first.
    if text.lower() in schema.extensions:
        return Target(schema.extensions[text.lower()], None)
    try:
        node = _plain_node(text) if _PLAIN.fullmatch(text) else _node(text)
    except InvalidPathException:
        return invalid_path("the path is not well-formed")
    match node:
        case AttrPath():
            return _resolve(schema, node, node.sub_attr, None)
        case ValuePath(attr_path=path, val_filter=selector, sub_attr=sub):
            return _resolve(schema, path, sub, selector)
        case _:
            return invalid_path("the path is not an attribute path")


def _node(text: str) -> object:
    return Path(text).ast


# The same names come again and again. Filters hold people's values: those are not kept here.
_plain_node = lru_cache(maxsize=512)(_node)


def _resolve(
    schema: ResourceSchema, path: AttrPath, sub_name: str | None, selector: FilterNode | None
) -> Target | Unknown | ScimError:
    unknown = Unknown(str(path) if selector is None or not sub_name else f"{path}.{sub_name}")
    extension: Extension | None = None
    attributes: Mapping[str, Attribute] = schema.attributes
    if path.uri is not None and path.uri.lower() != schema.urn.lower():
        extension = schema.extensions.get(path.uri.lower())
        if extension is None:
            return unknown
        attributes = extension.attributes
    attribute = attributes.get(path.attr.lower())
    if attribute is None:
        return unknown
    if selector is not None and not attribute.multi_valued:
        return invalid_path(f"{attribute.name} has one value and cannot be selected from")
    sub = attribute.subs.get(sub_name.lower()) if sub_name else None
    if sub_name and sub is None:
        return unknown
    return Target(extension, attribute, selector, sub)
