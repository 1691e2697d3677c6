"""Bounded request bodies: by Content-Length where it is given, and by counting what really arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from identity_core.web.problems import Failure, Render, as_problem

DEFAULT_LIMIT: Final = 1024 * 1024
READ_TIMEOUT_S: Final = 30.0
DRAIN_LIMIT: Final = 4 * 1024 * 1024
DRAIN_TIMEOUT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class BodyFault:
    """Why a body was not read. `description` is public."""

    kind: Literal["too_large", "malformed", "disconnected"]
    description: str


async def read_body(request: Request, limit: int) -> bytes | BodyFault:
    """The whole body, at most `limit` bytes, or the fault. Nothing beyond the limit is kept or waited for."""
    declared = _declared(request.headers)
    if declared is None:
        return BodyFault("malformed", "the Content-Length is not a number")
    if declared > limit:
        return _too_large(limit)
    chunks: list[bytes] = []
    length = 0
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            async for chunk in request.stream():
                length += len(chunk)
                if length > limit:
                    return _too_large(limit)
                chunks.append(chunk)
    except TimeoutError:
        return BodyFault("disconnected", "the body did not end in time")
    except ClientDisconnect:
        return BodyFault("disconnected", "the connection was closed before the body ended")
    return b"".join(chunks)


class BodyLimit:
    """Pure ASGI middleware that refuses larger bodies with 413 before or while the application reads them.

    `limits` maps path prefixes to bytes, the longest matching prefix wins; `default` holds elsewhere.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        default: int = DEFAULT_LIMIT,
        limits: Mapping[str, int] | None = None,
        render: Render = as_problem,
    ) -> None:
        self.app = app
        self._default = default
        self._limits = sorted((limits or {}).items(), key=lambda item: -len(item[0]))
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            # A GET body is never read by our routes; uvicorn discards it.
            await self.app(scope, receive, send)
            return
        limit = self._limit(scope["path"])
        declared = _declared(Headers(scope=scope))
        if declared is None or declared > limit:
            await self._refuse(scope, receive, send, limit, declared)
            return
        counted = _Counted(receive, send, limit)
        try:
            await self.app(scope, counted.receive, counted.send)
        except ClientDisconnect:
            if not counted.exceeded:
                raise
        if counted.exceeded and not counted.started:
            await self._refuse(scope, receive, send, limit, counted.length)

    def _limit(self, path: str) -> int:
        return next((limit for prefix, limit in self._limits if path.startswith(prefix)), self._default)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, limit: int, declared: int | None) -> None:
        close = {"connection": "close"}
        if declared is None:
            failure = Failure(400, detail="the Content-Length is not a number", headers=close)
        else:
            failure = Failure(413, detail=_too_large(limit).description, headers=close)
            await _drain(receive)
        await self._render(scope, failure)(scope, receive, send)


async def _drain(receive: Receive) -> None:
    """Read on for a while and throw it away: a client that is still sending would lose our answer to a reset."""
    read = 0
    try:
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            while read < DRAIN_LIMIT:
                message = await receive()
                read += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
    except TimeoutError:
        return


class _Counted:
    """One request's channels: past the limit the application sees a disconnect, and can answer no more."""

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive = receive
        self._send = send
        self._limit = limit
        self.length = 0
        self.started = False

    @property
    def exceeded(self) -> bool:
        return self.length > self._limit

    async def receive(self) -> Message:
        if not self.exceeded:
            message = await self._receive()
            self.length += len(message.get("body", b""))
            if not self.exceeded:
                return message
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self.exceeded and not self.started:
            return
        self.started = True
        await self._send(message)


def _declared(headers: Headers) -> int | None:
    """The declared length, 0 when none is declared, None when it is not a number."""
    raw = headers.get("content-length", "0")
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 19 else None


def _too_large(limit: int) -> BodyFault:
    return BodyFault("too_large", f"the body is longer than {limit} bytes")
