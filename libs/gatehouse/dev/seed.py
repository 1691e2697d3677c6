"""The demo tenant's content, put in once: keys, one person, three clients, one SCIM source.

Idempotent: what is there stays, with its sessions and its changes; only the clients follow a run's addresses. Looking
whether anything is missing takes two statements; the services' storage is imported only when something is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg
import orjson

from gatehouse.dev.plan import ROLES, Plan
from gatehouse.dev.secrets import DevSecrets
from gatehouse.dev.seed_data import DEFAULT_TENANT, USERNAME, clients_of
from identity_core.secrets import sha256

# Each service's role looks at its own schema.
_AUTHZ = """
SELECT EXISTS (SELECT FROM authz.signing_key WHERE tenant = $1) AS complete,
       (SELECT coalesce(jsonb_object_agg(id, metadata), '{}') FROM authz.client
        WHERE tenant = $1 AND id = ANY($2::text[])) AS clients
"""
_SCIM = """
SELECT EXISTS (SELECT FROM directory.user_resource WHERE tenant = $1 AND user_name_key = $2)
       AND EXISTS (SELECT FROM directory.source_token WHERE token_hash = $3) AS complete
"""


async def seed(plan: Plan, secrets: DevSecrets, role_urls: Mapping[str, str]) -> None:
    """Make sure the demo tenant is as docs/dev-json.md says, with the URLs of authz's and scim's roles.

    Raises CommandFault, store errors.
    """
    if await _complete(plan, secrets, role_urls):
        return
    from gatehouse.dev.planting import plant

    await plant(plan, secrets, role_urls)


async def _complete(plan: Plan, secrets: DevSecrets, role_urls: Mapping[str, str]) -> bool:
    scim = await _row(role_urls[ROLES["scim"]], _SCIM, DEFAULT_TENANT, USERNAME, sha256(secrets.scim_token))
    wanted = clients_of(plan.demo_url)
    authz = await _row(role_urls[ROLES["authz"]], _AUTHZ, DEFAULT_TENANT, list(wanted))
    if not (scim["complete"] and authz["complete"]):
        return False
    there = orjson.loads(authz["clients"])
    return all(
        there.get(client_id, {}).get(name) == value
        for client_id, metadata in wanted.items()
        for name, value in metadata.items()
    )


async def _row(url: str, statement: str, *arguments: Any) -> Mapping[str, Any]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return dict(await connection.fetchrow(statement, *arguments) or {})
    finally:
        await connection.close()
