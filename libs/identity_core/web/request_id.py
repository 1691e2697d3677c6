"""A request id for every request: a sane incoming X-Request-Id is kept, anything else replaced; always
echoed.

It is in `scope["state"]["request_id"]`, in every log line of the request, and in 500 answers.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from identity_core.logs import REQUEST_ID

_HEADER: Final = b"x-request-id"
_SANE: Final = re.compile(rb"[A-Za-z0-9._\-]{8,64}")


class RequestId:
    """Pure ASGI middleware; the outermost one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == _HEADER), b"")
        request_id = given if _SANE.fullmatch(given) else secrets.token_hex(16).encode()
        text = request_id.decode("ascii")
        scope.setdefault("state", {})["request_id"] = text
        echo = (_HEADER, request_id)

        async def echoing_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), echo]
            await send(message)

        token = REQUEST_ID.set(text)
        try:
            await self.app(scope, receive, echoing_send)
        finally:
            REQUEST_ID.reset(token)
