"""Request bodies and query strings, bounded and read once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from identity_core.web.bodies import BodyFault, read_body
from identity_core.web.forms import FormFault, query_without_duplicates
from scim.protocol.documents import parse_document
from scim.protocol.errors import ScimError, invalid_syntax, invalid_value
from scim.protocol.projection import names_fault

LIMIT = 1024 * 1024
MEDIA_TYPES = ("application/scim+json", "application/json")


@dataclass(frozen=True, slots=True)
class Body:
    """`raw` is what an idempotency fingerprint is made of."""

    document: dict[str, Any]
    raw: bytes = field(repr=False)


async def read_document(request: Request) -> Body | ScimError:
    """At most 1 MiB of JSON in UTF-8, plain."""
    if not _is_json(request.headers.get("content-type", "")):
        return ScimError(415, "the body must be application/scim+json or application/json in UTF-8")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        return ScimError(415, "the body must not be compressed")
    raw = await read_body(request, LIMIT)
    if isinstance(raw, BodyFault):
        return ScimError(413, raw.description) if raw.kind == "too_large" else invalid_syntax(raw.description)
    document = parse_document(raw)
    return document if isinstance(document, ScimError) else Body(document, raw)


def read_query(request: Request) -> Mapping[str, str] | ScimError:
    """The parameters that have a value; one given twice is refused."""
    query = query_without_duplicates(request.scope)
    if isinstance(query, FormFault):
        return invalid_value(query.description)
    return names_fault(query) or query


def _is_json(content_type: str) -> bool:
    media_type, _, parameters = content_type.partition(";")
    if media_type.strip().lower() not in MEDIA_TYPES:
        return False
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8"):
            return False
    return True
