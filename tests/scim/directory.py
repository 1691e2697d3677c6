"""A tenant of its own for each test, with a source, its token and a client that holds it."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from fastapi import FastAPI

from identity_core.ids import uuid7
from identity_core.testing import sessions
from scim.storage.sources import create_source

# One for every room: the applications of a worker share one Redis.
TAG_KEY = sessions.TAG_KEY
ISSUER = "http://localhost:8000"
ROOT = "http://localhost:8001"
BASE = f"{ROOT}/scim/v2"
CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
OIDC = "urn:gatehouse:params:scim:schemas:extension:oidc:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
PASSWORD = "correct horse battery staple"
JSON = {"Content-Type": "application/scim+json"}


@dataclass
class Directory:
    """`http` carries the token and is rooted at `/scim/v2`; `db` is the owner's connection."""

    app: FastAPI
    db: asyncpg.Connection
    tenant: UUID
    slug: str
    source_id: UUID
    token: str
    http: httpx.AsyncClient

    async def create(self, user_name: str = "ada", **attributes: Any) -> dict[str, Any]:
        """A new user, as the reply to its POST."""
        reply = await self.http.post("/Users", json={"schemas": [CORE], "userName": user_name, **attributes})
        assert reply.status_code == 201, reply.text
        return reply.json()

    async def patch(self, user_id: str, *operations: dict[str, Any], **headers: str) -> httpx.Response:
        body = {"schemas": [PATCH], "Operations": list(operations)}
        return await self.http.patch(f"/Users/{user_id}", json=body, headers=headers)

    async def row(self, user_id: str) -> asyncpg.Record | None:
        return await self.db.fetchrow(
            "SELECT * FROM directory.user_resource WHERE tenant = $1 AND id = $2", self.tenant, UUID(user_id)
        )

    async def claims(self, user_id: str) -> dict[str, Any]:
        row = await self.row(user_id)
        assert row is not None
        return json.loads(row["claims"])

    async def count(self) -> int:
        return await self.db.fetchval("SELECT count(*) FROM directory.user_resource WHERE tenant = $1", self.tenant)

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        rows = await self.db.fetch(
            "SELECT type, payload FROM directory.event WHERE tenant = $1 ORDER BY id", self.tenant
        )
        return [(row["type"], json.loads(row["payload"])) for row in rows]

    async def audit(self) -> list[asyncpg.Record]:
        return await self.db.fetch("SELECT * FROM directory.audit WHERE tenant = $1 ORDER BY id", self.tenant)

    async def hash_of(self, user_id: str) -> str | None:
        return await self.db.fetchval(
            "SELECT hash FROM authz.password_credential WHERE tenant = $1 AND user_id = $2",
            self.tenant,
            UUID(user_id),
        )


def client_of(app: FastAPI, token: str | None, base: str = BASE) -> httpx.AsyncClient:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=base, headers=headers)


async def new_directory(app: FastAPI, db: asyncpg.Connection) -> Directory:
    """A fresh tenant and source; the client is to be closed."""
    tenant = uuid7()
    slug = f"t-{tenant.hex[-12:]}"
    await db.execute("INSERT INTO authz.tenant (id, slug, name) VALUES ($1, $2, $2)", tenant, slug)
    source_id, token = await create_source(db, tenant, "HR")
    return Directory(app, db, tenant, slug, source_id, token, client_of(app, token))


def is_error(reply: httpx.Response, status: int, scim_type: str | None = None) -> bool:
    """Asserts the whole shape of a SCIM error (RFC 7644 §3.12)."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/scim+json"
    body = reply.json()
    assert body["schemas"] == [ERROR]
    assert body["status"] == str(status)
    assert body["detail"]
    assert body.get("scimType") == scim_type, body
    assert set(body) <= {"schemas", "status", "scimType", "detail"}
    return True
