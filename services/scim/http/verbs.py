"""The verbs of RFC 7644 §3, each once for all resource types: read and check first, one unit of work, then answer."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response

from identity_core.logs import allow_fields
from identity_core.passwords import Overloaded
from scim.http.bodies import Body, read_document, read_query
from scim.http.edge import Edge, Visit
from scim.http.rendering import given_again, resource_answer
from scim.ports import Act, Answer, Decide, Draft, Once, Stored
from scim.protocol.errors import ScimError, not_found
from scim.protocol.etag import names_version, version_tag
from scim.protocol.idempotency import fingerprint, read_key
from scim.protocol.identifiers import as_id
from scim.protocol.intake import read_resource
from scim.protocol.patch import Plan, apply_plan, read_patch
from scim.protocol.projection import read_projection
from scim.resource_types import ResourceType

log = structlog.get_logger("scim")
allow_fields("attributes")
_NAMES_LOGGED, _CHARS_LOGGED = 20, 100


async def create(edge: Edge, kind: ResourceType, visit: Visit, request: Request) -> Response | ScimError:
    """POST (§3.3): 201 with Location and ETag; the same again under the same Idempotency-Key."""
    query, body = read_query(request), await read_document(request)
    if isinstance(query, ScimError):
        return query
    if isinstance(body, ScimError):
        return body
    key = read_key(request.headers.getlist("idempotency-key"))
    if isinstance(key, ScimError):
        return key
    intake = read_resource(kind.schema, body.document)
    if isinstance(intake, ScimError):
        return intake
    kept = kind.settle(None, intake.resource, None)
    fault = kind.fault(kept, intake.write_only)
    if fault is not None:
        return fault
    once = None if key is None else Once(key, _fingerprint(edge, request, body))
    if once is not None and intake.write_only:
        # A retry is answered before it costs another hash.
        earlier = await edge.records.recall(visit.caller, once)
        if earlier is not None:
            return _answered(earlier)
    hashed = await _hash(edge, intake.write_only)
    if isinstance(hashed, ScimError):
        return hashed
    _log_ignored(kind, visit, intake.ignored)
    render = partial(_created, kind, visit, request, query)
    store = edge.stores[kind.name]
    return _answered(await store.create(_act(edge, visit), Draft(kept, hashed), render, once))


async def read(edge: Edge, kind: ResourceType, visit: Visit, request: Request) -> Response | ScimError:
    """GET of one (§3.4.1); 304 when If-None-Match names its version."""
    query = read_query(request)
    if isinstance(query, ScimError):
        return query
    resource_id = as_id(request.path_params["id"])
    stored = None
    if resource_id is not None:
        stored = await edge.stores[kind.name].get(visit.caller.tenant, resource_id)
    if stored is None:
        return not_found()
    known = request.headers.get("if-none-match")
    if known is not None and names_version(known, stored.version):
        return Response(status_code=304, headers={"ETag": version_tag(stored.version)})
    return given_again(resource_answer(kind, stored, visit.base, read_projection(kind.schema, query)))


async def replace(edge: Edge, kind: ResourceType, visit: Visit, request: Request) -> Response | ScimError:
    """PUT (§3.5.1). Read-only attributes are ignored: clients send back the body of their GET."""
    body = await read_document(request)
    if isinstance(body, ScimError):
        return body
    intake = read_resource(kind.schema, body.document)
    if isinstance(intake, ScimError):
        return intake
    fault = kind.fault(intake.resource, intake.write_only)
    if fault is not None:
        return fault
    hashed = await _hash(edge, intake.write_only)
    if isinstance(hashed, ScimError):
        return hashed
    _log_ignored(kind, visit, intake.ignored)

    def decide(stored: Stored) -> Draft | ScimError:
        stale = _precondition(request, stored)
        return stale or Draft(kind.settle(stored.resource, intake.resource, None), hashed)

    return await _change(edge, kind, visit, request, decide)


async def patch(edge: Edge, kind: ResourceType, visit: Visit, request: Request) -> Response | ScimError:
    """PATCH (§3.5.2): all operations or none; 200 with the whole resource."""
    body = await read_document(request)
    if isinstance(body, ScimError):
        return body
    plan = read_patch(kind.schema, body.document)
    if isinstance(plan, ScimError):
        return plan
    # Before it is hashed, and again below, where the user's name is known.
    fault = kind.fault({}, plan.write_only)
    if fault is not None:
        return fault
    hashed = await _hash(edge, plan.write_only)
    if isinstance(hashed, ScimError):
        return hashed
    _log_ignored(kind, visit, plan.ignored)

    def decide(stored: Stored) -> Draft | ScimError:
        return _precondition(request, stored) or _patched(kind, plan, stored, hashed)

    return await _change(edge, kind, visit, request, decide)


async def delete(edge: Edge, kind: ResourceType, visit: Visit, request: Request) -> Response | ScimError:
    """DELETE (§3.6): 204, and from then on 404."""
    resource_id = as_id(request.path_params["id"])
    if resource_id is None:
        return not_found()
    store = edge.stores[kind.name]
    refused = await store.delete(_act(edge, visit), resource_id, partial(_precondition, request))
    return refused or Response(status_code=204)


async def _change(
    edge: Edge, kind: ResourceType, visit: Visit, request: Request, decide: Decide
) -> Response | ScimError:
    query, resource_id = read_query(request), as_id(request.path_params["id"])
    if isinstance(query, ScimError):
        return query
    if resource_id is None:
        return not_found()
    changed = await edge.stores[kind.name].change(_act(edge, visit), resource_id, decide)
    if isinstance(changed, ScimError):
        return changed
    return given_again(resource_answer(kind, changed, visit.base, read_projection(kind.schema, query)))


def _patched(kind: ResourceType, plan: Plan, stored: Stored, hashed: str | None) -> Draft | ScimError:
    changed = apply_plan(kind.schema, plan, stored.resource)
    if isinstance(changed, ScimError):
        return changed
    settled = kind.settle(stored.resource, changed, plan.touched)
    return kind.fault(settled, plan.write_only) or Draft(settled, hashed)


def _precondition(request: Request, stored: Stored) -> ScimError | None:
    """If-Match (§3.14)."""
    wanted = request.headers.get("if-match")
    if wanted is None or names_version(wanted, stored.version):
        return None
    return ScimError(412, "the resource has another version")


async def _hash(edge: Edge, write_only: Mapping[str, Any]) -> str | ScimError | None:
    password = write_only.get("password")
    if password is None:
        return None
    try:
        return await edge.hasher.hash(password)
    except Overloaded as overloaded:
        headers = {"Retry-After": str(overloaded.retry_after_s)}
        return ScimError(503, "too many passwords are being set; try again", headers=headers)


def _created(kind: ResourceType, visit: Visit, request: Request, query: Mapping[str, str], stored: Stored) -> Answer:
    return resource_answer(kind, stored, visit.base, read_projection(kind.schema, query), 201)


def _answered(answer: Answer | ScimError) -> Response | ScimError:
    return answer if isinstance(answer, ScimError) else given_again(answer)


def _fingerprint(edge: Edge, request: Request, body: Body) -> bytes:
    query = request.scope["query_string"].decode("latin-1")
    return fingerprint(edge.fingerprint_key, request.method, f"{request.scope['path']}?{query}", body.raw)


def _act(edge: Edge, visit: Visit) -> Act:
    return Act(visit.caller, edge.clock.now(), edge.tag_key, visit.network)


def _log_ignored(kind: ResourceType, visit: Visit, names: Sequence[str]) -> None:
    if names:
        shown = [name[:_CHARS_LOGGED] for name in names[:_NAMES_LOGGED]]
        log.info("scim.attributes_ignored", schema=kind.name, tenant=visit.caller.slug, attributes=shown)
