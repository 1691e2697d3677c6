"""A presented access token, whichever its form: read, verified, and its standing accepted. The one way in."""

from __future__ import annotations

from dataclasses import dataclass

from authz.ports import Tenant
from authz.protocol.access_token import ReadToken, TokenFacts, facts_of, read_jwt, user_of
from authz.protocol.decision import Evidence
from authz.resources import Resources
from authz.standing import Standing, accept
from identity_core import secrets
from identity_core.contracts.stamps import Binding
from identity_core.secrets import AccessToken
from identity_core.session_store import StandingFacts
from identity_core.session_store.store import token_key


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token of ours, verified or found; `key` is its name in the ledger. Not yet known to be alive."""

    facts: TokenFacts
    binding: Binding
    key: str
    standing_facts: StandingFacts | None = None


@dataclass(frozen=True, slots=True)
class LiveToken:
    """A token that is good now."""

    facts: TokenFacts
    standing: Standing


async def known_token(resources: Resources, tenant: Tenant, text: str) -> KnownToken | None:
    """The token behind `text`: a JWT is verified, an opaque one costs one Redis round trip. None for all else."""
    if text.startswith("ga_"):
        opaque = secrets.AccessToken.parse(text)
        return None if opaque is None else await _opaque(resources, tenant, opaque)
    ring = await resources.keys.ring(tenant.id)
    read = read_jwt(text, ring.public, issuer=tenant.issuer, now=resources.clock.now_ms() / 1000)
    return None if read is None else _known(read)


async def live_token(resources: Resources, tenant: Tenant, text: str) -> LiveToken | None:
    """The token if it and everything it hangs on is alive: one Redis round trip, whichever its form."""
    known = await known_token(resources, tenant, text)
    return None if known is None else await alive(resources, tenant, known)


async def alive(resources: Resources, tenant: Tenant, known: KnownToken) -> LiveToken | None:
    """The gate: `accept` on everything the token hangs on."""
    evidence = Evidence(tenant.id, known.facts.client_id, known.facts.user_id, known.binding)
    standing = await accept(resources.store, evidence, token_key=known.key, facts=known.standing_facts)
    return LiveToken(known.facts, standing) if isinstance(standing, Standing) else None


def _known(read: ReadToken) -> KnownToken:
    return KnownToken(read.facts, read.binding, read.facts.jti)


async def _opaque(resources: Resources, tenant: Tenant, token: AccessToken) -> KnownToken | None:
    found = await resources.store.read_token(tenant.id, token)
    facts = None if found is None else facts_of(found.record)
    if found is None or facts is None or facts.issuer != tenant.issuer:
        return None
    if facts.client_id != found.client_id or user_of(facts.subject) != found.user_id:
        return None
    return KnownToken(facts, found.binding, token_key(token), found.facts)
