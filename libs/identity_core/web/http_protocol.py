"""uvicorn's httptools protocol with the bounds it lacks: size and number of header fields, and time to send
them.

Neither httptools nor ASGI can refuse a header section that never ends, because the application only sees it
when it is complete. Past a bound the answer is 431, or 408 for a client that takes its time, and the
connection is closed.
"""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES: Final = 32 * 1024
MAX_HEADERS: Final = 100
HEADER_SECONDS: Final = 10.0


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection.

    The clock runs from the connection, or from a request's first byte, to the end of its headers.
    """

    header_seconds = HEADER_SECONDS
    _reading_headers = False
    _received = 0
    _header_size = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._reading_headers:
            # httptools hands a field over only when it is complete, so an endless one is counted here.
            self._received += len(data)
            if self._received > MAX_HEADER_BYTES:
                self._refuse(b"431 Request Header Fields Too Large")
                return
        super().data_received(data)
        if self._reading_headers and self._deadline is None:
            self._start_clock()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._received = self._header_size = 0
        self._reading_headers = True

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._header_size += len(name) + len(value)
        if self._header_size > MAX_HEADER_BYTES or len(self.headers) > MAX_HEADERS:
            self._refuse(b"431 Request Header Fields Too Large")
            # An exception out of a callback ends httptools' parsing of this connection.
            raise ValueError("too many header fields")

    def on_headers_complete(self) -> None:
        self._stop_clock()
        self._reading_headers = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _start_clock(self) -> None:
        self._deadline = self.loop.call_later(self.header_seconds, self._refuse, b"408 Request Timeout")

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: bytes) -> None:
        self._stop_clock()
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()
