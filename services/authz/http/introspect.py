"""POST /introspect (RFC 7662): whether a token of this tenant is good now, for a client that can keep a secret.

Cost: one Redis round trip for an access token; for a refresh token one statement and one round trip.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from authz.http.client import authenticate, read_form
from authz.http.presented import live_token
from authz.http.rendering import answer, refusal
from authz.observe import observe_introspection
from authz.ports import Tenant
from authz.protocol.access_token import token_claims
from authz.protocol.decision import Evidence
from authz.protocol.errors import OAuthError, invalid_request, unauthorized_client
from authz.protocol.scope import scope_text
from authz.resources import Resources, resources_of, tenant_of
from authz.standing import accept
from identity_core.secrets import verify_refresh
from identity_core.session_store import Dead

# RFC 7662 §2.2: of a token that is not good nothing else is said, not even why.
INACTIVE: Final[dict[str, Any]] = {"active": False}
_KEPT: Final = ("iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti", "auth_time", "acr", "amr")


async def introspect(request: Request) -> Response:
    """Tell a confidential client about a token."""
    resources, tenant = resources_of(request), tenant_of(request)
    form = await read_form(request)
    if isinstance(form, OAuthError):
        return refusal(form, request)
    client = await authenticate(request, form, tenant, resources)
    if isinstance(client, OAuthError):
        return refusal(client, request)
    if client.public:
        return refusal(unauthorized_client("only a client with a secret may introspect"), request)
    text = form.get("token")
    if text is None:
        return refusal(invalid_request("the token is missing"), request)
    said = await (_refresh if text.startswith("gr_") else _access)(resources, tenant, text)
    observe_introspection(active=said is not INACTIVE)
    return answer(said)


async def _access(resources: Resources, tenant: Tenant, text: str) -> dict[str, Any]:
    live = await live_token(resources, tenant, text)
    if live is None:
        return INACTIVE
    claims = token_claims(live.facts)
    return {"active": True, "token_type": "Bearer"} | {name: claims[name] for name in _KEPT if name in claims}


async def _refresh(resources: Resources, tenant: Tenant, text: str) -> dict[str, Any]:
    ring = await resources.keys.ring(tenant.id)
    token = verify_refresh(ring.mac, tenant.id, text)
    state = None if token is None else await resources.tokens.family(tenant.id, token)
    if token is None or state is None or not state.alive or token.generation != state.generation:
        return INACTIVE
    evidence = Evidence(tenant.id, state.client_id, state.user_id, state.binding)
    if isinstance(await accept(resources.store, evidence), Dead):
        return INACTIVE
    return {
        "active": True,
        "token_type": "refresh_token",
        "iss": tenant.issuer,
        "sub": str(state.user_id),
        "client_id": state.client_id,
        "scope": scope_text(state.scopes),
        "iat": state.created_at,
        "exp": state.expires_at,
    }
