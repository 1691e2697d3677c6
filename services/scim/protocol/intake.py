"""A whole resource as a client sends it (POST, PUT), read into the form in which it is kept."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from scim.protocol.attributes import ResourceSchema
from scim.protocol.errors import Refused, ScimError, invalid_value
from scim.protocol.values import UNSET, by_attribute, read_value


@dataclass(frozen=True, slots=True)
class Intake:
    """`resource`: readWrite attributes under their canonical names, extensions under their URN.

    `write_only`: what is never returned and kept elsewhere (a password); `ignored`: names that no schema has.
    """

    resource: dict[str, Any]
    write_only: dict[str, Any] = field(repr=False, default_factory=dict)
    ignored: tuple[str, ...] = ()


def read_resource(schema: ResourceSchema, document: Mapping[str, Any]) -> Intake | ScimError:
    """RFC 7644 §3.3, §3.5.1: readOnly attributes are ignored, required ones must be there, unknown ones are named."""
    try:
        return _read(schema, document)
    except Refused as refused:
        return refused.error


def missing(schema: ResourceSchema, resource: Mapping[str, Any]) -> ScimError | None:
    """The refusal of a resource that lacks a required attribute, or has it empty."""
    for name in schema.required:
        value = resource.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            return invalid_value(f"{name} is required")
    return None


def _read(schema: ResourceSchema, document: Mapping[str, Any]) -> Intake | ScimError:
    resource: dict[str, Any] = {}
    write_only: dict[str, Any] = {}
    members, unknown = by_attribute(schema.attributes, document, "")
    for attribute, value in members:
        if attribute.read_only:
            continue
        got = read_value(attribute, value, attribute.name)
        if got is not UNSET:
            (write_only if attribute.write_only else resource)[attribute.name] = got
    ignored = list(_extensions(schema, document, unknown, resource))
    return missing(schema, resource) or Intake(resource, write_only, tuple(ignored))


def _extensions(
    schema: ResourceSchema, document: Mapping[str, Any], names: list[str], into: dict[str, Any]
) -> Iterator[str]:
    """Reads the members of `document` that are extensions into `into`; yields the names that are nothing."""
    for name in names:
        extension = schema.extensions.get(name.lower())
        if extension is None:
            yield name
            continue
        value = document[name]
        if value is None:
            continue
        if not isinstance(value, dict):
            raise Refused(invalid_value(f"{extension.urn} must be an object"))
        members, unknown = by_attribute(extension.attributes, value, f"{extension.urn}:")
        read = {
            attribute.name: got
            for attribute, member in members
            if not attribute.read_only
            and (got := read_value(attribute, member, f"{extension.urn}:{attribute.name}")) is not UNSET
        }
        if read:
            into[extension.urn] = read
        yield from (f"{extension.urn}:{each}" for each in unknown)
