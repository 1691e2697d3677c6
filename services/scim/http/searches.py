"""Searches (RFC 7644 §3.4.2, §3.4.3): by query string or by a SearchRequest, in one resource type or in all."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from scim.http.bodies import read_document, read_query
from scim.http.edge import Edge, Visit
from scim.http.rendering import message, representation
from scim.protocol.errors import ScimError, invalid_filter, invalid_syntax, invalid_value
from scim.protocol.filters import Lookup, read_filter
from scim.protocol.paging import Page, list_response, read_page
from scim.protocol.projection import LISTS, names_fault, read_projection
from scim.resource_types import RESOURCE_TYPES, ResourceType

SEARCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
_NAMES = {name.lower(): name for name in ("filter", "startIndex", "count", *LISTS)}


async def search(edge: Edge, kind: ResourceType, visit: Visit, request: Request) -> Response | ScimError:
    """GET of many: a filter and a page. One statement."""
    query = read_query(request)
    return query if isinstance(query, ScimError) else await _found(edge, (kind,), visit, query)


async def search_by_post(edge: Edge, kind: ResourceType, visit: Visit, request: Request) -> Response | ScimError:
    """POST to `.search` of one type."""
    query = await _search_request(request)
    return query if isinstance(query, ScimError) else await _found(edge, (kind,), visit, query)


async def search_everywhere(edge: Edge, visit: Visit, request: Request) -> Response | ScimError:
    """POST to `.search` of the whole provider: its types one after the other. One statement a type."""
    query = await _search_request(request)
    return query if isinstance(query, ScimError) else await _found(edge, RESOURCE_TYPES, visit, query)


async def _found(
    edge: Edge, kinds: Sequence[ResourceType], visit: Visit, query: Mapping[str, str]
) -> Response | ScimError:
    page = read_page(query)
    if isinstance(page, ScimError):
        return page
    lookups = _lookups(kinds, query.get("filter"))
    if isinstance(lookups, ScimError):
        return lookups
    total, wanted, resources = 0, page.count, list[dict[str, Any]]()
    for kind, lookup in lookups:
        here = Page(max(1, page.start_index - total), wanted)
        listing = await edge.stores[kind.name].page(visit.caller.tenant, lookup, here)
        total += listing.total
        # What follows a page that was cut short is for the next request.
        wanted = 0 if listing.cut(here) else wanted - len(listing.resources)
        projection = read_projection(kind.schema, query)
        resources += (representation(kind, stored, visit.base, projection) for stored in listing.resources)
    return message(200, list_response(total, page.start_index, resources))


def _lookups(kinds: Sequence[ResourceType], text: str | None) -> list[tuple[ResourceType, Lookup | None]] | ScimError:
    """What to look up in each type. A type without the attribute has no match (§3.4.2.1); without any it is a fault."""
    if text is None:
        return [(kind, None) for kind in kinds]
    found: list[tuple[ResourceType, Lookup | None]] = []
    error = invalid_filter("no resource type has the attribute")
    for kind in kinds:
        lookup = read_filter(kind.schema, kind.lookups, text)
        if isinstance(lookup, ScimError):
            error = lookup
        else:
            found.append((kind, lookup))
    return found or error


async def _search_request(request: Request) -> Mapping[str, str] | ScimError:
    """The members of a SearchRequest as the parameters of a query."""
    body = await read_document(request)
    if isinstance(body, ScimError):
        return body
    unnamed = _schemas_fault(body.document)
    if unnamed is not None:
        return unnamed
    query: dict[str, str] = {}
    for given, value in body.document.items():
        name = _NAMES.get(given.lower())
        if name is None or value is None:
            continue
        if name in LISTS and isinstance(value, list) and all(isinstance(each, str) for each in value):
            query[name] = ",".join(value)
        elif isinstance(value, str) or (name in ("startIndex", "count") and type(value) is int):
            query[name] = str(value)
        else:
            return invalid_value(f"{name} has not the type it should have")
    return names_fault(query) or query


def _schemas_fault(document: Mapping[str, Any]) -> ScimError | None:
    """The refusal of a message that does not say it is a SearchRequest; names come in any case (RFC 7643 §2.1)."""
    schemas = [value for name, value in document.items() if name.lower() == "schemas"]
    if len(schemas) != 1:
        return invalid_syntax(f"schemas must be given once, and hold {SEARCH_SCHEMA}")
    named = schemas[0]
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
        return invalid_value("schemas must be a list of strings")
    if SEARCH_SCHEMA.lower() not in (each.lower() for each in named):
        return invalid_syntax(f"schemas must hold {SEARCH_SCHEMA}")
    return None
