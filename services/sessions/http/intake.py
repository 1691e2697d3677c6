"""Requests in, strictly: JSON with one meaning, parameters given once, ids in one form. Faults become 400 problems."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from identity_core.jose.strict_json import parse_object
from identity_core.web.bodies import BodyFault, read_body
from identity_core.web.forms import FormFault, query_without_duplicates
from identity_core.web.problems import problem
from sessions.protocol.fields import Fault, uuid_of

BODY_LIMIT: Final = 64 * 1024


async def json_object(request: Request) -> dict[str, Any] | Response:
    """The JSON object of the body, or the problem: 415 for another media type, 413, 400."""
    media_type, _, _ = request.headers.get("content-type", "").partition(";")
    if media_type.strip().lower() != "application/json":
        return problem(415, detail="the body must be application/json")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        return problem(415, detail="the body must not be compressed")
    body = await read_body(request, BODY_LIMIT)
    if isinstance(body, BodyFault):
        return problem(413 if body.kind == "too_large" else 400, detail=body.description)
    value = parse_object(body)
    if value is None:
        return problem(400, detail="the body is not a JSON object with one meaning: UTF-8, no key twice, no NUL")
    return value


def query_of(request: Request) -> Mapping[str, str] | Response:
    """The query's parameters, each given once and with a value; or the problem."""
    form = query_without_duplicates(request.scope)
    if isinstance(form, FormFault):
        return problem(form.status, detail=form.description)
    pairs = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if any(not value for _, value in pairs):
        # A filter without a value would select everything.
        return problem(400, detail="a parameter is given without a value")
    return form


def no_query(request: Request) -> Response | None:
    """The problem of a request with parameters, where none are known."""
    return problem(400, detail="there are no query parameters here") if request.scope["query_string"] else None


def id_in_path(request: Request) -> UUID | None:
    """The UUID at the end of the path, or None where there can be no such thing."""
    return uuid_of(request.path_params["id"])


def bad_request(fault: Fault) -> Response:
    """400, naming the field."""
    return problem(400, detail=str(fault), field=fault.field)


def not_found(what: str) -> Response:
    """404. Another tenant's is as unknown as one that never was."""
    return problem(404, detail=f"there is no such {what}")
