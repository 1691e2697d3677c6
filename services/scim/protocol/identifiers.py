"""Resource ids: UUIDs in their one spelling (ids are caseExact, RFC 7643 §3.1)."""

from uuid import UUID


def as_id(text: str) -> UUID | None:
    """The id that `text` spells, or None: then there is no such resource."""
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text else None
