"""Clients: registered, changed and looked up. Secrets are kept as their SHA-256 and shown once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from authz.events import client_changed, client_registered
from authz.protocol.client_metadata import Client, client_from, register_metadata
from authz.protocol.errors import OAuthError
from authz.storage import statements
from authz.storage.freshness import FreshCache
from identity_core import secrets
from identity_core.audit import AuditRow, write_audit
from identity_core.clock import Clock
from identity_core.db import Connection, Pool
from identity_core.events import write_events
from identity_core.ids import uuid7
from identity_core.session_store import LedgerEntry

_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")

_INSERT = """
INSERT INTO authz.client (tenant, id, metadata, secret_hash, first_party) VALUES ($1, $2, $3::jsonb, $4, $5)
"""
_CHANGE = """
UPDATE authz.client SET metadata = $3::jsonb, updated_at = now(), xid = pg_current_xact_id()
WHERE tenant = $1 AND id = $2 AND active RETURNING id
"""
_DEACTIVATE = """
UPDATE authz.client SET active = false, updated_at = now(), xid = pg_current_xact_id()
WHERE tenant = $1 AND id = $2 AND active RETURNING id
"""
_LIST = """
SELECT id, metadata, first_party, active, created_at FROM authz.client WHERE tenant = $1 ORDER BY created_at, id
"""
_REVOKE = "SELECT sessions.revoke_v1($1, $2, 'client', $3, $4, $5)"


class MetadataRefused(ValueError):
    """The metadata or the client id breaks a rule; `.error` is the refusal as RFC 7591 §3.2.2 spells it."""

    def __init__(self, error: OAuthError) -> None:
        super().__init__(error.description)
        self.error = error


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """What registration answers; the secret is nowhere else and never again."""

    client_id: str
    client_secret: str | None = field(repr=False)
    metadata: Mapping[str, Any]


class ClientStore:
    """Active clients, at most a second old. Implements `authz.ports.Clients`."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._cache: FreshCache[tuple[UUID, str], Client | None] = FreshCache(self._load, clock)

    async def get(self, tenant: UUID, client_id: str) -> Client | None:
        """The active client with the epochs in force when it was read, or None."""
        if not _CLIENT_ID.fullmatch(client_id):
            return None
        return await self._cache.get((tenant, client_id))

    def forget(self) -> None:
        """Drop what is kept, so that a change made in this process shows at once."""
        self._cache.forget()

    async def _load(self, key: tuple[UUID, str]) -> Client | None:
        row = await self._pool.fetchrow(statements.CLIENT, *key)
        if row is None:
            return None
        return client_from(
            *key,
            orjson.loads(row["metadata"]),
            secret_hash=row["secret_hash"],
            first_party=row["first_party"],
            epoch=row["client_epoch"],
            tenant_epoch=row["tenant_epoch"],
        )


async def register(
    connection: Connection,
    tenant: UUID,
    metadata: Mapping[str, Any],
    *,
    client_id: str | None = None,
    secret: str | None = None,
    first_party: bool = False,
    actor: str = "operator",
) -> RegisteredClient:
    """Register a client in the caller's transaction. Raises MetadataRefused.

    A confidential client gets `secret`, or a new one; a public one must not be given any (RFC 7591 §3.2.1).
    """
    document = register_metadata(metadata)
    if isinstance(document, OAuthError):
        raise MetadataRefused(document)
    name = client_id or f"c-{secrets.random_token(128)}"
    if not _CLIENT_ID.fullmatch(name):
        raise _refused("a client_id has 1 to 128 letters, digits and . _ ~ -, and begins with a letter or digit")
    public = document["token_endpoint_auth_method"] == "none"
    if public and secret is not None:
        raise _refused("a client without authentication has no secret")
    if secret is not None and len(secret) < 16:
        raise _refused("a client secret has at least 16 characters")
    kept = None if public else secret or secrets.client_secret()
    await connection.execute(
        _INSERT, tenant, name, orjson.dumps(document).decode(), kept and secrets.sha256(kept), first_party
    )
    await write_audit(connection, "authz", _audit(tenant, "client.registered", name, actor))
    await write_events(connection, "authz", client_registered(tenant, name))
    return RegisteredClient(name, kept, document)


async def change(
    connection: Connection, tenant: UUID, client_id: str, metadata: Mapping[str, Any], *, actor: str = "operator"
) -> Mapping[str, Any] | None:
    """Replace an active client's metadata, judged as a whole; None if there is no such client. Raises MetadataRefused.

    Whether the client has a secret cannot be changed: that would be another client.
    """
    document = register_metadata(metadata)
    if isinstance(document, OAuthError):
        raise MetadataRefused(document)
    row = await connection.fetchrow(statements.CLIENT + " FOR UPDATE", tenant, client_id)
    if row is None:
        return None
    if (row["secret_hash"] is None) != (document["token_endpoint_auth_method"] == "none"):
        raise _refused("token_endpoint_auth_method cannot change between none and a secret")
    await connection.fetchval(_CHANGE, tenant, client_id, orjson.dumps(document).decode())
    await write_audit(connection, "authz", _audit(tenant, "client.changed", client_id, actor))
    await write_events(connection, "authz", client_changed(tenant, client_id, "metadata"))
    return document


async def deactivate(
    connection: Connection, tenant: UUID, client_id: str, *, actor: str = "operator"
) -> LedgerEntry | None:
    """Switch a client off and end all it holds, in the caller's transaction; None when there is no active one.

    The caller hands the entry to `Revoker.confirm` after the commit.
    """
    if await connection.fetchval(_DEACTIVATE, tenant, client_id) is None:
        return None
    await write_audit(connection, "authz", _audit(tenant, "client.deactivated", client_id, actor))
    await write_events(connection, "authz", client_changed(tenant, client_id, "deactivated"))
    epoch: int = await connection.fetchval(_REVOKE, tenant, actor, client_id, "client deactivated", uuid7())
    return LedgerEntry(tenant, "client", client_id, epoch)


async def list_clients(connection: Connection, tenant: UUID) -> list[dict[str, Any]]:
    """Every client: `client_id`, `metadata`, `first_party`, `active`, `created_at`; never a secret."""
    return [
        {
            "client_id": row["id"],
            "metadata": orjson.loads(row["metadata"]),
            "first_party": row["first_party"],
            "active": row["active"],
            "created_at": row["created_at"],
        }
        for row in await connection.fetch(_LIST, tenant)
    ]


def _refused(description: str) -> MetadataRefused:
    return MetadataRefused(OAuthError("invalid_client_metadata", description))


def _audit(tenant: UUID, action: str, client_id: str, actor: str) -> AuditRow:
    return AuditRow(
        tenant=tenant,
        action=action,
        outcome="success",
        actor_kind="operator",
        actor=actor,
        target_kind="client",
        target=client_id,
        client_id=client_id,
    )
