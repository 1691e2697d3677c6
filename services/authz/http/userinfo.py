"""GET and POST /userinfo (OIDC Core §5.3): the claims the token's scopes open.

Cost: one Redis round trip and one statement, side by side for a JWT.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from authz.http.presented import LiveToken, alive, known_token
from authz.http.rendering import answer, bearer_refusal, form_fault
from authz.ports import Subject
from authz.protocol.errors import OAuthError, insufficient_scope, invalid_request, invalid_token
from authz.protocol.scope import OPENID, claims_for
from authz.resources import resources_of, tenant_of
from identity_core.bearer import bearer_token
from identity_core.web.forms import FormFault, form_without_duplicates, query_without_duplicates


async def userinfo(request: Request) -> Response:
    """Answer who the token's person is."""
    resources, tenant = resources_of(request), tenant_of(request)
    text = await _presented(request)
    if text is None or isinstance(text, OAuthError):
        return bearer_refusal(text)
    known = await known_token(resources, tenant, text)
    if known is None or known.facts.user_id is None:
        return bearer_refusal(invalid_token())
    live, subject = await asyncio.gather(
        alive(resources, tenant, known), resources.tokens.subject(tenant.id, known.facts.user_id)
    )
    if live is None or subject is None or tenant.issuer not in live.facts.audience:
        return bearer_refusal(invalid_token())
    if OPENID not in live.facts.scopes:
        return bearer_refusal(insufficient_scope("the scope openid is required"), OPENID)
    return answer(_claims(live, subject))


async def _presented(request: Request) -> str | OAuthError | None:
    """The token of the header or of a form body, of exactly one of them; never of the query (RFC 6750 §2)."""
    headers = request.headers.getlist("authorization")
    query = query_without_duplicates(request.scope)
    if isinstance(query, FormFault):
        return form_fault(query)
    if "access_token" in query:
        return invalid_request("an access token must not stand in the URI")
    in_body: str | None = None
    if request.method == "POST" and request.headers.get("content-type", "").startswith(
        "application/x-www-form-urlencoded"
    ):
        form = await form_without_duplicates(request)
        if isinstance(form, FormFault):
            return form_fault(form)
        in_body = form.get("access_token")
    if len(headers) + (in_body is not None) > 1:
        return invalid_request("more than one way of presenting the access token")
    if not headers:
        return in_body
    return bearer_token(headers[0]) or invalid_request("the Authorization header is not Bearer and a token")


def _claims(live: LiveToken, subject: Subject) -> dict[str, Any]:
    """`sub` and what the scopes open; `updated_at` is the directory's own (OIDC Core §5.1)."""
    published = {**subject.claims, "updated_at": subject.updated_at}
    return {"sub": live.facts.subject, **claims_for(live.facts.scopes, published)}
