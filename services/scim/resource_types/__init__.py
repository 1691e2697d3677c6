"""The resource types: one file each, and the registry all endpoints and discovery documents are made from."""

from scim.resource_types.kinds import ResourceType
from scim.resource_types.user import USER

RESOURCE_TYPES: tuple[ResourceType, ...] = (USER,)

__all__ = ["RESOURCE_TYPES", "ResourceType"]
