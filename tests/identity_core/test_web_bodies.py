"""Body limits, declared and counted, whatever the application does with the body."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from identity_core.web.bodies import BodyFault, BodyLimit, read_body


class Thing(BaseModel):
    name: str


def build() -> FastAPI:
    app = FastAPI(
        openapi_url=None, middleware=[Middleware(BodyLimit, default=100, limits={"/bulk": 1000, "/bulk/tiny": 10})]
    )

    @app.post("/things")
    async def things(thing: Thing) -> dict[str, str]:
        return {"name": thing.name}

    async def size(request: Request) -> Response:
        return JSONResponse({"size": len(await request.body())})

    for path in ("/size", "/bulk", "/bulk/tiny"):
        app.router.routes.append(Route(path, size, methods=["POST", "PUT"]))
    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build()), base_url="http://localhost") as client:
        yield client


async def _chunks(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // 10):
        yield b"x" * 10


@pytest.mark.parametrize(
    ("path", "fits", "exceeds"), [("/size", 100, 110), ("/bulk", 1000, 1010), ("/bulk/tiny", 10, 20)]
)
async def test_the_longest_matching_prefix_sets_the_limit(
    client: httpx.AsyncClient, path: str, fits: int, exceeds: int
) -> None:
    assert (await client.post(path, content=b"x" * fits)).json() == {"size": fits}
    assert (await client.post(path, content=_chunks(fits))).json() == {"size": fits}
    for body in (b"x" * exceeds, _chunks(exceeds)):
        answer = await client.put(path, content=body)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["connection"] == "close"


async def test_a_route_of_fastapi_is_limited_too(client: httpx.AsyncClient) -> None:
    assert (await client.post("/things", json={"name": "a"})).status_code == 200

    async def endless() -> AsyncIterator[bytes]:
        yield b'{"name": "'
        async for chunk in _chunks(5000):
            yield chunk

    answer = await client.post("/things", content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert json.loads(answer.content)["detail"] == "the body is longer than 100 bytes"


async def test_a_content_length_that_is_no_number_is_400(client: httpx.AsyncClient) -> None:
    answer = await client.post("/size", content=b"x", headers={"content-length": "ten"})
    assert answer.status_code == 400


async def test_nothing_beyond_the_limit_is_waited_for() -> None:
    received = 0

    async def receive() -> dict[str, Any]:
        nonlocal received
        received += 1
        if received > 3:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b"x" * 60, "more_body": True}

    body = await read_body(Request({"type": "http", "method": "POST", "headers": []}, receive), 100)
    assert body == BodyFault("too_large", "the body is longer than 100 bytes")
    assert received == 2


async def test_a_body_within_the_limit_is_read_whole() -> None:
    assert await read_body(_request([b"a", b"b"]), 2) == b"ab"
    assert await read_body(_request([]), 2) == BodyFault(
        "disconnected", "the connection was closed before the body ended"
    )


def _request(chunks: Sequence[bytes]) -> Request:
    messages = iter(
        [{"type": "http.request", "body": c, "more_body": n < len(chunks) - 1} for n, c in enumerate(chunks)]
    )

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    return Request({"type": "http", "method": "POST", "headers": []}, receive)
