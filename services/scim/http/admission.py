"""Who may come in: a source with its own token or an OAuth client with the scope `scim`, at its tenant and rate."""

from starlette.requests import Request

from identity_core.bearer import BearerRefusal, bearer_token, insufficient_scope
from identity_core.ratelimit import Limit, Limited
from scim.http.edge import Edge, Visit
from scim.ports import Caller
from scim.protocol.errors import ScimError

SCOPE = "scim"
PER_SECOND = 200
BURST = 400
_SOURCE_PREFIX = "gm_"
_DETAILS = {
    "missing_token": "a bearer token is required",
    "invalid_token": "the bearer token is not valid",
    "insufficient_scope": "the token lacks the scope scim",
}


async def admit(edge: Edge, request: Request) -> Visit | ScimError:
    """A source: one statement, one Redis round trip. A client: one signature, two Redis round trips."""
    headers = request.headers.getlist("authorization")
    caller = await _caller(edge, headers[0] if len(headers) == 1 else None)
    if isinstance(caller, ScimError):
        return caller
    slug = request.path_params.get("slug")
    if slug is not None and slug != caller.slug:
        return ScimError(404, "there is no such tenant for this credential")
    taken = await edge.limiter.take(caller.tenant, Limit("scim", caller.key, 1 / PER_SECOND, BURST))
    if isinstance(taken, Limited):
        return ScimError(429, "too many requests", headers={"Retry-After": str(taken.retry_after_s)})
    return Visit(caller, edge.base(slug), request.client.host if request.client else None)


async def _caller(edge: Edge, authorization: str | None) -> Caller | ScimError:
    token = bearer_token(authorization)
    if token is not None and token.startswith(_SOURCE_PREFIX):
        found = await edge.sources.caller_of(token)
        return found or _unauthorized(BearerRefusal(401, "invalid_token", 'Bearer error="invalid_token"'))
    verified = await edge.bearer.verify(authorization)
    if isinstance(verified, BearerRefusal):
        return _unauthorized(verified)
    if SCOPE not in verified.scopes:
        return _unauthorized(insufficient_scope(SCOPE))
    return Caller(verified.tenant, verified.tenant_slug, "client", verified.client_id)


def _unauthorized(refused: BearerRefusal) -> ScimError:
    detail = _DETAILS.get(refused.error, "the request is not authorized")
    return ScimError(refused.status, detail, headers={"WWW-Authenticate": refused.www_authenticate})
