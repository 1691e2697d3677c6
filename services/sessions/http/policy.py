"""`/admin/policy`: how many sessions at once, how long idle, how long at all."""

from dataclasses import asdict

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from sessions.http import openapi
from sessions.http.bearer import Admin, Reader, act_of
from sessions.http.documents import PolicyDocument
from sessions.http.intake import bad_request, json_object, no_query
from sessions.protocol.fields import Fault
from sessions.protocol.policy import parse_policy
from sessions.resources import resources_of

router = APIRouter(prefix="/admin/policy", tags=["policy"])


@router.get("", response_model=PolicyDocument, responses=openapi.problems(), operation_id="read_policy")
async def read_policy(request: Request, caller: Reader) -> PolicyDocument | Response:
    """The tenant's policy, the defaults where it has none. One statement."""
    if fault := no_query(request):
        return fault
    return PolicyDocument(**asdict(await resources_of(request).reads.policy(caller.tenant)))


@router.put(
    "",
    response_model=PolicyDocument,
    responses=openapi.problems(413, 415),
    openapi_extra=openapi.POLICY,
    operation_id="set_policy",
)
async def set_policy(request: Request, caller: Admin) -> PolicyDocument | Response:
    """Replace the policy; sessions that are opened from now on follow it. Two statements in one transaction."""
    if fault := no_query(request):
        return fault
    body = await json_object(request)
    if isinstance(body, Response):
        return body
    policy = parse_policy(body)
    if isinstance(policy, Fault):
        return bad_request(policy)
    await resources_of(request).writes.set_policy(act_of(request, caller), policy)
    return PolicyDocument(**asdict(policy))
