"""Errors in one voice: problem details everywhere, no FastAPI detail, no value, no cause."""

import io
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import asyncpg
import httpx
import pytest
import redis.exceptions
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from identity_core import logs
from identity_core.faults import LeaseLost
from identity_core.testing.spec import spec
from identity_core.web.problems import Failure, UnhandledErrors, problem
from identity_core.web.request_id import RequestId
from identity_core.web.stack import install_handlers
from identity_core.web.unavailable import STORE_FAULTS, Unavailable, as_unavailable


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(le=9)


class Dog(BaseModel):
    kind: Literal["dog"]


class House(BaseModel):
    name: str = Field(max_length=8)
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None


class _Raiser:
    """A raw ASGI route, as the hot endpoints are."""

    error: Exception = Unavailable(7, "private reason")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise self.error


RAISER = _Raiser()


def build(render: Any = None) -> FastAPI:
    app = FastAPI(
        openapi_url=None,
        middleware=[Middleware(RequestId), Middleware(UnhandledErrors, **({"render": render} if render else {}))],
    )

    @app.post("/houses/{number}")
    async def make(number: int, house: House) -> dict[str, str]:
        return {}

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout", headers={"x-spout": "yes"})

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError("password=hunter2")

    app.router.routes.append(Route("/raw", RAISER))
    install_handlers(app, *([render] if render else []))
    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build()), base_url="http://localhost") as client:
        yield client


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert set(body) >= {"type", "title", "status"}
    return body


@spec("RFC 9457 §3")
def test_a_problem_has_its_members_and_media_type() -> None:
    answer = problem(409, detail="the name is taken", headers={"x-a": "b"}, name_taken=True)
    assert answer.status_code == 409
    assert answer.media_type == "application/problem+json"
    assert answer.headers["x-a"] == "b"
    assert json.loads(bytes(answer.body)) == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "the name is taken",
        "name_taken": True,
    }


async def test_an_unknown_path_and_a_wrong_method_are_problems(client: httpx.AsyncClient) -> None:
    assert "detail" not in assert_problem(await client.get("/nowhere"), 404)
    answer = await client.delete("/teapot")
    assert_problem(answer, 405)
    assert answer.headers["allow"] == "GET"


async def test_an_http_exception_keeps_its_words_and_headers(client: httpx.AsyncClient) -> None:
    answer = await client.get("/teapot")
    assert assert_problem(answer, 418)["detail"] == "short and stout"
    assert answer.headers["x-spout"] == "yes"


@pytest.mark.parametrize(
    ("number", "house", "field"),
    [
        ("hunter2", {"name": "a"}, "path.number"),
        ("1", {"name": "hunter2hunter2"}, "body.name"),
        ("1", {"name": "a", "pet": {"kind": "hunter2"}}, "body.pet"),
        ("1", {"name": "a", "pet": {"kind": "cat", "lives": "hunter2"}}, "body.pet.cat.lives"),
        ("1", ["hunter2"], "body"),
    ],
)
async def test_an_invalid_request_is_told_field_and_reason_and_no_value(
    client: httpx.AsyncClient, number: str, house: object, field: str
) -> None:
    answer = await client.post(f"/houses/{number}", json=house)
    [error] = assert_problem(answer, 422)["errors"]
    assert error["field"] == field
    assert error["reason"]
    assert "hunter2" not in answer.text


async def test_broken_json_is_400(client: httpx.AsyncClient) -> None:
    answer = await client.post("/houses/1", content=b'{"name": hunter2', headers={"content-type": "application/json"})
    assert_problem(answer, 400)
    assert "hunter2" not in answer.text


