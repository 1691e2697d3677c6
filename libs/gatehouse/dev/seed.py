"""The demo tenant's content, put in once: keys, one person, three clients, one SCIM source.

Idempotent: what is there stays, with its sessions and its changes; only the clients follow a run's addresses. Looking
whether anything is missing is one statement; the services' storage is imported only when something is.
"""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg
import orjson

from gatehouse.dev.plan import Plan
from gatehouse.dev.secrets import DevSecrets
from gatehouse.dev.seed_data import DEFAULT_TENANT, USERNAME, clients_of
from identity_core.secrets import sha256

# As the owner: the services' roles would need three connections for it.
_LOOK = """
SELECT EXISTS (SELECT FROM authz.signing_key WHERE tenant = $1) AS keys,
       EXISTS (SELECT FROM directory.user_resource WHERE tenant = $1 AND user_name_key = $2) AS user,
       EXISTS (SELECT FROM directory.source_token WHERE token_hash = $3) AS source,
       (SELECT coalesce(jsonb_object_agg(id, metadata), '{}') FROM authz.client
        WHERE tenant = $1 AND id = ANY($4::text[])) AS clients
"""


async def seed(plan: Plan, secrets: DevSecrets, owner_url: str, role_urls: Mapping[str, str]) -> None:
    """Make sure the demo tenant is as docs/dev-json.md says. Raises CommandFault, store errors."""
    if await _complete(plan, secrets, owner_url):
        return
    from gatehouse.dev.planting import plant

    await plant(plan, secrets, role_urls)


async def _complete(plan: Plan, secrets: DevSecrets, owner_url: str) -> bool:
    wanted = clients_of(plan.demo_url)
    connection = await asyncpg.connect(owner_url, timeout=10)
    try:
        row = await connection.fetchrow(_LOOK, DEFAULT_TENANT, USERNAME, sha256(secrets.scim_token), list(wanted))
    finally:
        await connection.close()
    if row is None or not (row["keys"] and row["user"] and row["source"]):
        return False
    there = orjson.loads(row["clients"])
    return all(
        there.get(client_id, {}).get(name) == value
        for client_id, metadata in wanted.items()
        for name, value in metadata.items()
    )
