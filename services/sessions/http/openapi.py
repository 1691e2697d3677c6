"""What FastAPI cannot see in the handlers: parameters, bodies and problems, for the OpenAPI document."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from identity_core.web.problems import MEDIA_TYPE, problem
from sessions.http.documents import Problem
from sessions.protocol.fields import REASON
from sessions.protocol.listing import DEFAULT_LIMIT, MAX_LIMIT

_UUID: Final = {"type": "string", "format": "uuid"}
_RETRY: Final = {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}}
_CHALLENGE: Final = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}

_PROBLEMS: Final[dict[int, tuple[str, dict[str, Any]]]] = {
    400: ("The request is not valid", {}),
    401: ("No valid bearer token", _CHALLENGE),
    403: ("The token lacks the scope", _CHALLENGE),
    404: ("There is no such thing in this tenant", {}),
    413: ("The body is longer than 64 KiB", {}),
    415: ("The body is not application/json", {}),
    503: ("A store is away; nothing is known to have happened", _RETRY),
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: these, and those every route has."""
    return {status: _problem(*_PROBLEMS[status]) for status in sorted({400, 401, 403, 503, *statuses})}


def _problem(description: str, headers: dict[str, Any]) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    described: dict[str, Any] = {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}
    return described | ({"headers": headers} if headers else {})


ID: Final[dict[str, Any]] = {"parameters": [{"name": "id", "in": "path", "required": True, "schema": _UUID}]}


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


LISTING: Final[dict[str, Any]] = {
    "parameters": [
        _parameter("subject", _UUID, "Only this person's sessions."),
        _parameter("state", {"enum": ["live", "ended", "all"], "default": "live", "type": "string"}, "Which of them."),
        _parameter(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
            "Rows a page.",
        ),
        _parameter(
            "cursor", {"type": "string", "minLength": 1}, "`next_cursor` of the page before, of the same filter."
        ),
    ]
}


def _selector(**members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


REVOCATION: Final = _body(
    {
        "type": "object",
        "required": ["selector", "reason"],
        "additionalProperties": False,
        "properties": {
            "selector": {
                "oneOf": [
                    _selector(subject=_UUID),
                    _selector(client_id={"type": "string", "pattern": "^[ -~]{1,255}$"}),
                    _selector(session_id=_UUID),
                    _selector(grant_id=_UUID, subject=_UUID),
                    _selector(tenant={"const": True}),
                ]
            },
            "reason": {"type": "string", "pattern": f"^{REASON}$", "description": "One line."},
            "dry_run": {"type": "boolean", "default": False},
        },
    }
)
POLICY: Final = _body({"$ref": "#/components/schemas/PolicyDocument"})


async def method_not_allowed(request: Request, error: Exception) -> Response:
    """405 with every method of the path in `Allow` (RFC 9110 §15.5.6); the framework names those of one route."""
    given = (error.headers or {}).get("Allow", "") if isinstance(error, HTTPException) else ""
    methods = {method for method in given.split(", ") if method}
    for template, operations in request.app.openapi()["paths"].items():
        if compile_path(template)[0].match(request.scope["path"]):
            methods |= {method.upper() for method in operations}
    return problem(405, headers={"Allow": ", ".join(sorted(methods))})


def document_maker(app: FastAPI, server: str) -> Callable[[], dict[str, Any]]:
    """For `app.openapi`: FastAPI's document, with the problems' schema and the public address; made once."""

    def make() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                servers=[{"url": server}],
            )
            schemas = made.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = Problem.model_json_schema()
            app.openapi_schema = made
        return app.openapi_schema

    return make
