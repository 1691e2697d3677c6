"""What this provider can do (RFC 7643 §5 to §7, RFC 7644 §4), told from the registry and from nothing else."""

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from scim.http.admission import admit
from scim.http.edge import Edge
from scim.http.rendering import message
from scim.protocol.errors import ScimError, not_found
from scim.protocol.paging import DEFAULT_COUNT, MAX_COUNT, list_response
from scim.resource_types import RESOURCE_TYPES

CONFIG_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"

_CONFIG: Mapping[str, Any] = {
    "schemas": [CONFIG_SCHEMA],
    "patch": {"supported": True},
    "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
    "filter": {"supported": True, "maxResults": MAX_COUNT},
    "changePassword": {"supported": True},
    "sort": {"supported": False},
    "etag": {"supported": True},
    "pagination": {
        "cursor": False,
        "index": True,
        "defaultPaginationMethod": "index",
        "defaultPageSize": DEFAULT_COUNT,
        "maxPageSize": MAX_COUNT,
    },
    "authenticationSchemes": [
        {
            "type": "oauthbearertoken",
            "name": "Source token",
            "description": "A bearer token of one provisioning source.",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": True,
        },
        {
            "type": "oauth2",
            "name": "OAuth 2.0 access token",
            "description": "A JWT access token with the scope scim, for this base URL as its audience.",
            "specUri": "https://www.rfc-editor.org/info/rfc9068",
        },
    ],
}


async def service_provider_config(request: Request) -> Response | ScimError:
    """Public, so that a client learns how to authenticate (RFC 7643 §5); a credential that is given must be right."""
    edge: Edge = request.app.state.edge
    if "authorization" in request.headers:
        visit = await admit(edge, request)
        if isinstance(visit, ScimError):
            return visit
    base = edge.base(request.path_params.get("slug"))
    meta = {"resourceType": "ServiceProviderConfig", "location": f"{base}/ServiceProviderConfig"}
    return message(200, {**_CONFIG, "meta": meta})


async def schemas(request: Request) -> Response | ScimError:
    documents = {document["id"]: document for kind in RESOURCE_TYPES for document in kind.documents}
    return await _catalogue(request, "Schemas", "Schema", documents)


async def resource_types(request: Request) -> Response | ScimError:
    documents = {kind.name: kind.document() for kind in RESOURCE_TYPES}
    return await _catalogue(request, "ResourceTypes", "ResourceType", documents)


async def _catalogue(
    request: Request, endpoint: str, kind: str, documents: Mapping[str, Mapping[str, Any]]
) -> Response | ScimError:
    """All of a fixed set, or the one that the path names. A filter is forbidden (RFC 7644 §4)."""
    visit = await admit(request.app.state.edge, request)
    if isinstance(visit, ScimError):
        return visit
    if "filter" in request.query_params:
        return ScimError(403, "this endpoint cannot be filtered")
    wanted = request.path_params.get("id")
    if wanted is None:
        found = [_located(visit.base, endpoint, kind, name, documents[name]) for name in documents]
        return message(200, list_response(len(found), 1, found))
    name = _find(documents, wanted)
    return not_found() if name is None else message(200, _located(visit.base, endpoint, kind, name, documents[name]))


def _find(names: Iterable[str], wanted: str) -> str | None:
    return next((name for name in names if name.lower() == wanted.lower()), None)


def _located(base: str, endpoint: str, kind: str, name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    return {**document, "meta": {"resourceType": kind, "location": f"{base}/{endpoint}/{name}"}}
