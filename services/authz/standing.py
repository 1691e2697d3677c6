"""The two gates: `accept` alone makes a `Standing`; `issue` takes nothing else and alone makes tokens.

The commonest fault of the field is one path of many that forgot a check: here every path that trusts a session, code,
grant or token comes through `accept`, which asks the session store about everything it hangs on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from authz.ports import KeyRing
from authz.protocol.access_token import TYPE, TokenFacts, subject_of, token_claims
from authz.protocol.decision import Evidence, Order, RefreshOf
from authz.protocol.id_token import IdTokenFacts, id_token_claims
from identity_core import ids, jose
from identity_core.secrets import AccessToken, mint_refresh, random_token
from identity_core.session_store import Dead, SessionStore, StandingFacts, StandingQuery, judge

ACCESS_TOKEN_ALG: Final = "ES256"
_GATE: Final = object()


@dataclass(frozen=True, slots=True)
class Standing:
    """Tenant, client, person, grant, session and stamps, all alive at `now_ms`. Made by `accept` alone."""

    evidence: Evidence
    now_ms: int
    gate: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.gate is not _GATE:
            raise TypeError("A Standing is made by accept() alone.")


@dataclass(frozen=True, slots=True)
class Press:
    """What a tenant's tokens are made with: issuer, keys and lifetimes in seconds."""

    issuer: str
    ring: KeyRing
    access_token_seconds: int
    id_token_seconds: int


@dataclass(frozen=True, slots=True)
class Issued:
    """Tokens, ready to be answered. Their text shows in no `repr`."""

    access_token: str = field(repr=False)
    expires_in: int
    scopes: tuple[str, ...]
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)


async def accept(
    store: SessionStore, evidence: Evidence, *, token_key: str | None = None, facts: StandingFacts | None = None
) -> Standing | Dead:
    """The standing of `evidence`, or what ended it. One Redis round trip, none when `facts` were read with the token.

    `token_key` names the presented token, so that its own end is looked for too. Raises the store's faults.
    """
    if facts is None:
        facts = await store.read(
            StandingQuery(
                tenant=evidence.tenant,
                tag=evidence.binding.tag,
                user_id=evidence.user_id,
                client_id=evidence.client_id,
                session_id=evidence.binding.session_id,
                grant_id=evidence.binding.grant_id,
                token_key=token_key,
            )
        )
    dead = judge(facts, evidence.binding)
    if dead is not None:
        return dead
    if facts.session is not None and facts.session.user_id != evidence.user_id:
        return Dead("session")
    return Standing(evidence, facts.now_ms, _GATE)


async def issue(
    standing: Standing, order: Order, press: Press, store: SessionStore, *, now: int, refresh: RefreshOf | None = None
) -> Issued:
    """Make the tokens of `order`; `now` in seconds. An opaque access token costs one Redis round trip, a JWT none."""
    evidence = standing.evidence
    access = TokenFacts(
        issuer=press.issuer,
        subject=subject_of(evidence.user_id, evidence.client_id),
        client_id=evidence.client_id,
        audience=order.audience,
        scopes=order.scopes,
        issued_at=now,
        expires_at=now + press.access_token_seconds,
        jti=str(ids.uuid7()),
        auth_time=order.auth_time,
        acr=order.acr,
        amr=order.amr,
        sid=order.sid,
    )
    if order.access_token_format == "opaque":
        access_token = await _opaque(store, evidence, access)
    else:
        claims = token_claims(access) | {"gh": evidence.binding.to_claim()}
        access_token = jose.sign(press.ring.signing[ACCESS_TOKEN_ALG], claims, TYPE)
    return Issued(
        access_token=access_token,
        expires_in=press.access_token_seconds,
        scopes=order.scopes,
        refresh_token=None if refresh is None else _refresh(evidence.tenant, refresh, press.ring),
        id_token=_id_token(access, order, press, access_token),
    )


async def _opaque(store: SessionStore, evidence: Evidence, access: TokenFacts) -> str:
    token = AccessToken(evidence.binding.tag, random_token(256))
    await store.put_token(
        evidence.tenant,
        token,
        token_claims(access),
        evidence.binding,
        client_id=evidence.client_id,
        user_id=evidence.user_id,
        expires_ms=access.expires_at * 1000,
    )
    return token.encode()


def _id_token(access: TokenFacts, order: Order, press: Press, access_token: str) -> str | None:
    if order.id_token_alg is None or order.auth_time is None:
        return None
    facts = IdTokenFacts(
        issuer=access.issuer,
        subject=access.subject,
        client_id=access.client_id,
        issued_at=access.issued_at,
        expires_at=access.issued_at + press.id_token_seconds,
        auth_time=order.auth_time,
        acr=order.acr,
        amr=order.amr,
        sid=order.sid,
        nonce=order.nonce,
    )
    key = press.ring.signing[order.id_token_alg]
    return jose.sign(key, id_token_claims(facts, access_token, key.alg), "JWT")


def _refresh(tenant: UUID, of: RefreshOf, ring: KeyRing) -> str:
    return mint_refresh(ring.mac[of.key_id], of.key_id, tenant, of.tag, of.family_id, of.generation, of.salt)
