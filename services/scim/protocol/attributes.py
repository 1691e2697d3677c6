"""What a resource may hold: attributes with their characteristics (RFC 7643 §2, §7), looked up in any case."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute. `subs` (of a complex one) by lower-case name."""

    name: str
    type: str = "string"
    multi_valued: bool = False
    mutability: str = "readWrite"
    returned: str = "default"
    case_exact: bool = False
    required: bool = False
    subs: Mapping[str, "Attribute"] = field(default_factory=dict)

    @property
    def read_only(self) -> bool:
        return self.mutability == "readOnly"

    @property
    def write_only(self) -> bool:
        return self.mutability == "writeOnly"


@dataclass(frozen=True, slots=True)
class Extension:
    """A schema extension: its URN as registered, and its attributes by lower-case name."""

    urn: str
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class ResourceSchema:
    """The core schema of a resource type with its extensions (these by lower-case URN).

    `required`: the names of the core attributes that a client must set.
    """

    urn: str
    attributes: Mapping[str, Attribute]
    extensions: Mapping[str, Extension]
    required: tuple[str, ...]

    @classmethod
    def of(cls, core: Mapping[str, Any], extensions: Iterable[Mapping[str, Any]]) -> "ResourceSchema":
        """From schema documents as `/Schemas` answers them (RFC 7643 §7)."""
        attributes = {**_COMMON, **_attributes(core["attributes"])}
        return cls(
            core["id"],
            attributes,
            {
                document["id"].lower(): Extension(document["id"], _attributes(document["attributes"]))
                for document in extensions
            },
            tuple(each.name for each in attributes.values() if each.required and not each.read_only),
        )

    def urns_of(self, resource: Mapping[str, Any]) -> list[str]:
        """The `schemas` of a resource: the core and the extensions that it has values of."""
        return [self.urn, *(e.urn for e in self.extensions.values() if e.urn in resource)]


def _attributes(documents: Iterable[Mapping[str, Any]]) -> dict[str, Attribute]:
    return {document["name"].lower(): _attribute(document) for document in documents}


def _attribute(document: Mapping[str, Any]) -> Attribute:
    return Attribute(
        name=document["name"],
        type=document["type"],
        multi_valued=document["multiValued"],
        mutability=document["mutability"],
        returned=document["returned"],
        case_exact=document.get("caseExact", False),
        required=document["required"],
        subs=_attributes(document.get("subAttributes", ())),
    )


# RFC 7643 §3.1; `schemas` is answered from what the resource holds, so it is read-only in effect.
_COMMON: Mapping[str, Attribute] = {
    "schemas": Attribute("schemas", "reference", multi_valued=True, mutability="readOnly", returned="always"),
    "id": Attribute("id", mutability="readOnly", returned="always", case_exact=True),
    "externalid": Attribute("externalId", case_exact=True),
    "meta": Attribute(
        "meta",
        "complex",
        mutability="readOnly",
        subs={
            name.lower(): Attribute(name, mutability="readOnly")
            for name in ("resourceType", "created", "lastModified", "location", "version")
        },
    ),
}
