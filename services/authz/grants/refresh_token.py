"""grant_type=refresh_token: rotation with detection of reuse (RFC 6749 §6, RFC 9700 §4.14.2, OIDC Core §12)."""

from __future__ import annotations

from authz.grants.asking import Stores, TokenRequest
from authz.ports import FamilyState, Rotation
from authz.protocol.audience import audience_of_grant, resource_fault
from authz.protocol.decision import Allow, Decision, EndGrant, EndReason, Evidence, Order, RefreshOf, Refuse
from authz.protocol.errors import OAuthError, invalid_grant, invalid_request
from authz.protocol.scope import OFFLINE_ACCESS, OPENID, allowed_scopes, narrowed, parse_scope
from identity_core.secrets import RefreshToken, verify_refresh


class RefreshTokenGrant:
    """Rotates a refresh token. One statement, none at all for a token whose MAC is not ours."""

    name = "refresh_token"

    async def decision(self, ask: TokenRequest, stores: Stores) -> Decision:
        """Take the generation (which records the next) and decide."""
        text = ask.form.get("refresh_token")
        if text is None:
            return Refuse(invalid_request("the refresh_token is missing"))
        scopes = parse_scope(ask.form.get("scope"))
        fault = scopes if isinstance(scopes, OAuthError) else resource_fault(ask.resources)
        if fault is not None or isinstance(scopes, OAuthError):
            return Refuse(fault or invalid_request("the scope is malformed"))
        token = verify_refresh(stores.ring.mac, ask.tenant.id, text)
        if token is None:
            return Refuse(invalid_grant(cause="refresh_forged"))
        state = await stores.tokens.rotate(Rotation(ask.tenant.id, token, ask.client.id, scopes, ask.resources))
        return decide(ask, token, state, scopes)


def decide(ask: TokenRequest, token: RefreshToken, state: FamilyState | None, scopes: tuple[str, ...]) -> Decision:
    """The verdict on a refresh token, as values (revocation rule 9)."""
    if state is None:
        return Refuse(invalid_grant(cause="refresh_unknown"))
    if state.client_id != ask.client.id:
        refused = invalid_grant(cause="refresh_of_other_client")
        return Refuse(refused, end_of(ask, state, "refresh_of_other_client"))
    if state.ended:
        return Refuse(invalid_grant(cause="refresh_ended"))
    current = _generation_now(token, state)
    if current is None:
        return Refuse(invalid_grant(cause="refresh_reuse"), end_of(ask, state, "refresh_reuse"))
    if not state.alive or (state.binding.offline and OFFLINE_ACCESS not in ask.client.user_scopes):
        return Refuse(invalid_grant(cause="refresh_dead"))
    granted = narrowed(scopes, state.scopes)
    if isinstance(granted, OAuthError):
        return Refuse(granted)
    granted = allowed_scopes(granted, ask.client.user_scopes)
    audience = audience_of_grant(granted, state.resource, ask.resources, ask.tenant.issuer)
    if isinstance(audience, OAuthError):
        return Refuse(audience)
    if token.generation == state.generation and not state.moved:
        # The statement takes on conditions of its own; where it did not, nothing may be handed out.
        return Refuse(invalid_grant(cause="refresh_not_taken"))
    return Allow(
        evidence=Evidence(ask.tenant.id, state.client_id, state.user_id, state.binding),
        order=_order(ask, state, granted, audience),
        refresh=RefreshOf(state.family_id, state.key_id, state.binding.tag, current, state.salt),
    )


def _generation_now(token: RefreshToken, state: FamilyState) -> int | None:
    """The generation to hand out; None is reuse.

    The previous one is good for the grace, so that two tabs and lost answers are harmless: it receives the current
    token once more. One that is ahead of the row means the row was set back, which nothing can be built on.
    """
    if token.generation == state.generation:
        return state.generation + 1 if state.moved else state.generation
    if token.generation == state.generation - 1 and state.within_grace:
        return state.generation
    return None


def _order(ask: TokenRequest, state: FamilyState, scopes: tuple[str, ...], audience: tuple[str, ...]) -> Order:
    return Order(
        audience=audience,
        scopes=scopes,
        access_token_format=ask.client.access_token_format,
        auth_time=state.auth_time,
        acr=state.acr,
        amr=state.amr,
        sid=state.sid,
        id_token_alg=ask.client.id_token_alg if OPENID in scopes else None,
    )


def end_of(ask: TokenRequest, state: FamilyState, reason: EndReason) -> EndGrant:
    """The end of the family's grant, caused by the client that asks."""
    return EndGrant(
        tenant=ask.tenant.id,
        grant_id=state.grant_id,
        user_id=state.user_id,
        client_id=state.client_id,
        session_id=state.session_id,
        offline=state.binding.offline,
        scopes=state.scopes,
        tag=state.binding.tag,
        reason=reason,
        actor=ask.client.id,
    )
