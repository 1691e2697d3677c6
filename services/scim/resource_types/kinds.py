"""What a resource type is to the verbs and the discovery documents."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from scim.protocol.attributes import ResourceSchema
from scim.protocol.errors import ScimError
from scim.protocol.limits import too_large

RESOURCE_TYPE_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"

Check = Callable[[Mapping[str, Any], Mapping[str, Any]], ScimError | None]
Settle = Callable[[Mapping[str, Any] | None, dict[str, Any], frozenset[str] | None], dict[str, Any]]


@dataclass(frozen=True)
class ResourceType:
    """`lookups`: what filters may compare, canonical names by lower-case ones.

    `check(resource, write_only)`: the type's own rules, after the schema's. `settle(before, after, touched)`: what
    follows from a write beyond what it says; `before` is None on create, `touched` None when the request was the whole
    resource.
    """

    name: str
    endpoint: str
    description: str
    schema: ResourceSchema
    documents: tuple[Mapping[str, Any], ...]
    lookups: Mapping[str, str]
    check: Check
    settle: Settle

    def fault(self, resource: Mapping[str, Any], write_only: Mapping[str, Any]) -> ScimError | None:
        """Why the resource cannot be kept: too large, or against the type's own rules."""
        return too_large(resource) or self.check(resource, write_only)

    def document(self) -> dict[str, Any]:
        """As `/ResourceTypes` answers it (RFC 7643 §6), without meta."""
        return {
            "schemas": [RESOURCE_TYPE_SCHEMA],
            "id": self.name,
            "name": self.name,
            "description": self.description,
            "endpoint": self.endpoint,
            "schema": self.schema.urn,
            "schemaExtensions": [
                {"schema": extension.urn, "required": False} for extension in self.schema.extensions.values()
            ],
        }
