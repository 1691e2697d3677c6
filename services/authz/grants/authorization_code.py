"""grant_type=authorization_code (RFC 6749 §4.1.3, OIDC Core §3.1.3, RFC 7636 §4.6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from authz.grants.asking import Stores, TokenRequest
from authz.ports import CodeRecord, Replayed, Taken
from authz.protocol.audience import audience_of_grant, resource_fault
from authz.protocol.decision import (
    Allow,
    Decision,
    EndGrant,
    EndReason,
    Evidence,
    Family,
    NewGrant,
    Order,
    RefreshOf,
    Refuse,
)
from authz.protocol.errors import OAuthError, invalid_grant, invalid_request
from authz.protocol.pkce import proof_fault
from authz.protocol.scope import OFFLINE_ACCESS, OPENID, allowed_scopes
from identity_core import ids, secrets


@dataclass(frozen=True, slots=True)
class NewFamily:
    """The random part of a refresh family, drawn before the rules run. `salt`: 64 bits of base64url."""

    id: UUID
    salt: str
    key_id: int


class AuthorizationCodeGrant:
    """Exchanges a code, once. One Redis call here; recording the grant is one statement later."""

    name = "authorization_code"

    async def decision(self, ask: TokenRequest, stores: Stores) -> Decision:
        """Take the code and decide."""
        text = ask.form.get("code")
        if text is None:
            return Refuse(invalid_request("the code is missing"))
        fault = resource_fault(ask.resources)
        if fault is not None:
            return Refuse(fault)
        code = secrets.AuthorizationCode.parse(text)
        if code is None:
            return Refuse(invalid_grant(cause="code_malformed"))
        taken = await stores.codes.take(ask.tenant.id, code)
        fresh = NewFamily(ids.uuid7(), secrets.random_token(64), stores.ring.mac_current)
        return decide(ask, taken, fresh)


def decide(ask: TokenRequest, taken: Taken | Replayed | None, fresh: NewFamily) -> Decision:
    """The verdict on a code, as values (revocation rule 8)."""
    if taken is None:
        return Refuse(invalid_grant(cause="code_unknown"))
    record = taken.record
    if isinstance(taken, Replayed):
        return Refuse(invalid_grant(cause="code_replay"), _end(taken, "code_replay", ask.client.id))
    if record.client_id != ask.client.id:
        # RFC 6749 §4.1.3, CVE-2026-55672: bound to the client; in wrong hands it must be no good to anyone.
        refused = invalid_grant(cause="code_of_other_client")
        return Refuse(refused, _end(taken, "code_of_other_client", ask.client.id))
    fault = _redirect_fault(record, ask.form.get("redirect_uri")) or proof_fault(
        record.code_challenge, ask.form.get("code_verifier"), required=ask.client.require_pkce
    )
    if fault is not None:
        return Refuse(fault)
    scopes = allowed_scopes(record.scopes, ask.client.user_scopes)
    audience = audience_of_grant(scopes, record.resource, ask.resources, ask.tenant.issuer)
    if isinstance(audience, OAuthError):
        return Refuse(audience)
    return _allow(ask, record, scopes, audience, fresh)


def _allow(
    ask: TokenRequest, record: CodeRecord, scopes: tuple[str, ...], audience: tuple[str, ...], fresh: NewFamily
) -> Allow:
    refreshes = "refresh_token" in ask.client.grant_types
    # Offline is what outlives the session: only a refresh token can.
    binding = replace(record.binding, offline=refreshes and OFFLINE_ACCESS in scopes)
    evidence = Evidence(record.tenant, record.client_id, record.user_id, binding)
    family = Family(
        fresh.id, fresh.salt, fresh.key_id, record.auth_time, record.acr, record.amr, record.sid, record.resource
    )
    order = Order(
        audience=audience,
        scopes=scopes,
        access_token_format=ask.client.access_token_format,
        auth_time=record.auth_time,
        acr=record.acr,
        amr=record.amr,
        sid=record.sid,
        nonce=record.nonce,
        id_token_alg=ask.client.id_token_alg if OPENID in scopes else None,
    )
    return Allow(
        evidence=evidence,
        order=order,
        new_grant=NewGrant(evidence, scopes, family if refreshes else None),
        refresh=RefreshOf(fresh.id, fresh.key_id, binding.tag, 0, fresh.salt) if refreshes else None,
        traceparent=record.traceparent,
    )


def _redirect_fault(record: CodeRecord, presented: str | None) -> OAuthError | None:
    """The same redirect_uri as in the authorization request, where that had one (RFC 6749 §4.1.3)."""
    if presented is None:
        return invalid_grant("the redirect_uri is missing", "redirect_missing") if record.redirect_uri_given else None
    if presented != record.redirect_uri:
        return invalid_grant("the redirect_uri differs from the authorization request", "redirect_differs")
    return None


def _end(taken: Taken | Replayed, reason: EndReason, actor: str) -> EndGrant:
    record = taken.record
    return EndGrant(
        tenant=record.tenant,
        grant_id=taken.grant_id,
        user_id=record.user_id,
        client_id=record.client_id,
        session_id=record.session_id,
        offline=OFFLINE_ACCESS in record.scopes,
        scopes=record.scopes,
        tag=record.binding.tag,
        reason=reason,
        actor=actor,
    )
