"""Reading the members of a request's JSON object or query, strictly. A fault is a value that names its field."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
# RFC 6749 Appendix A.1: a client_id is made of visible ASCII and spaces.
_CLIENT_ID = re.compile(r"[\x20-\x7e]{1,255}")
REASON = "[^\\u0000-\\u0020\\u007f-\\u009f\\u2028\\u2029][^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]{0,499}"
"""One line: breaks would forge lines where an operator reads it. As a pattern that JSON Schema understands too."""
_REASON = re.compile(REASON)
_SHOWN = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a request. `field` is one of ours or harmless text; `reason` completes "`field` …"."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field} {self.reason}"


def uuid_of(text: object) -> UUID | None:
    """The UUID of its 36-character form, in either case; None for everything else."""
    return UUID(text) if isinstance(text, str) and _UUID.fullmatch(text) else None


def unknown_field(given: Mapping[str, object], known: Collection[str], where: str = "") -> Fault | None:
    """The first member that is none of `known`."""
    for name in given:
        if name not in known:
            shown = f"{where}{name}" if _SHOWN.fullmatch(name) else f"{where or 'the request '}has a member that"
            return Fault(shown, "is not known here")
    return None


def client_id_of(value: object) -> str | None:
    """A client_id, or None."""
    return value if isinstance(value, str) and _CLIENT_ID.fullmatch(value) else None


def reason_of(value: object) -> str | None:
    """A reason: one line of 1 to 500 characters, not beginning with a space."""
    return value if isinstance(value, str) and _REASON.fullmatch(value) else None


def whole_number(value: object, least: int, most: int) -> int | None:
    """A JSON integer within bounds; `true` is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most else None
