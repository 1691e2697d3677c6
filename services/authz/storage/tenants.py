"""Tenants: who they are by their path, and making them."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import orjson

from authz.ports import Tenant
from authz.settings import AuthzSettings
from authz.storage import statements
from authz.storage.freshness import FreshCache
from identity_core.clock import Clock
from identity_core.db import Connection, Pool
from identity_core.ids import uuid7

DEFAULT_ID: Final = UUID("00000000-0000-7000-8000-000000000001")
DEFAULT_SLUG: Final = "default"

_INSERT = "INSERT INTO authz.tenant (id, slug, name) VALUES ($1, $2, $3)"
_LIST = "SELECT id, slug, name, active FROM authz.tenant ORDER BY created_at, id"


class TenantStore:
    """Active tenants by path, at most a second old. Implements `authz.ports.Tenants`."""

    def __init__(self, pool: Pool, settings: AuthzSettings, clock: Clock) -> None:
        self._pool = pool
        self._settings = settings
        self._cache: FreshCache[str, Tenant | None] = FreshCache(self._load, clock)

    async def by_slug(self, slug: str | None) -> Tenant | None:
        """The tenant of a path, None for the root. The default tenant has no second address: one issuer each."""
        if slug == DEFAULT_SLUG or (slug is not None and len(slug) > 63):
            return None
        return await self._cache.get(slug or DEFAULT_SLUG)

    async def _load(self, slug: str) -> Tenant | None:
        row = await self._pool.fetchrow(statements.TENANT, slug)
        if row is None:
            return None
        path_slug = None if slug == DEFAULT_SLUG else slug
        return Tenant(
            id=row["id"],
            slug=row["slug"],
            name=row["name"],
            issuer=self._settings.issuer_of(path_slug),
            path="" if path_slug is None else f"/t/{slug}",
            policy=orjson.loads(row["policy"]),
        )


async def create_tenant(connection: Connection, slug: str, name: str) -> UUID:
    """A new tenant, in the caller's transaction; its keys come with `keys.ensure_keys`. Answers its id."""
    tenant = uuid7()
    await connection.execute(_INSERT, tenant, slug, name)
    return tenant


async def list_tenants(connection: Connection) -> list[dict[str, object]]:
    """Every tenant: `id`, `slug`, `name`, `active`, oldest first."""
    return [dict(row) for row in await connection.fetch(_LIST)]
