"""The kinds of values a setting may have: how each is read from text, and how to say what is expected.

A `Kind` parses to its value or to None; None is a fault whose sentence ends with `expected`. Empty text is
never a value, except for lists.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Kind(Generic[T]):
    """`name`: for the settings page; `expected`: completes "set it to …"; `parse`: the value, or None."""

    name: str
    expected: str
    parse: Callable[[str], T | None]


def text(*, prefixes: tuple[str, ...] = (), pattern: str | None = None) -> Kind[str]:
    """Any text on one line, or one that begins with one of `prefixes` or matches `pattern` wholly."""

    def parse(raw: str) -> str | None:
        if not raw or raw != raw.strip() or not raw.isprintable():
            return None
        if prefixes and not raw.startswith(prefixes):
            return None
        return raw if pattern is None or re.fullmatch(pattern, raw) else None

    expected = f"text that begins with {' or '.join(prefixes)}" if prefixes else "one line of text"
    return Kind("text", expected if pattern is None else f"text of the form {pattern}", parse)


def choice(*options: str) -> Kind[str]:
    return Kind(" | ".join(options), " or ".join(options), lambda raw: raw if raw in options else None)


def boolean() -> Kind[bool]:
    return Kind("bool", "true or false", {"true": True, "false": False, "1": True, "0": False}.get)


def integer(least: int, most: int) -> Kind[int]:
    def parse(raw: str) -> int | None:
        if not re.fullmatch(r"-?[0-9]{1,18}", raw):
            return None
        value = int(raw)
        return value if least <= value <= most else None

    return Kind("int", f"a whole number from {least} to {most}", parse)


def number(least: float, most: float) -> Kind[float]:
    return Kind("float", f"a number from {least:g} to {most:g}", _number(least, most))


def seconds(least: float, most: float) -> Kind[float]:
    return Kind("seconds", f"a number of seconds from {least:g} to {most:g}", _number(least, most))


def _number(least: float, most: float) -> Callable[[str], float | None]:
    def parse(raw: str) -> float | None:
        if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,9})?", raw):
            return None
        value = float(raw)
        return value if math.isfinite(value) and least <= value <= most else None

    return parse


def url() -> Kind[str]:
    """An http or https URL without user, query and fragment; a trailing slash is dropped, scheme and host
    lower-cased.
    """
    return Kind("URL", "an http or https URL without user, query and fragment", _url)


def _url(raw: str) -> str | None:
    if not raw.isascii() or not raw.isprintable() or any(mark in raw for mark in " ?#@\\"):
        return None
    try:
        parts = urlsplit(raw)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    authority = host if port in (None, default) else f"{host}:{port}"
    return f"{parts.scheme}://{authority}{parts.path.rstrip('/')}"


def key(length: int) -> Kind[bytes]:
    """`length` bytes in base64, standard or URL-safe, padded or not."""

    def parse(raw: str) -> bytes | None:
        try:
            standard = raw.strip().translate(str.maketrans("-_", "+/")).rstrip("=")
            value = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
        except (binascii.Error, ValueError):
            return None
        return value if len(value) == length else None

    return Kind(
        f"{length} bytes, base64",
        f"{length} random bytes in base64 (`openssl rand -base64 {length}`)",
        parse,
    )


def texts(*, pattern: str | None = None) -> Kind[tuple[str, ...]]:
    """Comma-separated texts, none empty; the empty text is the empty list."""
    one = text(pattern=pattern)

    def parse(raw: str) -> tuple[str, ...] | None:
        values = [one.parse(part.strip()) for part in raw.split(",")] if raw.strip() else []
        return None if None in values else tuple(value for value in values if value is not None)

    return Kind("list", "a comma-separated list", parse)


def networks() -> Kind[tuple[Network, ...]]:
    """Comma-separated networks in CIDR notation; a plain address is a network of one."""

    def parse(raw: str) -> tuple[Network, ...] | None:
        try:
            parts = [part.strip() for part in raw.split(",")] if raw.strip() else []
            return tuple(ipaddress.ip_network(part) for part in parts)
        except ValueError:
            return None

    return Kind("list of CIDR", "a comma-separated list of networks such as 10.0.0.0/8", parse)


def path() -> Kind[Path]:
    def parse(raw: str) -> Path | None:
        return Path(raw) if raw and "\x00" not in raw and Path(raw).is_file() else None

    return Kind("path", "the path of an existing file", parse)
