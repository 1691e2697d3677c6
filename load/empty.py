"""An application that does nothing, as raw ASGI under the same server as the services: what HTTP alone costs.

`python -m load.empty PORT`. Every row is also given as a share of what this answers.
"""

from __future__ import annotations

import asyncio
import sys

import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from identity_core.web.http_protocol import BoundedHttpProtocol

BODY = b'{"empty":true}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """200 with a small body, whatever was asked."""
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": BODY})


def main() -> None:
    """Serve on loopback until told to stop."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        http=BoundedHttpProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=65,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
