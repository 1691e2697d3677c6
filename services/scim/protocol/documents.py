"""Request bodies as JSON with one meaning: no duplicate keys, and no text that cannot be stored."""

import json
import math
from collections.abc import Iterator
from typing import Any, NoReturn

from scim.protocol.errors import ScimError, invalid_syntax, invalid_value

_MAX_INT_CHARS = 19  # what fits a signed 64-bit integer, with its sign


class _Duplicate(ValueError):
    pass


def parse_document(raw: bytes) -> dict[str, Any] | ScimError:
    """The object of `raw` (UTF-8). NUL and lone surrogates in it are `invalidValue`, other faults `invalidSyntax`."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return invalid_syntax("the body is not valid UTF-8")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_bounded,
            parse_float=_finite,
            parse_constant=_refuse,
        )
    except _Duplicate:
        return invalid_syntax("the body has two equal keys in one object")
    except (ValueError, RecursionError):
        return invalid_syntax("the body is not well-formed JSON")
    if not isinstance(value, dict):
        return invalid_syntax("the body is not a JSON object")
    # Only an escape can spell them: raw ones are not JSON or not UTF-8.
    if "\\u" in text and not all(map(storable, _texts(value))):
        return invalid_value("the body has text with NUL or half a surrogate pair")
    return value


def storable(text: str) -> bool:
    """Whether PostgreSQL and UTF-8 hold `text`: no NUL, no lone surrogate."""
    if "\x00" in text:
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _texts(value: Any) -> Iterator[str]:
    """Every string in `value`, keys included."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str(text):
                yield text
            case dict(members):
                yield from members
                waiting.extend(members.values())
            case list(entries):
                waiting.extend(entries)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Duplicate
    return value


def _bounded(text: str) -> int:
    if len(text) > _MAX_INT_CHARS:
        raise ValueError("integer out of range")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("number out of range")
    return value


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
