"""POST /revoke (RFC 7009): a client ends a token of its own. Answers when it is true everywhere.

Cost: for a token of ours one transaction and one Redis round trip; nothing for a token that is not.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from authz.http.client import authenticate, read_form
from authz.http.presented import known_token
from authz.http.rendering import NO_STORE, refusal
from authz.ports import Tenant, TokenEnd
from authz.protocol.client_metadata import Client
from authz.protocol.decision import EndGrant
from authz.protocol.errors import OAuthError, invalid_grant, invalid_request
from authz.resources import Resources, resources_of, tenant_of
from identity_core.secrets import verify_refresh


async def revoke(request: Request) -> Response:
    """End the token. An unknown or ended one is fine too (RFC 7009 §2.2); `token_type_hint` is not needed."""
    resources, tenant = resources_of(request), tenant_of(request)
    form = await read_form(request)
    if isinstance(form, OAuthError):
        return refusal(form, request)
    client = await authenticate(request, form, tenant, resources)
    if isinstance(client, OAuthError):
        return refusal(client, request)
    text = form.get("token")
    if text is None:
        return refusal(invalid_request("the token is missing"), request)
    end = _end_refresh if text.startswith("gr_") else _end_access
    refused = await asyncio.shield(end(resources, tenant, client, text))
    return Response(status_code=200, headers=NO_STORE) if refused is None else refusal(refused, request)


async def _end_access(resources: Resources, tenant: Tenant, client: Client, text: str) -> OAuthError | None:
    known = await known_token(resources, tenant, text)
    if known is None:
        return None
    if known.facts.client_id != client.id:
        return _not_yours()
    end = TokenEnd(tenant.id, known.binding.tag, known.key, known.facts.expires_at, client.id, known.facts.user_id)
    await resources.revoker.confirm(await resources.tokens.end_token(end))
    return None


async def _end_refresh(resources: Resources, tenant: Tenant, client: Client, text: str) -> OAuthError | None:
    """Ends the family and the grant, and so every access token under it (RFC 7009 §2.1), whatever its generation."""
    ring = await resources.keys.ring(tenant.id)
    token = verify_refresh(ring.mac, tenant.id, text)
    state = None if token is None else await resources.tokens.family(tenant.id, token)
    if state is None:
        return None
    if state.client_id != client.id:
        return _not_yours()
    end = EndGrant(
        tenant=tenant.id,
        grant_id=state.grant_id,
        user_id=state.user_id,
        client_id=state.client_id,
        session_id=state.session_id,
        offline=state.binding.offline,
        scopes=state.scopes,
        tag=state.binding.tag,
        reason="token_revoked",
        actor=client.id,
    )
    await resources.revoker.confirm(await resources.tokens.end_grant(end))
    return None


def _not_yours() -> OAuthError:
    """RFC 7009 §2.1: issued to another client, so the request is refused and the client is told."""
    return invalid_grant("the token was issued to another client", "revoke_of_other_client")
