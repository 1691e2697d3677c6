"""Keys: made, published, used, retired and revoked, each by PostgreSQL's time; private parts sealed.

A new key is published one cache lifetime before it signs, so that every relying party knows it by then; a retired one
stays published until the last token it signed has ended. A revoked one vanishes at once.
"""

from __future__ import annotations

import asyncio
import secrets as system
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from authz.events import key_revoked, key_rotated
from authz.ports import KeyRing
from authz.storage import statements
from authz.storage.freshness import FreshCache
from authz.storage.rings import RetiredKey, SigningRow, build_ring
from identity_core import jose
from identity_core.audit import AuditRow, write_audit
from identity_core.clock import Clock
from identity_core.db import Connection, Pool, Record, transaction
from identity_core.events import write_events
from identity_core.sealing import Sealer

REFRESH: Final = "refresh"
JWKS_SECONDS: Final = 900
# The longest an access or ID token may live by the settings, plus the verifiers' leeway.
_LAST_TOKEN = timedelta(hours=1, minutes=5)

_LOCK = "SELECT id FROM authz.tenant WHERE id = $1 FOR UPDATE"
_SIGNING_NOW = """
SELECT DISTINCT alg FROM authz.signing_key
WHERE tenant = $1 AND revoked_at IS NULL AND sign_from <= now() AND (retire_at IS NULL OR now() < retire_at)
"""
_INSERT_KEY = """
INSERT INTO authz.signing_key (tenant, kid, alg, public_jwk, private_sealed, sign_from)
VALUES ($1, $2, $3, $4::jsonb, $5, now() + $6::interval)
"""
_RETIRE = """
UPDATE authz.signing_key SET retire_at = now() + $4::interval, xid = pg_current_xact_id()
WHERE tenant = $1 AND alg = $2 AND kid <> $3 AND retire_at IS NULL AND revoked_at IS NULL
"""
_REVOKE_KEY = """
UPDATE authz.signing_key SET revoked_at = now(), xid = pg_current_xact_id()
WHERE tenant = $1 AND kid = $2 AND revoked_at IS NULL RETURNING alg
"""
_HAS_MAC = "SELECT EXISTS (SELECT FROM authz.mac_key WHERE tenant = $1 AND purpose = $2 AND retire_at IS NULL)"
_INSERT_MAC = """
INSERT INTO authz.mac_key (tenant, purpose, id, sealed)
SELECT $1, $2, $3, $4
"""
_NEXT_MAC = "SELECT coalesce(max(id) + 1, 0) FROM authz.mac_key WHERE tenant = $1 AND purpose = $2"
_LIST = """
SELECT kid, alg, publish_at, sign_from, retire_at, revoked_at FROM authz.signing_key WHERE tenant = $1
ORDER BY alg, sign_from, kid
"""


class KeyStore:
    """The tenants' key rings, at most a second old. Implements `authz.ports.Keys`.

    A tenant without keys is given some at the first look. A private key is unsealed and imported once.
    """

    def __init__(self, pool: Pool, sealer: Sealer, clock: Clock) -> None:
        self._pool = pool
        self._sealer = sealer
        self._imported: dict[tuple[UUID, str], SigningRow | RetiredKey] = {}
        self._cache: FreshCache[UUID, KeyRing] = FreshCache(self._load, clock)

    async def ring(self, tenant: UUID) -> KeyRing:
        """The tenant's keys as of at most a second ago."""
        return await self._cache.get(tenant)

    def forget(self) -> None:
        """Drop what is kept, so that a change made in this process shows at once."""
        self._cache.forget()

    async def _load(self, tenant: UUID) -> KeyRing:
        keys, macs = await self._rows(tenant)
        if not _complete(keys, macs):
            async with transaction(self._pool) as connection:
                await ensure_keys(connection, tenant, self._sealer)
            keys, macs = await self._rows(tenant)
        signing = [await self._imported_key(tenant, row) for row in keys]
        ring = build_ring(keys, signing, {row["id"]: self._mac(tenant, row) for row in macs}, _minting(macs))
        self._imported = {place: key for place, key in self._imported.items() if place[0] != tenant} | {
            (tenant, row["kid"]): key for row, key in zip(keys, signing, strict=True)
        }
        return ring

    async def _rows(self, tenant: UUID) -> tuple[Sequence[Record], Sequence[Record]]:
        async with self._pool.acquire() as connection:
            keys = await connection.fetch(statements.SIGNING_KEYS, tenant)
            return keys, await connection.fetch(statements.MAC_KEYS, tenant, REFRESH)

    async def _imported_key(self, tenant: UUID, row: Record) -> SigningRow | RetiredKey:
        known = self._imported.get((tenant, row["kid"]))
        if not row["published"] and not row["signs"]:
            if isinstance(known, RetiredKey):
                return known
            return RetiredKey(jose.PublicKey(row["kid"], row["alg"], orjson.loads(row["public_jwk"])))
        if isinstance(known, SigningRow):
            return known
        sealed, aad = row["private_sealed"], signing_aad(tenant, row["kid"])
        raw = self._sealer.unseal(sealed, aad)
        # An RSA key takes tens of milliseconds to import: never on the loop.
        return SigningRow(await asyncio.to_thread(jose.load_private, row["alg"], row["kid"], raw))

    def _mac(self, tenant: UUID, row: Record) -> bytes:
        return self._sealer.unseal(row["sealed"], mac_aad(tenant, REFRESH, row["id"]))


