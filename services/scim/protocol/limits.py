"""What one request may cost: entries of an attribute, bytes of a resource, steps of a PATCH. All refused in words."""

from collections.abc import Mapping
from typing import Any

import orjson

from scim.protocol.errors import Refused, ScimError, invalid_value

MAX_ENTRIES = 200
"""Of one multi-valued attribute."""
MAX_RESOURCE_BYTES = 64 * 1024
"""Of a resource as it is kept, in JSON."""
MAX_STEPS = 100_000
"""Of one PATCH: entries looked at, each as often as its filter has terms, and written; a step is about 1 µs."""
CHARS_A_STEP = 256
"""Text that is compared or copied counts one step more for each of these."""


class Work:
    """The steps that are left of one request."""

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        """Before the steps are made. Raises Refused (413) when there are not as many left."""
        self.left -= steps
        if self.left < 0:
            raise Refused(ScimError(413, "the operations are too much work for one request: send them in several"))


def weight(entry: Any) -> int:
    """The steps it takes to look at one entry, or to write it."""
    chars = 0
    for value in entry.values() if isinstance(entry, dict) else (entry,):
        if isinstance(value, str):
            chars += len(value)
    return 1 + chars // CHARS_A_STEP


def bounded(entries: list[Any], where: str) -> list[Any]:
    """`entries`, when they are not too many. Raises Refused."""
    if len(entries) > MAX_ENTRIES:
        raise Refused(invalid_value(f"{where} has more than {MAX_ENTRIES} values"))
    return entries


def too_large(resource: Mapping[str, Any]) -> ScimError | None:
    """The refusal of a resource that is too large to be kept."""
    if len(orjson.dumps(resource)) > MAX_RESOURCE_BYTES:
        return ScimError(413, f"the resource would be larger than {MAX_RESOURCE_BYTES // 1024} KiB")
    return None
