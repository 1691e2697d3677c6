"""Who may come in: a bearer token of this API's audience with the route's scope (RFC 6750, RFC 9068)."""

from typing import Annotated, Final

from fastapi import HTTPException, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from identity_core.bearer import BearerRefusal, Caller, insufficient_scope
from sessions.ports import Act
from sessions.resources import resources_of

READ: Final = "sessions:read"
REVOKE: Final = "sessions:revoke"
_DETAILS: Final = {
    "missing_token": "a bearer token is required",
    "invalid_token": "the bearer token is not valid",
    "insufficient_scope": "the token lacks the scope this takes",
}


class Bearer(SecurityBase):
    """One signature check and one Redis round trip; store faults are raised."""

    def __init__(self) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description="An access token for this API's base URL.")
        self.scheme_name = "bearer"

    async def __call__(self, request: Request, scopes: SecurityScopes) -> Caller:
        headers = request.headers.getlist("authorization")
        given = headers[0] if len(headers) == 1 else "" if headers else None
        verdict = await resources_of(request).bearer.verify(given)
        if isinstance(verdict, BearerRefusal):
            raise _refused(verdict)
        for scope in scopes.scopes:
            if scope not in verdict.scopes:
                raise _refused(insufficient_scope(scope))
        return verdict


_BEARER: Final = Bearer()
Reader = Annotated[Caller, Security(_BEARER, scopes=[READ])]
Admin = Annotated[Caller, Security(_BEARER, scopes=[REVOKE])]


def act_of(request: Request, caller: Caller) -> Act:
    """The caller as the one who writes."""
    network = request.client.host if request.client else None
    if caller.subject.startswith("client:"):
        return Act(caller.tenant, "client", caller.subject, caller.client_id, network)
    return Act(caller.tenant, "user", caller.subject, caller.client_id, network)


def _refused(refusal: BearerRefusal) -> HTTPException:
    detail = _DETAILS.get(refusal.error, "the request is not authorized")
    return HTTPException(refusal.status, detail, {"WWW-Authenticate": refusal.www_authenticate})