async def ensure_keys(connection: Connection, tenant: UUID, sealer: Sealer) -> list[str]:
    """Give a tenant a key per algorithm, signing at once, and a refresh MAC key, where it has none.

    In the caller's transaction; idempotent, also when several processes do it together. Answers the new kids.
    """
    await connection.fetchval(_LOCK, tenant)
    there = {row["alg"] for row in await connection.fetch(_SIGNING_NOW, tenant)}
    made = [
        await _new_key(connection, tenant, alg, sealer, timedelta(0))
        for alg in jose.SIGNING_ALGORITHMS
        if alg not in there
    ]
    if not await connection.fetchval(_HAS_MAC, tenant, REFRESH):
        number: int = await connection.fetchval(_NEXT_MAC, tenant, REFRESH)
        sealed = sealer.seal(system.token_bytes(32), mac_aad(tenant, REFRESH, number))
        await connection.execute(_INSERT_MAC, tenant, REFRESH, number, sealed)
    return made


async def rotate(
    connection: Connection,
    tenant: UUID,
    alg: str,
    sealer: Sealer,
    *,
    jwks_seconds: int = JWKS_SECONDS,
    actor: str = "operator",
) -> str:
    """Publish a new key that signs after one cache lifetime, and retire the old ones after their last token.

    In the caller's transaction. Answers the new kid; raises ValueError for an algorithm that is not signed with.
    """
    await connection.fetchval(_LOCK, tenant)
    cached = timedelta(seconds=jwks_seconds)
    kid = await _new_key(connection, tenant, alg, sealer, cached)
    await connection.execute(_RETIRE, tenant, alg, kid, cached + _LAST_TOKEN)
    await write_audit(connection, "authz", _audit(tenant, "key.rotated", kid, alg, actor))
    await write_events(connection, "authz", key_rotated(tenant, kid, alg))
    return kid


async def revoke(connection: Connection, tenant: UUID, kid: str, sealer: Sealer, *, actor: str = "operator") -> bool:
    """An emergency: the key is gone at once, and if nothing else signs with its algorithm a new key does, at once.

    In the caller's transaction. False when the tenant has no such key.
    """
    await connection.fetchval(_LOCK, tenant)
    alg: str | None = await connection.fetchval(_REVOKE_KEY, tenant, kid)
    if alg is None:
        return False
    await write_audit(connection, "authz", _audit(tenant, "key.revoked", kid, alg, actor))
    await write_events(connection, "authz", key_revoked(tenant, kid, alg))
    await ensure_keys(connection, tenant, sealer)
    return True


async def list_keys(connection: Connection, tenant: UUID) -> list[dict[str, Any]]:
    """Every signing key: `kid`, `alg`, `publish_at`, `sign_from`, `retire_at`, `revoked_at`; never a private part."""
    return [dict(row) for row in await connection.fetch(_LIST, tenant)]


def signing_aad(tenant: UUID, kid: str) -> bytes:
    """What binds a sealed private key to its row."""
    return f"signing:{tenant}:{kid}".encode()


def mac_aad(tenant: UUID, purpose: str, number: int) -> bytes:
    """What binds a sealed MAC key to its row."""
    return f"mac:{tenant}:{purpose}:{number}".encode()


async def _new_key(connection: Connection, tenant: UUID, alg: str, sealer: Sealer, wait: timedelta) -> str:
    key = await asyncio.to_thread(jose.generate, alg)
    sealed = sealer.seal(jose.private_bytes(key), signing_aad(tenant, key.kid))
    jwk = orjson.dumps(dict(key.public.jwk)).decode()
    await connection.execute(_INSERT_KEY, tenant, key.kid, alg, jwk, sealed, wait)
    return key.kid


def _complete(keys: Sequence[Record], macs: Sequence[Record]) -> bool:
    signing = {row["alg"] for row in keys if row["signs"]}
    return signing >= set(jose.SIGNING_ALGORITHMS) and any(row["mints"] for row in macs)


def _minting(macs: Sequence[Record]) -> int:
    current: int = max(row["id"] for row in macs if row["mints"])
    return current


def _audit(tenant: UUID, action: str, kid: str, alg: str, actor: str) -> AuditRow:
    return AuditRow(
        tenant=tenant,
        action=action,
        outcome="success",
        actor_kind="operator",
        actor=actor,
        target_kind="signing_key",
        target=kid,
        detail={"alg": alg},
    )
