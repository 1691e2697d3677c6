"""The JSON Schemas of the OpenAPI document: resources as the registry has them, and SCIM's messages around them."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from scim.http.discovery import CONFIG_SCHEMA
from scim.http.searches import SEARCH_SCHEMA
from scim.protocol.attributes import Attribute
from scim.protocol.errors import SCHEMA as ERROR_SCHEMA
from scim.protocol.errors import ScimType
from scim.protocol.limits import MAX_ENTRIES
from scim.protocol.paging import LIST_SCHEMA
from scim.protocol.patch import MAX_OPERATIONS
from scim.resource_types import ResourceType
from scim.resource_types.kinds import RESOURCE_TYPE_SCHEMA

Schema = dict[str, Any]

PATCH_SCHEMA: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_SCHEMA_SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:Schema"
_TEXT: Final[Schema] = {"type": "string"}
_TEXTS: Final[Schema] = {"type": "array", "items": _TEXT}
# The outline of RFC 7644 §3.5.2's PATH: an attribute, by its URN or not, and perhaps a filter of its values.
_PATH: Final = r"^[A-Za-z][A-Za-z0-9_$:.-]*(\[[^\[\]]+\](\.[A-Za-z$][A-Za-z0-9_-]*)?)?$"
# RFC 7643 §2.3.
_TYPES: Final[Mapping[str, Schema]] = {
    "string": _TEXT,
    "reference": _TEXT,
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "decimal": {"type": "number"},
    "dateTime": {"type": "string", "format": "date-time"},
    "binary": {"type": "string", "contentEncoding": "base64"},
}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def read_name(kind: ResourceType) -> str:
    """The component that is `kind` as it is answered."""
    return kind.name


def written_name(kind: ResourceType) -> str:
    """The component that is `kind` as clients write it."""
    return f"{kind.name}Written"


def components(kinds: tuple[ResourceType, ...]) -> dict[str, Schema]:
    """All named schemas; those of a resource type twice, as it is written and as it is answered."""
    found = {
        "Error": _error(),
        "PatchOp": _patch(),
        "SearchRequest": _search(),
        "ServiceProviderConfig": _discovered(CONFIG_SCHEMA, "authenticationSchemes"),
        "Schema": _discovered(_SCHEMA_SCHEMA, "id", "attributes"),
        "ResourceType": _discovered(RESOURCE_TYPE_SCHEMA, "id", "name", "endpoint", "schema"),
    }
    for kind in kinds:
        found[read_name(kind)] = _answered(kind)
        found[written_name(kind)] = _written(kind)
    return found


def list_of(*names: str) -> Schema:
    """A ListResponse (RFC 7644 §3.4.2) of these components."""
    items = ref(names[0]) if len(names) == 1 else {"anyOf": [ref(name) for name in names]}
    count: Schema = {"type": "integer", "minimum": 0}
    return _object(
        {
            "schemas": _naming(LIST_SCHEMA),
            "totalResults": count,
            "startIndex": {"type": "integer", "minimum": 1},
            "itemsPerPage": count,
            "Resources": {"type": "array", "items": items},
        },
        "schemas",
        "totalResults",
        "startIndex",
        "itemsPerPage",
        "Resources",
    )


def _answered(kind: ResourceType) -> Schema:
    """What `attributes` may leave out is not required (RFC 7644 §3.9)."""
    shown = [each for each in kind.schema.attributes.values() if not each.write_only and each.returned != "never"]
    properties = {each.name: _attribute(each, writing=False) for each in shown}
    for extension in kind.schema.extensions.values():
        properties[extension.urn] = _complex(extension.attributes, writing=False)
    return _object(properties, *(each.name for each in shown if each.returned == "always"))


def _written(kind: ResourceType) -> Schema:
    """The canonical form; what else is taken (other letter case, booleans as text) is not described."""
    taken = [each for each in kind.schema.attributes.values() if not each.read_only]
    properties = {"schemas": _TEXTS} | {each.name: _attribute(each, writing=True) for each in taken}
    for extension in kind.schema.extensions.values():
        properties[extension.urn] = _complex(extension.attributes, writing=True)
    return _object(properties, *kind.schema.required)


def _attribute(attribute: Attribute, *, writing: bool) -> Schema:
    one = _complex(attribute.subs, writing=writing) if attribute.type == "complex" else _TYPES[attribute.type]
    if attribute.write_only:
        one = {**one, "writeOnly": True}
    if not attribute.multi_valued:
        return one
    return {"type": "array", "items": one} | ({"maxItems": MAX_ENTRIES} if writing else {})


def _complex(subs: Mapping[str, Attribute], *, writing: bool) -> Schema:
    shown = [sub for sub in subs.values() if not (sub.read_only if writing else sub.write_only)]
    return _object({sub.name: _attribute(sub, writing=writing) for sub in shown})


def _error() -> Schema:
    """RFC 7644 §3.12."""
    return _object(
        {
            "schemas": _naming(ERROR_SCHEMA),
            "status": {"type": "string", "pattern": "^[45][0-9]{2}$"},
            "scimType": _one_of(*get_args(ScimType)),
            "detail": {"type": "string", "minLength": 1},
        },
        "schemas",
        "status",
        "detail",
    )


def _patch() -> Schema:
    """RFC 7644 §3.5.2."""
    path, sets = {"type": "string", "pattern": _PATH}, _one_of("add", "replace")
    operation = {
        "anyOf": [
            # Without a path the value has the attributes.
            _object({"op": sets, "value": {"type": "object"}}, "op", "value"),
            _object({"op": sets, "path": path, "value": {}}, "op", "path", "value"),
            _object({"op": _one_of("remove"), "path": path}, "op", "path"),
        ]
    }
    operations = {"type": "array", "minItems": 1, "maxItems": MAX_OPERATIONS, "items": operation}
    return _object({"schemas": _naming(PATCH_SCHEMA), "Operations": operations}, "schemas", "Operations")


def _search() -> Schema:
    """RFC 7644 §3.4.3, as far as it is answered: nothing is sorted."""
    return _object(
        {
            "schemas": _naming(SEARCH_SCHEMA),
            "attributes": _TEXTS,
            "excludedAttributes": _TEXTS,
            "filter": _TEXT,
            "startIndex": {"type": "integer"},
            "count": {"type": "integer"},
        },
        "schemas",
    )


def _discovered(urn: str, *required: str) -> Schema:
    """A document of the provider about itself (RFC 7643 §5 to §7)."""
    return _object({"schemas": _naming(urn), "meta": {"type": "object"}}, "schemas", *required, "meta")


def _one_of(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


def _naming(urn: str) -> Schema:
    """The `schemas` of a message."""
    return {"type": "array", "items": {"const": urn}, "minItems": 1, "maxItems": 1}


def _object(properties: Mapping[str, Schema], *required: str) -> Schema:
    made: Schema = {"type": "object", "properties": dict(properties)}
    return made | ({"required": list(required)} if required else {})
