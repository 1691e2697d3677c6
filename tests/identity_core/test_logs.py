"""Logs: one pipeline, JSON lines, and no secret through any door."""

import base64
import hashlib
import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider

from identity_core import logs
from identity_core.testing.spec import spec

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    logs.configure("authz", "info", stream=stream)
    yield stream
    root.handlers[:], level = before
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_service_level_time_and_the_request_s_id(stream: io.StringIO) -> None:
    token = logs.REQUEST_ID.set("request-1")
    structlog.get_logger("authz.http").warning("client.refused", reason="unknown", status=401)
    logs.REQUEST_ID.reset(token)
    [line] = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {
        "event": "client.refused",
        "level": "warning",
        "logger": "authz.http",
        "reason": "unknown",
        "request_id": "request-1",
        "service": "authz",
        "status": 401,
    }


def test_a_line_inside_a_span_carries_its_trace(stream: io.StringIO) -> None:
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        structlog.get_logger().info("a")
    [line] = lines(stream)
    assert line["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert line["span_id"] == f"{span.get_span_context().span_id:016x}"


def test_the_standard_library_goes_the_same_way(stream: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").error("failed on %s with password=%s", "x", "hunter2")
    logging.getLogger("asyncpg.pool").info("hello")
    logging.getLogger("httpx").info("GET https://x/?code=1")
    first, second = lines(stream)
    assert first["event"] == "failed on x with password=[redacted]"
    assert (first["service"], first["level"]) == ("authz", "error")
    assert second["logger"] == "asyncpg.pool"


def test_the_level_is_kept(stream: io.StringIO) -> None:
    structlog.get_logger().debug("unheard")
    assert lines(stream) == []


@spec("OWASP ASVS 5.0 16.2.5")
def test_a_field_nobody_allowed_is_dropped_and_only_named(stream: io.StringIO) -> None:
    structlog.get_logger().info("form.read", form={"password": "hunter2"}, code="hunter2", status=200)
    [line] = lines(stream)
    assert line["dropped"] == ["code", "form"]
    assert line["status"] == 200
    assert "hunter2" not in stream.getvalue()


def test_a_room_allows_its_own_fields(stream: io.StringIO) -> None:
    logs.allow_fields("test_rows")
    structlog.get_logger().info("batch", test_rows=5)
    logs.FIELDS.discard("test_rows")
    assert lines(stream)[0]["test_rows"] == 5


OURS = [
    f"{prefix}_{base64.urlsafe_b64encode(hashlib.sha256(prefix.encode()).digest()).decode().rstrip('=')}"
    for prefix in ("gs", "gc", "ga", "gr", "gk", "gm")
]
TEXTS = [
    *OURS,
    *(f"taken {token}, refused" for token in OURS),
    JWT,
    f"id_token_hint={JWT}&state=1",
    "Authorization: Basic aHVudGVyMjpodW50ZXIy",
    "{'authorization': 'DPoP hunter2hunter2hunter2'}",
    "b'authorization': b'Bearer hunter2hunter2'",
    "Bearer hunter2hunter2hunter2",
    "password=hunter2",
    "username=a&password=hunter2&totp=1",
    "{'password': 'hunter2 with spaces'}",
    '{"new_password": "hunter2"}',
    "client_secret=hunter2",
    "code_verifier: hunter2",
    "postgresql://gatehouse:hunter2@db:5432/x refused",
    "redis://:hunter2@cache:6379",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("place", ["event", "field", "nested", "key", "exception", "cause", "stdlib", "argument"])
def test_no_secret_is_logged_from_any_place(stream: io.StringIO, text: str, place: str) -> None:
    log = structlog.get_logger()
    match place:
        case "event":
            log.info(text)
        case "field":
            log.info("x", reason=text)
        case "nested":
            log.info("x", reason=[{"deep": (text,)}])
        case "key":
            log.info("x", reason={text: 1})
        case "exception":
            _log_error(RuntimeError(text), None)
        case "cause":
            _log_error(RuntimeError("outer"), ValueError(text))
        case "stdlib":
            logging.getLogger("x").error(text.replace("%", "%%"))
        case "argument":
            logging.getLogger("x").error("%s", text)
    written = stream.getvalue()
    assert "[redacted]" in written
    assert "hunter2" not in written
    assert "aHVudGVyMj" not in written
    assert JWT.split(".")[1] not in written
    assert not any(token in written for token in OURS)


def _log_error(error: Exception, cause: Exception | None) -> None:
    try:
        raise error from cause
    except RuntimeError:
        structlog.get_logger().exception("failed")


@pytest.mark.parametrize(
    "text",
    ["gs_short", "the grant ga_ was", "path /token", "reason: password policy", "eyes", "msg_ABCDEFGHIJKLMNOPQRSTUVW"],
)
def test_plain_words_stay(text: str) -> None:
    assert logs.redact(text) == text


def test_a_text_is_cut_to_a_line_s_length(stream: io.StringIO) -> None:
    structlog.get_logger().info("x" * 100_000)
    assert len(stream.getvalue()) < 10_000


def test_an_object_that_is_no_json_is_written_as_text(stream: io.StringIO) -> None:
    structlog.get_logger().info("x", reason=object(), status={1: {2}})
    [line] = lines(stream)
    assert line["reason"].startswith("<object")
    assert line["status"] == {"1": [2]}


def test_a_line_that_cannot_be_made_prints_no_argument(stream: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    # Without pytest's own handler, which raises.
    root.handlers[:] = [handler for handler in root.handlers if isinstance(handler, logs._Handler)]
    root.error("%d", "hunter2")
    assert lines(stream)[0]["event"] == "logging.failed"
    assert "hunter2" not in stream.getvalue() + capsys.readouterr().err


def test_a_long_path_of_dots_is_looked_at_once() -> None:
    # A pattern that may begin at every character and run to the end is quadratic; ours begin at a boundary.
    for pattern, _ in logs._SECRETS:
        assert not re.search(r"\[[^\]]*\]\*://", pattern.pattern), pattern.pattern
    assert "pw" not in logs.redact("see postgresql://user:pw@host/db")
