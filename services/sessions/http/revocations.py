"""`/admin/revocations`: end everything of a person, a client, a session, a grant or the tenant."""

from typing import Any

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from identity_core.bearer import Caller
from identity_core.db import STATEMENT_TIMEOUT_MS
from identity_core.ids import uuid7
from identity_core.web.unavailable import STORE_FAULTS, as_unavailable
from sessions.http import openapi
from sessions.http.bearer import Admin, Reader, act_of
from sessions.http.documents import RevocationDocument
from sessions.http.intake import bad_request, id_in_path, json_object, no_query, not_found
from sessions.http.revoking import confirm
from sessions.protocol.fields import Fault
from sessions.protocol.selectors import (
    Revocation,
    RevocationRequest,
    document_of,
    effects_of,
    parse_revocation,
    status_of,
)
from sessions.resources import Resources, resources_of

log = structlog.get_logger("sessions.http")
router = APIRouter(prefix="/admin/revocations", tags=["revocations"])

_MADE: dict[int | str, dict[str, Any]] = {
    200: {"model": RevocationDocument, "description": "A dry run: nothing was written"},
    201: {
        "description": "Committed, and true everywhere",
        "headers": {"Location": {"required": True, "schema": {"type": "string", "format": "uri"}}},
    },
}


@router.post(
    "",
    status_code=201,
    response_model=RevocationDocument,
    responses={**_MADE, **openapi.problems(404, 413, 415)},
    openapi_extra=openapi.REVOCATION,
    operation_id="revoke",
)
async def revoke(request: Request, caller: Admin, response: Response) -> RevocationDocument | Response:
    """201 once no endpoint accepts any more what is revoked.

    Whatever it ends: seven statements in two transactions, and one Redis round trip after the first commit (for a
    client or tenant one for all copies of its epoch).
    """
    if fault := no_query(request):
        return fault
    body = await json_object(request)
    if isinstance(body, Response):
        return body
    asked = parse_revocation(body)
    if isinstance(asked, Fault):
        return bad_request(asked)
    resources = resources_of(request)
    if asked.dry_run:
        response.status_code = 200
        return await _dry_run(resources, caller, asked)
    made = await resources.writes.revoke(act_of(request, caller), asked, uuid7())
    if made is None:
        return not_found("session")
    revocation, entries = made
    await confirm(resources, asked.selector.kind, entries)
    await _note_confirmed(resources, caller, revocation)
    response.headers["Location"] = f"{resources.settings.sessions_base_url}/admin/revocations/{revocation.id}"
    return _document(revocation, confirmed=True)


@router.get(
    "/{id}",
    response_model=RevocationDocument,
    responses=openapi.problems(404),
    openapi_extra=openapi.ID,
    operation_id="read_revocation",
)
async def read_revocation(request: Request, caller: Reader) -> RevocationDocument | Response:
    """A revocation of this tenant. One statement."""
    resources, revocation_id = resources_of(request), id_in_path(request)
    if fault := no_query(request):
        return fault
    found = None if revocation_id is None else await resources.reads.revocation(caller.tenant, revocation_id)
    if found is None:
        return not_found("revocation")
    status = status_of(found, resources.settings.lease_seconds, STATEMENT_TIMEOUT_MS / 1000)
    return _document(found, confirmed=status == "confirmed")


async def _dry_run(resources: Resources, caller: Caller, asked: RevocationRequest) -> RevocationDocument | Response:
    found = await resources.reads.count(caller.tenant, asked.selector)
    if found is None:
        return not_found("session")
    return RevocationDocument(
        id=None,
        selector=document_of(asked.selector),
        reason=asked.reason,
        dry_run=True,
        epoch=None,
        found=found,
        ended=0,
        status="dry_run",
        effects=effects_of(asked.selector, found),
        created_at=None,
    )


async def _note_confirmed(resources: Resources, caller: Caller, revocation: Revocation) -> None:
    """The revocation is true already: a fault here takes nothing from the answer."""
    try:
        await resources.writes.confirmed(caller.tenant, revocation.id)
    except STORE_FAULTS as fault:
        if as_unavailable(fault) is None:
            raise
        log.warning("revocation.confirmed_unnoted", error=type(fault).__name__)


def _document(revocation: Revocation, *, confirmed: bool) -> RevocationDocument:
    return RevocationDocument(
        id=revocation.id,
        selector=dict(revocation.selector),
        reason=revocation.reason,
        dry_run=False,
        epoch=revocation.epoch,
        found=revocation.found,
        ended=revocation.ended,
        status="confirmed" if confirmed else "committed",
        effects=dict(revocation.effects),
        created_at=revocation.created_at,
    )
