"""Puts the demo tenant's content in through the services' own storage: what is there stays as it is."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import orjson
from asyncpg import UniqueViolationError

from authz.storage import clients, keys
from gatehouse.dev.plan import ROLES, Plan
from gatehouse.dev.secrets import DevSecrets
from gatehouse.dev.seed_data import (
    ADMIN_CLIENT_ID,
    DEFAULT_TENANT,
    SOURCE_NAME,
    USERNAME,
    admin_metadata,
    demo_user,
    spa_metadata,
    web_metadata,
)
from gatehouse.faults import CommandFault, ExitCode
from identity_core.db import Connection, Pool, create_pool, transaction
from identity_core.ids import uuid7
from identity_core.passwords import PasswordHasher
from identity_core.sealing import Sealer
from identity_core.secrets import sha256
from identity_core.usernames import username_key
from scim.protocol.errors import ScimError
from scim.storage import statements
from scim.storage.users import create_user

_USER = "SELECT subject FROM directory.subject_v1 WHERE tenant = $1 AND username_key = $2"
_CLIENT = "SELECT metadata FROM authz.client WHERE tenant = $1 AND id = $2"
_TOKEN = "SELECT source_id FROM directory.source_token WHERE token_hash = $1"


async def plant(plan: Plan, secrets: DevSecrets, role_urls: Mapping[str, str]) -> None:
    """Make sure the demo tenant is as docs/dev-json.md says. Raises CommandFault, store errors."""
    authz = await create_pool(role_urls[ROLES["authz"]], size=1, name="gatehouse-seed")
    try:
        await _seed_authz(authz, plan, secrets)
    finally:
        await authz.close()
    scim = await create_pool(role_urls[ROLES["scim"]], size=1, name="gatehouse-seed")
    try:
        await _seed_scim(scim, plan, secrets)
    finally:
        await scim.close()


async def _seed_authz(pool: Pool, plan: Plan, secrets: DevSecrets) -> None:
    sealer = Sealer.from_setting(secrets.key_encryption_key)
    async with transaction(pool) as connection:
        await keys.ensure_keys(connection, DEFAULT_TENANT, sealer)
        await _client(connection, "web", web_metadata(plan.demo_url), secrets.web_secret, first_party=True)
        await _client(connection, "spa", spa_metadata(), None)
        await _client(connection, ADMIN_CLIENT_ID, admin_metadata(), secrets.admin_secret, first_party=True)


async def _client(
    connection: Connection,
    client_id: str,
    metadata: Mapping[str, Any],
    secret: str | None,
    *,
    first_party: bool = False,
) -> None:
    try:
        stored = await connection.fetchval(_CLIENT, DEFAULT_TENANT, client_id)
        if stored is None:
            await clients.register(
                connection,
                DEFAULT_TENANT,
                metadata,
                client_id=client_id,
                secret=secret,
                first_party=first_party,
            )
        elif any(orjson.loads(stored).get(name) != value for name, value in metadata.items()):
            await clients.change(connection, DEFAULT_TENANT, client_id, metadata)
    except clients.MetadataRefused as refused:
        raise CommandFault(
            ExitCode.UNEXPECTED, f"The demo client {client_id} was refused ({refused})", "please report it"
        ) from refused


async def _seed_scim(pool: Pool, plan: Plan, secrets: DevSecrets) -> None:
    source_id = await _source(pool, secrets.scim_token)
    if await pool.fetchval(_USER, DEFAULT_TENANT, username_key(USERNAME)) is not None:
        return
    hasher = PasswordHasher(threads=1, queue_limit=0)
    try:
        hashed = await hasher.hash(secrets.user_password)
    finally:
        hasher.close()
    async with transaction(pool) as connection:
        made = await create_user(
            connection,
            DEFAULT_TENANT,
            demo_user(plan.demo_url),
            hashed,
            tag_key=base64.b64decode(secrets.tag_key),
            source_id=source_id,
        )
    if isinstance(made, ScimError):
        raise CommandFault(ExitCode.UNEXPECTED, f"The demo user was refused ({made.detail})", "please report it")


async def _source(pool: Pool, token: str) -> Any:
    """The SCIM source whose token is ours to choose, so that it is the same in `secrets.json` and here."""
    found = await pool.fetchval(_TOKEN, sha256(token))
    if found is not None:
        return found
    source_id = uuid7()
    try:
        async with transaction(pool) as connection:
            await connection.execute(statements.INSERT_SOURCE, DEFAULT_TENANT, source_id, SOURCE_NAME)
            await connection.execute(
                statements.INSERT_SOURCE_TOKEN, sha256(token), DEFAULT_TENANT, source_id, uuid7(), None
            )
    except UniqueViolationError as error:
        raise CommandFault(
            ExitCode.CONFLICT,
            "The directory has a source `demo` with another token",
            "run `make clean-dev` and start anew",
        ) from error
    return source_id