async def test_an_unhandled_error_is_500_with_the_request_id_and_its_stack_is_in_the_log_alone(
    client: httpx.AsyncClient,
) -> None:
    stream = io.StringIO()
    logs.configure("test", stream=stream)
    answer = await client.get("/broken", headers={"x-request-id": "request-0001"})
    assert assert_problem(answer, 500)["request_id"] == "request-0001"
    assert answer.headers["x-request-id"] == "request-0001"
    assert "LookupError" not in answer.text
    line = json.loads(stream.getvalue().splitlines()[0])
    assert (line["event"], line["request_id"], line["error"]) == (
        "request.unhandled",
        "request-0001",
        "LookupError",
    )
    assert "Traceback" in line["exception"]
    assert "hunter2" not in stream.getvalue()


async def test_an_error_after_the_answer_began_breaks_the_connection() -> None:
    async def half(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError

    async with httpx.AsyncClient(transport=httpx.ASGITransport(UnhandledErrors(half))) as client:
        with pytest.raises(LookupError):
            await client.get("http://localhost/")


async def test_unavailable_is_503_with_retry_after_and_no_reason(client: httpx.AsyncClient) -> None:
    RAISER.error = Unavailable(7, "private reason")
    answer = await client.get("/raw")
    assert_problem(answer, 503)
    assert answer.headers["retry-after"] == "7"
    assert "private" not in answer.text


STORE_AWAY = [
    LeaseLost("too old"),
    asyncpg.ConnectionDoesNotExistError("gone"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.QueryCanceledError("statement timeout"),
    asyncpg.AdminShutdownError("shutting down"),
    asyncpg.CannotConnectNowError("starting up"),
    asyncpg.TooManyConnectionsError("full"),
    asyncpg.DeadlockDetectedError("deadlock"),
    asyncpg.ReadOnlySQLTransactionError("standby"),
    redis.exceptions.ConnectionError("gone"),
    redis.exceptions.TimeoutError("slow"),
    redis.exceptions.BusyLoadingError("loading"),
    redis.exceptions.ReadOnlyError("demoted"),
    redis.exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."),
    ConnectionRefusedError(),
    TimeoutError(),
]
OURS = [
    LookupError("bug"),
    asyncpg.UndefinedTableError("typing error"),
    asyncpg.exceptions._base.DataError("wrong argument"),
    asyncpg.UniqueViolationError("a rule forgot to ask"),
    redis.exceptions.ResponseError("WRONGTYPE"),
    redis.exceptions.NoPermissionError("acl"),
    OSError("a missing file"),
]


@spec("OWASP ASVS 5.0 16.5.3")
@pytest.mark.parametrize("error", STORE_AWAY, ids=lambda error: type(error).__name__)
async def test_a_store_away_is_503_from_any_route(client: httpx.AsyncClient, error: Exception) -> None:
    assert as_unavailable(error) is not None
    RAISER.error = error
    answer = await client.get("/raw")
    assert_problem(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1
    assert type(error).__name__ not in answer.text


@pytest.mark.parametrize("error", OURS, ids=lambda error: type(error).__name__)
async def test_a_fault_of_ours_stays_500(client: httpx.AsyncClient, error: Exception) -> None:
    assert as_unavailable(error) is None
    RAISER.error = error
    assert_problem(await client.get("/raw"), 500)


def test_store_faults_may_be_named_in_an_except_clause() -> None:
    for error in (LeaseLost(), redis.exceptions.TimeoutError(), asyncpg.ConnectionDoesNotExistError("x")):
        assert isinstance(error, STORE_FAULTS)


async def test_a_service_s_own_words_are_used_for_every_failure() -> None:
    def oauth(scope: Scope, failure: Failure) -> Response:
        names = {503: "temporarily_unavailable", 500: "server_error"}
        error = names.get(failure.status, "invalid_request")
        return JSONResponse({"error": error}, failure.status, dict(failure.headers))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(build(oauth)), base_url="http://localhost") as client:
        RAISER.error = Unavailable()
        away = await client.get("/raw")
        assert away.json() == {"error": "temporarily_unavailable"}
        assert away.headers["retry-after"] == "1"
        assert (await client.get("/broken")).json() == {"error": "server_error"}
        assert (await client.post("/houses/x", json={})).json() == {"error": "invalid_request"}
        assert (await client.get("/nowhere")).json() == {"error": "invalid_request"}
