"""grant_type=client_credentials: a confidential client for itself (RFC 6749 §4.4). No refresh token (§4.4.3)."""

from __future__ import annotations

from authz.grants.asking import Stores, TokenRequest
from authz.protocol.audience import OwnApis, audience_of_client, resource_fault
from authz.protocol.decision import Allow, Decision, Evidence, Order, Refuse
from authz.protocol.errors import OAuthError, invalid_scope, unauthorized_client
from authz.protocol.scope import parse_scope
from identity_core.contracts.stamps import Binding


class ClientCredentialsGrant:
    """The client's secret is the evidence; nothing is taken."""

    name = "client_credentials"

    async def decision(self, ask: TokenRequest, stores: Stores) -> Decision:
        """Decide; no store is asked."""
        return decide(ask, stores.apis, stores.client_tag)


def decide(ask: TokenRequest, apis: OwnApis, tag: int) -> Decision:
    """The verdict: what was asked for must all be registered; nothing asked means everything registered."""
    if ask.client.public:
        return Refuse(unauthorized_client())
    requested = parse_scope(ask.form.get("scope"))
    if isinstance(requested, OAuthError):
        return Refuse(requested)
    if not set(requested) <= set(ask.client.own_scopes):
        return Refuse(invalid_scope())
    scopes = requested or ask.client.own_scopes
    fault = resource_fault(ask.resources)
    audience = fault or audience_of_client(scopes, ask.resources, apis, ask.tenant.issuer)
    if isinstance(audience, OAuthError):
        return Refuse(audience)
    binding = Binding(tag=tag, stamps=ask.client.stamps())
    return Allow(
        evidence=Evidence(ask.tenant.id, ask.client.id, None, binding),
        order=Order(audience, scopes, ask.client.access_token_format),
    )
