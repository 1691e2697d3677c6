"""JSON objects with one meaning: no duplicate keys, no NaN, no numbers or text other systems would choke on.

Two parsers that take different ones of two equal keys are how a checked token becomes another one.
"""

import json
import math
from typing import Any, NoReturn

_MAX_INT_CHARS = 19  # what fits a signed 64-bit integer, with its sign


def parse_object(raw: bytes) -> dict[str, Any] | None:
    """The object that `raw` (UTF-8) holds, or None when it is anything else or ambiguous."""
    try:
        text = raw.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_bounded_int,
            parse_float=_finite,
            parse_constant=_refuse,
        )
        if "\\u" in text:
            _refuse_unstorable(value)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate key")
    return value


def _bounded_int(text: str) -> int:
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


def _refuse_unstorable(value: Any) -> None:
    """Escapes can spell half a surrogate pair and NUL, which neither UTF-8 nor PostgreSQL holds."""
    if isinstance(value, str):
        value.encode("utf-8")
        if "\0" in value:
            raise ValueError("NUL")
    elif isinstance(value, dict):
        for name, member in value.items():
            _refuse_unstorable(name)
            _refuse_unstorable(member)
    elif isinstance(value, list):
        for member in value:
            _refuse_unstorable(member)
