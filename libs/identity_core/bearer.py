"""The resource server's side of our own APIs: RFC 9068 access tokens verified locally, then their standing.

Signing keys and tenants come from the published views, kept for at most a second: a revoked key or a suspended
tenant is refused within that time. A verified signature alone is never enough: the token's stamps, session, grant and
its own tombstone are read like everywhere else.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import orjson

from identity_core.contracts.stamps import Binding
from identity_core.db import Pool, Record
from identity_core.jose import PublicKey, Refusal, VerifiedClaims, peek, verify
from identity_core.session_store import SessionStore, StandingQuery, judge

ACCESS_TOKEN = frozenset({"at+jwt"})
DEFAULT_TENANT = "default"
KEYS_KEPT_S = 1.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls one of our APIs: everything in it was verified."""

    tenant: UUID
    tenant_slug: str
    client_id: str
    subject: str
    scopes: frozenset[str]
    jti: str


@dataclass(frozen=True, slots=True)
class BearerRefusal:
    """RFC 6750 §3.1. `www_authenticate` is the whole header value."""

    status: Literal[401, 403]
    error: str
    www_authenticate: str


NO_TOKEN = BearerRefusal(401, "missing_token", "Bearer")
INVALID = BearerRefusal(401, "invalid_token", 'Bearer error="invalid_token"')


def insufficient_scope(scope: str) -> BearerRefusal:
    """403 naming the scope that was missing."""
    return BearerRefusal(403, "insufficient_scope", f'Bearer error="insufficient_scope", scope="{scope}"')


@dataclass(frozen=True, slots=True)
class _Tenant:
    id: UUID
    slug: str
    keys: Mapping[str, PublicKey]


_TENANTS = """
SELECT t.id, t.slug, k.kid, k.alg, k.public_jwk
FROM authz.tenant_v1 t
LEFT JOIN authz.public_key_v1 k ON k.tenant = t.id AND k.publish_at <= now()
     AND (k.retire_at IS NULL OR k.retire_at > now() - interval '1 day')
WHERE t.active
"""


class BearerVerifier:
    """Verifies access tokens of every tenant of `issuer` for one `audience` (the API's base URL).

    Cost: one signature check and one Redis round trip; at most one statement a second for keys.
    """

    def __init__(self, pool: Pool, store: SessionStore, issuer: str, audience: str) -> None:
        self._pool = pool
        self._store = store
        self._issuer = issuer
        self._audience = audience
        self._tenants: dict[str, _Tenant] = {}
        self._native: dict[tuple[UUID, str], PublicKey] = {}
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()

    async def verify(self, authorization: str | None) -> Caller | BearerRefusal:
        """The caller behind an `Authorization` header, or the refusal to send. Store faults are raised."""
        token = bearer_token(authorization)
        if token is None:
            return NO_TOKEN if authorization is None else INVALID
        unverified = peek(token)
        if isinstance(unverified, Refusal):
            return INVALID
        tenants = await self._current()
        tenant = tenants.get(str(unverified.claims.get("iss")))
        if tenant is None:
            return INVALID
        issuer = self.issuer_of(tenant.slug)
        verified = verify(token, tenant.keys, typ=ACCESS_TOKEN, issuer=issuer, audience=self._audience, now=time.time())
        if isinstance(verified, Refusal):
            return INVALID
        return await self._accept(tenant, verified)

    def issuer_of(self, slug: str) -> str:
        """The issuer of a tenant: the root for the default one, `/t/<slug>` below it for the others."""
        return self._issuer if slug == DEFAULT_TENANT else f"{self._issuer}/t/{slug}"

    async def _accept(self, tenant: _Tenant, verified: VerifiedClaims) -> Caller | BearerRefusal:
        claims = verified.claims
        binding = Binding.from_claim(claims.get("gh"))
        client_id, subject, jti = claims.get("client_id"), claims.get("sub"), claims.get("jti")
        scope = claims.get("scope", "")
        if binding is None or not all(isinstance(v, str) and v for v in (client_id, subject, jti)):
            return INVALID
        if not isinstance(client_id, str) or not isinstance(subject, str) or not isinstance(jti, str):
            return INVALID
        query = StandingQuery(
            tenant=tenant.id,
            tag=binding.tag,
            user_id=_uuid(subject),
            client_id=client_id,
            session_id=binding.session_id,
            grant_id=binding.grant_id,
            token_key=jti,
        )
        if judge(await self._store.read(query), binding) is not None or not isinstance(scope, str):
            return INVALID
        return Caller(tenant.id, tenant.slug, client_id, subject, frozenset(scope.split()), jti)

    async def _current(self) -> Mapping[str, _Tenant]:
        if time.monotonic() - self._read_at < KEYS_KEPT_S:
            return self._tenants
        async with self._lock:
            started = time.monotonic()
            if started - self._read_at >= KEYS_KEPT_S:
                self._tenants = self._build(await self._pool.fetch(_TENANTS))
                self._read_at = started
        return self._tenants

    def _build(self, rows: Sequence[Record]) -> dict[str, _Tenant]:
        """Tenants by issuer; a key is imported once and kept while its row is there."""
        keys: dict[tuple[UUID, str], dict[str, PublicKey]] = {}
        native: dict[tuple[UUID, str], PublicKey] = {}
        for row in rows:
            of_tenant = keys.setdefault((row["id"], row["slug"]), {})
            kid = row["kid"]
            if kid is None:
                continue
            known = self._native.get((row["id"], kid))
            key = known or PublicKey(kid, row["alg"], orjson.loads(row["public_jwk"]))
            of_tenant[kid] = native[row["id"], kid] = key
        self._native = native
        return {self.issuer_of(slug): _Tenant(tenant, slug, ring) for (tenant, slug), ring in keys.items()}


def bearer_token(authorization: str | None) -> str | None:
    """The token of `Bearer <token>` (scheme in any case, one space); None for everything else."""
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    return token if scheme.lower() == "bearer" and token and " " not in token else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
