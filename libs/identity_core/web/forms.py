"""Forms and query strings without duplicates (RFC 6749 §3.1, §3.2), parsed strictly, within bounds.

A body or query that is not plain `application/x-www-form-urlencoded` in UTF-8 is a `FormFault`, a value to
render in the endpoint's own format. Parameters without a value are treated as if they were omitted (RFC 6749
§3.1), but still count as given when duplicates are looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from starlette.requests import Request

from identity_core.web.bodies import BodyFault, read_body

LIMIT: Final = 64 * 1024
MAX_FIELDS: Final = 200
NONE_REPEATABLE: Final[frozenset[str]] = frozenset()

Kind = Literal["media_type", "too_large", "too_many_fields", "malformed", "duplicate", "disconnected"]

_STATUS: Final[dict[str, int]] = {"media_type": 415, "too_large": 413}
_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
# What may be echoed in a description: also valid inside an OAuth error_description (RFC 6749 §5.2).
_PRINTABLE_NAME: Final = re.compile(r"[A-Za-z0-9_.:\-\[\]]{1,64}")


@dataclass(frozen=True, slots=True)
class FormFault:
    """Why a form or query was refused. `description` is public: it holds no value and only harmless names."""

    kind: Kind
    description: str

    @property
    def status(self) -> int:
        """The HTTP status outside OAuth (where every one of them is `invalid_request`, 400)."""
        return _STATUS.get(self.kind, 400)


class Form(Mapping[str, str]):
    """The parameters that were given a value, each once; `all(name)` for the repeatable ones, in order."""

    __slots__ = ("_many", "_one")

    def __init__(self, one: dict[str, str], many: dict[str, tuple[str, ...]] | None = None) -> None:
        self._one = one
        self._many = many or {}

    def __getitem__(self, name: str) -> str:
        return self._one[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._one)

    def __len__(self) -> int:
        return len(self._one)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a repeatable parameter; at most one for any other."""
        if name in self._many:
            return self._many[name]
        return (self._one[name],) if name in self._one else ()

    def __repr__(self) -> str:
        # Values may be secrets: passwords, codes, client secrets.
        return f"Form({', '.join(self._one)})"


async def form_without_duplicates(
    request: Request, *, limit: int = LIMIT, repeatable: frozenset[str] = NONE_REPEATABLE
) -> Form | FormFault:
    """Read and parse the body of `request`: at most `limit` bytes of application/x-www-form-urlencoded."""
    if not _is_form(request.headers.get("content-type", "")):
        return FormFault("media_type", "the body must be application/x-www-form-urlencoded in UTF-8")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        return FormFault("media_type", "the body must not be compressed")
    body = await read_body(request, limit)
    if isinstance(body, BodyFault):
        return FormFault(body.kind, body.description)
    return _parse(body, repeatable, "body")


def query_without_duplicates(
    query: bytes | Mapping[str, object], *, repeatable: frozenset[str] = NONE_REPEATABLE
) -> Form | FormFault:
    """Parse a raw query string, or that of an ASGI scope, by the same rules as a form."""
    if not isinstance(query, bytes):
        raw = query.get("query_string", b"")
        query = raw if isinstance(raw, bytes) else b""
    if len(query) > LIMIT:
        return FormFault("too_large", "the query string is too long")
    return _parse(query, repeatable, "query string")


def _is_form(content_type: str) -> bool:
    media_type, _, parameters = content_type.partition(";")
    if media_type.strip().lower() != "application/x-www-form-urlencoded":
        return False
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8"):
            return False
    return True


def _parse(raw: bytes, repeatable: frozenset[str], what: str) -> Form | FormFault:
    one: dict[str, str] = {}
    many: dict[str, tuple[str, ...]] = {}
    seen: set[str] = set()
    pairs = [pair for pair in raw.split(b"&") if pair]
    if len(pairs) > MAX_FIELDS:
        return FormFault("too_many_fields", f"the {what} has more than {MAX_FIELDS} parameters")
    for pair in pairs:
        raw_name, _, raw_value = pair.partition(b"=")
        name, value = _decoded(raw_name), _decoded(raw_value)
        if not name or value is None:
            return FormFault("malformed", f"the {what} is not well-formed UTF-8 form data")
        if name in repeatable:
            if value:
                many[name] = (*many.get(name, ()), value)
                one.setdefault(name, value)
        elif name in seen:
            shown = name if _PRINTABLE_NAME.fullmatch(name) else "a parameter"
            return FormFault("duplicate", f"{shown} is given more than once")
        else:
            seen.add(name)
            if value:
                one[name] = value
    return Form(one, many)


def _decoded(raw: bytes) -> str | None:
    """Percent- and plus-decoded text, or None for a broken escape, bytes that are not UTF-8, or a NUL."""
    raw = raw.replace(b"+", b" ")
    if b"%" in raw:
        if _BROKEN_ESCAPE.search(raw):
            return None
        raw = _ESCAPE.sub(_byte, raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text


_HEX: Final = "0123456789abcdefABCDEF"
_BYTES: Final[dict[bytes, bytes]] = {
    (high + low).encode(): bytes([int(high + low, 16)]) for high in _HEX for low in _HEX
}


def _byte(escape: re.Match[bytes]) -> bytes:
    return _BYTES[escape[1]]
