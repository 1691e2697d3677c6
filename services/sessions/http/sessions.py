"""`/admin/sessions`: list, look at, end."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from sessions.http import openapi
from sessions.http.bearer import Admin, Reader, act_of
from sessions.http.documents import SessionDocument, SessionPage
from sessions.http.intake import bad_request, id_in_path, no_query, not_found, query_of
from sessions.http.revoking import confirm
from sessions.ports import LiveKey
from sessions.protocol.fields import Fault
from sessions.protocol.listing import (
    LIVE,
    SessionRow,
    Verdict,
    next_cursor,
    parse_listing,
    verdict,
    verdict_of_row,
)
from sessions.resources import Resources, resources_of

router = APIRouter(prefix="/admin/sessions", tags=["sessions"])


@router.get(
    "",
    response_model=SessionPage,
    responses=openapi.problems(),
    openapi_extra=openapi.LISTING,
    operation_id="list_sessions",
)
async def list_sessions(request: Request, caller: Reader) -> SessionPage | Response:
    """Sessions of the tenant, newest first. One statement and one Redis round trip."""
    resources = resources_of(request)
    query = query_of(request)
    if isinstance(query, Response):
        return query
    listing = parse_listing(query, caller.tenant, resources.cursor_key)
    if isinstance(listing, Fault):
        return bad_request(listing)
    rows = await resources.reads.page(caller.tenant, listing)
    seen = await _last_seen(resources, caller.tenant, rows)
    shown = [_document(row, at) for row, at in zip(rows, seen, strict=True)]
    if listing.state == "live":
        # PostgreSQL does not know yet of those that ended by idleness.
        shown = [session for session in shown if session.state == "live"]
    last = rows[-1].id if rows else None
    cursor = next_cursor(listing, caller.tenant, resources.cursor_key, last, len(rows) == listing.limit)
    return SessionPage(sessions=shown, next_cursor=cursor)


@router.get(
    "/{id}",
    response_model=SessionDocument,
    responses=openapi.problems(404),
    openapi_extra=openapi.ID,
    operation_id="read_session",
)
async def read_session(request: Request, caller: Reader) -> SessionDocument | Response:
    """One session. One statement and, while it lives, one Redis round trip."""
    resources, session_id = resources_of(request), id_in_path(request)
    if fault := no_query(request):
        return fault
    row = None if session_id is None else await resources.reads.session(caller.tenant, session_id)
    if row is None:
        return not_found("session")
    (seen,) = await _last_seen(resources, caller.tenant, [row])
    return _document(row, seen)


@router.delete(
    "/{id}",
    status_code=204,
    response_class=Response,
    responses=openapi.problems(404),
    openapi_extra=openapi.ID,
    operation_id="end_session",
)
async def end_session(request: Request, caller: Admin) -> Response:
    """End a session with its offline grants; 204 once no endpoint accepts it. Again: 204, and no second event.

    Four statements in one transaction, one Redis round trip after its commit.
    """
    resources, session_id = resources_of(request), id_in_path(request)
    if fault := no_query(request):
        return fault
    if session_id is None:
        return not_found("session")
    entries = await resources.writes.end_session(act_of(request, caller), session_id)
    if entries is None:
        return not_found("session")
    await confirm(resources, "session", entries)
    return Response(status_code=204)


async def _last_seen(resources: Resources, tenant: UUID, rows: Sequence[SessionRow]) -> list[datetime | None]:
    """For each row, None where it has ended or Redis has no record. One round trip for all."""
    live = [LiveKey(tenant, row.tag, row.id) for row in rows if verdict_of_row(row) is LIVE]
    seen = dict(zip((key.session_id for key in live), await resources.live.seen(live), strict=True))
    return [seen.get(row.id) for row in rows]


def _document(row: SessionRow, seen: datetime | None) -> SessionDocument:
    judged: Verdict = verdict(row, seen)
    return SessionDocument(
        session_id=row.id,
        subject=row.user_id,
        state=judged.state,
        created_at=row.created_at,
        auth_time=row.auth_time,
        absolute_end=row.absolute_end,
        last_seen=seen,
        acr=row.acr,
        amr=list(row.amr),
        device=row.device,
        network=row.network,
        client_ids=list(row.client_ids),
        ended_at=judged.ended_at,
        end_reason=judged.end_reason,
    )
