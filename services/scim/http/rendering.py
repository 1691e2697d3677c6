"""Responses: resources, messages and refusals as application/scim+json."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Scope

from identity_core.web.problems import Failure, as_problem, phrase
from scim.ports import Answer, Stored
from scim.protocol.errors import ScimError, error_body
from scim.protocol.etag import version_tag
from scim.protocol.projection import NOTHING_ASKED, Projection
from scim.resource_types import ResourceType

MEDIA_TYPE = "application/scim+json"
DOCUMENT_PATH = "/openapi.json"


def message(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, MEDIA_TYPE)


def refusal(error: ScimError) -> Response:
    return message(error.status, error.body(), error.headers)


def as_scim_error(scope: Scope, failure: Failure) -> Response:
    """The `Render` of this service: what middleware and the framework refuse, in SCIM's words too.

    The OpenAPI document is nothing of SCIM's; its refusals are problem details, as everywhere else in the house.
    """
    if scope["path"] == DOCUMENT_PATH:
        return as_problem(scope, failure)
    detail = failure.detail or failure.title or phrase(failure.status)
    return message(failure.status, error_body(failure.status, detail), failure.headers)


def given_again(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers, MEDIA_TYPE)


def representation(
    kind: ResourceType, stored: Stored, base: str, projection: Projection = NOTHING_ASKED
) -> dict[str, Any]:
    """The resource as it is returned (RFC 7643 §3.1): schemas, id and meta around what is kept."""
    created = _timestamp(stored.created_at)
    whole: dict[str, Any] = {
        "schemas": kind.schema.urns_of(stored.resource),
        "id": str(stored.id),
        **stored.resource,
        "meta": {
            "resourceType": kind.name,
            "created": created,
            "lastModified": created if stored.modified_at == stored.created_at else _timestamp(stored.modified_at),
            "location": location(kind, stored, base),
            "version": version_tag(stored.version),
        },
    }
    return projection.apply(kind.schema, whole)


def resource_answer(kind: ResourceType, stored: Stored, base: str, projection: Projection, status: int = 200) -> Answer:
    headers = {"Location": location(kind, stored, base), "ETag": version_tag(stored.version)}
    return Answer(status, headers, orjson.dumps(representation(kind, stored, base, projection)))


def location(kind: ResourceType, stored: Stored, base: str) -> str:
    return f"{base}{kind.endpoint}/{stored.id}"


def _timestamp(moment: datetime) -> str:
    """RFC 7643 §2.3.5."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
