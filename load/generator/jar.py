"""The cookies of one browser at one host: name and value, for as long as the browser lives."""

from __future__ import annotations

from collections.abc import Iterable

from load.generator.wire import Response


class Jar:
    """Attributes other than an end in the past are not looked at."""

    def __init__(self, header: str = "") -> None:
        self._cookies = dict(_pair(part) for part in header.split("; ") if part)

    def take(self, response: Response) -> None:
        """Take the cookies of an answer."""
        self.keep(value.decode("latin-1") for name, value in response.headers if name == b"set-cookie")

    def keep(self, set_cookies: Iterable[str]) -> None:
        """Take the values of Set-Cookie headers."""
        for header in set_cookies:
            first, *attributes = header.split(";")
            name, value = _pair(first.strip())
            if not value or any(_ended(attribute) for attribute in attributes):
                self._cookies.pop(name, None)
            else:
                self._cookies[name] = value

    @property
    def header(self) -> str:
        """The Cookie header; empty when there are none."""
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _ended(attribute: str) -> bool:
    name, value = _pair(attribute.strip().lower())
    return (name == "max-age" and value == "0") or (name == "expires" and "1970" in value)
