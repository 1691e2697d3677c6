"""Which address is whose: the verbs for every resource type of the registry, at the root and under `/t/{slug}`."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from scim.http import discovery, searches, verbs
from scim.http.admission import admit
from scim.http.edge import PATH, Edge, Visit
from scim.http.rendering import refusal
from scim.protocol.errors import ScimError
from scim.resource_types import RESOURCE_TYPES, ResourceType

Verb = Callable[[Edge, ResourceType, Visit, Request], Awaitable[Response | ScimError]]
Endpoint = Callable[[Request], Awaitable[Response]]

PREFIXES = (PATH, f"/t/{{slug}}{PATH}")


def routes() -> list[Route]:
    """All of them. Plain Starlette routes: bodies are read and checked once, by our own rules."""
    found: list[Route] = []
    for prefix in PREFIXES:
        for kind in RESOURCE_TYPES:
            found += _resource_routes(prefix, kind)
        found.append(Route(f"{prefix}/.search", _search_everywhere, methods=["POST"]))
        found += _discovery_routes(prefix)
    return found


def _resource_routes(prefix: str, kind: ResourceType) -> list[Route]:
    all_of_them = {"GET": searches.search, "POST": verbs.create}
    one = {"GET": verbs.read, "PUT": verbs.replace, "PATCH": verbs.patch, "DELETE": verbs.delete}
    search = {"POST": searches.search_by_post}
    return [
        Route(f"{prefix}{kind.endpoint}/.search", _endpoint(kind, search), methods=list(search)),
        Route(f"{prefix}{kind.endpoint}", _endpoint(kind, all_of_them), methods=list(all_of_them)),
        Route(f"{prefix}{kind.endpoint}/{{id}}", _endpoint(kind, one), methods=list(one)),
    ]


def _discovery_routes(prefix: str) -> list[Route]:
    return [
        Route(f"{prefix}/ServiceProviderConfig", _spoken(discovery.service_provider_config), methods=["GET"]),
        *(
            Route(f"{prefix}/{name}{rest}", _spoken(document), methods=["GET"])
            for name, document in (
                ("Schemas", discovery.schemas),
                ("ResourceTypes", discovery.resource_types),
            )
            for rest in ("", "/{id}")
        ),
    ]


def _endpoint(kind: ResourceType, by_method: Mapping[str, Verb]) -> Endpoint:
    """Admit, then act. One route per address, so that a wrong method is 405 with every right one in Allow."""
    verbs_by_method = {**by_method, "HEAD": by_method["GET"]} if "GET" in by_method else by_method

    async def endpoint(request: Request) -> Response:
        edge: Edge = request.app.state.edge
        visit = await admit(edge, request)
        if isinstance(visit, ScimError):
            return refusal(visit)
        result = await verbs_by_method[request.method](edge, kind, visit, request)
        return refusal(result) if isinstance(result, ScimError) else result

    return endpoint


async def _search_everywhere(request: Request) -> Response:
    edge: Edge = request.app.state.edge
    visit = await admit(edge, request)
    if isinstance(visit, ScimError):
        return refusal(visit)
    result = await searches.search_everywhere(edge, visit, request)
    return refusal(result) if isinstance(result, ScimError) else result


def _spoken(document: Callable[[Request], Awaitable[Response | ScimError]]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        result = await document(request)
        return refusal(result) if isinstance(result, ScimError) else result

    return endpoint
