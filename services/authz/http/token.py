"""POST /token (RFC 6749 §3.2): take, decide, record, answer.

Cost with warm caches: code: two Redis round trips and one statement; refresh: one statement and one round trip;
client_credentials: one round trip. An opaque access token adds one round trip.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from authz.grants import Grant, Stores, TokenRequest, choose
from authz.http.client import authenticate, read_form
from authz.http.rendering import answer, refusal
from authz.observe import observe_refusal, observe_tokens
from authz.ports import KeyRing, Tenant
from authz.protocol.audience import OwnApis
from authz.protocol.client_metadata import Client
from authz.protocol.decision import Allow, Decision, EndGrant, Refuse
from authz.protocol.errors import OAuthError, invalid_client, invalid_grant
from authz.protocol.scope import scope_text
from authz.resources import Resources, resources_of, tenant_of
from authz.standing import Issued, Press, accept, issue
from identity_core.session_store import Dead
from identity_core.telemetry import continued_span
from identity_core.web.forms import Form


async def token(request: Request) -> Response:
    """Exchange a grant for tokens."""
    resources, tenant = resources_of(request), tenant_of(request)
    form = await read_form(request)
    if isinstance(form, OAuthError):
        return _refused(form, request, "unread")
    client = await authenticate(request, form, tenant, resources)
    if isinstance(client, OAuthError):
        return _refused(client, request, "unread")
    grant = choose(form.get("grant_type"), client)
    if isinstance(grant, OAuthError):
        return _refused(grant, request, "unread")
    # What has been taken must be recorded, also when the caller goes away meanwhile.
    outcome = await asyncio.shield(_exchange(resources, tenant, client, form, grant))
    if isinstance(outcome, OAuthError):
        return _refused(outcome, request, grant.name)
    observe_tokens(grant.name)
    return answer(_body(outcome))


async def _exchange(
    resources: Resources, tenant: Tenant, client: Client, form: Form, grant: Grant
) -> Issued | OAuthError:
    ring = await resources.keys.ring(tenant.id)
    stores = Stores(
        codes=resources.codes,
        tokens=resources.tokens,
        ring=ring,
        apis=OwnApis(resources.settings.scim_base_url, resources.settings.sessions_base_url),
        client_tag=resources.store.client_tag(tenant.id, client.id),
    )
    decision = await grant.decision(TokenRequest(tenant, client, form, form.all("resource")), stores)
    return await conclude(resources, tenant, ring, decision)


async def conclude(resources: Resources, tenant: Tenant, ring: KeyRing, decision: Decision) -> Issued | OAuthError:
    """Record what follows from the verdict, then make the tokens. A refusal's effects are committed and confirmed."""
    if isinstance(decision, Refuse):
        if decision.ends is not None:
            await end_grant(resources, decision.ends)
        return decision.error
    with continued_span("issue tokens", decision.traceparent):
        return await _allow(resources, tenant, ring, decision)


async def _allow(resources: Resources, tenant: Tenant, ring: KeyRing, decision: Allow) -> Issued | OAuthError:
    standing = await accept(resources.store, decision.evidence)
    if isinstance(standing, Dead):
        # A client for itself: its secret was good a moment ago and is not any more.
        own = decision.evidence.user_id is None
        return invalid_client(standing.cause) if own else invalid_grant(cause=f"dead_{standing.cause}")
    if decision.new_grant is not None and not await resources.tokens.open_grant(decision.new_grant):
        return invalid_grant(cause="grant_ended")
    settings = resources.settings
    press = Press(tenant.issuer, ring, int(settings.access_token_seconds), int(settings.id_token_seconds))
    now = resources.clock.now_ms() // 1000
    return await issue(standing, decision.order, press, resources.store, now=now, refresh=decision.refresh)


async def end_grant(resources: Resources, end: EndGrant) -> None:
    """Commit the end of a grant, then make it true everywhere (revocation rule 5)."""
    await resources.revoker.confirm(await resources.tokens.end_grant(end))


def _refused(error: OAuthError, request: Request, grant_type: str) -> Response:
    observe_refusal(grant_type, error)
    return refusal(error, request)


def _body(issued: Issued) -> dict[str, Any]:
    """RFC 6749 §5.1; `scope` is always said, so that nobody has to know what was asked for."""
    body: dict[str, Any] = {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "scope": scope_text(issued.scopes),
    }
    if issued.refresh_token is not None:
        body["refresh_token"] = issued.refresh_token
    if issued.id_token is not None:
        body["id_token"] = issued.id_token
    if not issued.scopes:
        del body["scope"]
    return body
