"""HTTP/1.1 on the client's side: requests as ready bytes, responses read with httptools."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import httptools

FORM = "application/x-www-form-urlencoded"


class WireFault(Exception):
    """The peer did not speak HTTP/1.1 as expected."""


@dataclass(slots=True)
class Response:
    """One response, whole. Header names are lower case."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: bytes) -> bytes | None:
        """The first header of this name."""
        return next((value for header, value in self.headers if header == name), None)


class ResponseReader:
    """Turns what arrives into responses, however it is cut into pieces. Raises WireFault."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._now = Response()
        self._body: list[bytes] = []
        self._done: list[Response] = []

    def feed(self, data: bytes) -> list[Response]:
        """The responses that are complete with `data`."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise WireFault(str(error)) from error
        done, self._done = self._done, []
        return done

    def on_message_begin(self) -> None:
        self._now, self._body = Response(), []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._now.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._now.status = self._parser.get_status_code()
        self._now.body = b"".join(self._body)
        if self._now.status >= 200:  # an interim answer is none
            self._done.append(self._now)


def request(
    method: str, target: str, authority: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> bytes:
    """A request as it goes over the wire. `target` is the path with its query, already quoted."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {authority}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([*lines, "", ""])
    if head.count("\r\n") != len(lines) + 1:
        raise WireFault("a header must not hold a line break")
    return head.encode("latin-1") + body


def form(fields: Mapping[str, str]) -> bytes:
    """A form as it stands in a body."""
    return urlencode(fields).encode("ascii")


def basic(client_id: str, secret: str) -> str:
    """The Authorization header of a client (RFC 6749 §2.3.1: both parts form-encoded first)."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return "Basic " + b64encode(pair.encode()).decode("ascii")
