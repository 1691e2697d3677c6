"""Errors in one voice: a `Failure` is rendered as RFC 9457 problem details, or as the endpoint family's own
format.

A service passes its own `Render` where OAuth JSON or a SCIM error is due; everything that can refuse a
request (body limits, bad hosts, stores away, 404, 405, 422, an unhandled exception) goes through it, so
FastAPI's `{"detail"}` leaks nowhere. Public text only: no submitted value, no cause, no stack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import orjson
import structlog
from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA_TYPE: Final = "application/problem+json"
_MAX_ERRORS: Final = 20

log = structlog.get_logger("identity_core.web")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request was not served, in public words; a `Render` makes the response of it."""

    status: int
    title: str = ""
    detail: str | None = None
    type: str = "about:blank"
    headers: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)


Render = Callable[[Scope, Failure], Response]


def problem(
    status: int,
    title: str = "",
    detail: str | None = None,
    *,
    type: str = "about:blank",
    headers: Mapping[str, str] | None = None,
    **extensions: Any,
) -> Response:
    """A problem details response (RFC 9457 §3). The title defaults to the phrase of the status."""
    body: dict[str, Any] = {"type": type, "title": title or phrase(status), "status": status}
    if detail:
        body["detail"] = detail
    body.update(extensions)
    return Response(orjson.dumps(body), status, headers, MEDIA_TYPE)


def as_problem(scope: Scope, failure: Failure) -> Response:
    """The default `Render`."""
    return problem(
        failure.status,
        failure.title,
        failure.detail,
        type=failure.type,
        headers=failure.headers,
        **failure.extensions,
    )


def phrase(status: int) -> str:
    """The reason phrase of `status`, or a plain word for one that has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def install_problems(app: Starlette, render: Render = as_problem) -> None:
    """Install the handlers for HTTP exceptions and validation errors.

    `UnhandledErrors` belongs to the middleware.
    """

    async def on_http(request: Request, error: HTTPException) -> Response:
        detail = error.detail if isinstance(error.detail, str) and error.detail != phrase(error.status_code) else None
        return render(request.scope, Failure(error.status_code, detail=detail, headers=error.headers or {}))

    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        return render(request.scope, invalid(error.errors()))

    app.exception_handlers[HTTPException] = on_http
    app.exception_handlers[RequestValidationError] = on_invalid


def invalid(errors: Sequence[Any]) -> Failure:
    """The failure for pydantic's error list: fields and reasons, never the values; 400 when the JSON itself
    is broken.
    """
    if any(error.get("type") == "json_invalid" for error in errors):
        return Failure(400, detail="the body is not well-formed JSON")
    listed = [{"field": _where(error.get("loc", ())), "reason": _reason(error)} for error in errors[:_MAX_ERRORS]]
    return Failure(422, detail="the request is not valid", extensions={"errors": listed})


def _where(location: Sequence[Any]) -> str:
    return ".".join(str(part) for part in location)[:200]


def _reason(error: Mapping[str, Any]) -> str:
    kind = str(error.get("type", "invalid"))
    if kind.startswith("union_tag") or kind in ("value_error", "assertion_error"):
        # These messages may quote the input.
        return "is not one of the expected kinds" if kind.startswith("union_tag") else "is not a valid value"
    return str(error.get("msg", "is not valid"))[:200]


class UnhandledErrors:
    """Pure ASGI middleware: an exception nobody handled becomes a 500 without its cause; the stack goes to
    the log.

    It belongs inside the request id, headers and metrics, so that a failing answer carries them too.
    """

    def __init__(self, app: ASGIApp, render: Render = as_problem) -> None:
        self.app = app
        self._render = render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        except ClientDisconnect:
            return
        except Exception as error:
            kind = type(error).__name__
            log.error("request.unhandled", method=scope["method"], path=scope["path"], error=kind, exc_info=error)
            if started:
                # Too late for another answer: break the connection rather than end a half answer well.
                raise
            await self._render(scope, _internal(scope))(scope, receive, send)


def _internal(scope: Scope) -> Failure:
    request_id = scope.get("state", {}).get("request_id")
    return Failure(500, extensions={"request_id": request_id} if request_id else {})


__all__ = [
    "MEDIA_TYPE",
    "Failure",
    "Render",
    "UnhandledErrors",
    "as_problem",
    "install_problems",
    "invalid",
    "phrase",
    "problem",
]
