"""Paging by index (RFC 7644 §3.4.2.4)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scim.protocol.errors import ScimError, invalid_value

LIST_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
DEFAULT_COUNT = 100
MAX_COUNT = 1000
PAGE_BYTES = 3 * 1024 * 1024
"""Of resources in one answer, as they are kept: with id, schemas and meta the answer stays below 4 MiB."""
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Page:
    """`start_index` counts from 1; `count` is 0 to MAX_COUNT."""

    start_index: int = 1
    count: int = DEFAULT_COUNT


def read_page(query: Mapping[str, str]) -> Page | ScimError:
    """A start below 1 is 1, a count below 0 is 0 and above the maximum the maximum; what is no integer is refused."""
    numbers: dict[str, int] = {}
    for name, default in (("startIndex", 1), ("count", DEFAULT_COUNT)):
        text = query.get(name)
        if text is not None and not _INTEGER.fullmatch(text):
            return invalid_value(f"{name} must be an integer")
        numbers[name] = default if text is None else int(text)
    return Page(max(1, numbers["startIndex"]), min(max(0, numbers["count"]), MAX_COUNT))


def list_response(total: int, start_index: int, resources: list[dict[str, Any]]) -> dict[str, Any]:
    """The ListResponse message (§3.4.2): `itemsPerPage` is what this page holds."""
    return {
        "schemas": [LIST_SCHEMA],
        "totalResults": total,
        "startIndex": start_index,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }
