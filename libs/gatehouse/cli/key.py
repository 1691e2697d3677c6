"""`gatehouse key`: the keys that sign tokens."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from gatehouse.cli.output import DEFAULT_DATA, DataOption, JsonOption, say_json, say_table
from gatehouse.cli.tenants import DEFAULT_TENANT, TenantOption

app = typer.Typer(help="List and rotate signing keys.")


class Algorithm(StrEnum):
    """What a key signs with."""

    RS256 = "RS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"


@app.command("list")
def list_keys(
    tenant: TenantOption = DEFAULT_TENANT, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False
) -> None:
    """List a tenant's signing keys."""
    from gatehouse.cli.surroundings import wait_for

    _say("Signing keys", wait_for(_list(tenant, data)), as_json)


@app.command("rotate")
def rotate(
    alg: Annotated[Algorithm, typer.Option(help="Which kind of key.")] = Algorithm.RS256,
    tenant: TenantOption = DEFAULT_TENANT,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Publish a new key now; it signs once every cache of the key set has seen it."""
    from gatehouse.cli.surroundings import wait_for

    _say("Signing keys after the rotation", wait_for(_rotate(alg.value, tenant, data)), as_json)


def _say(title: str, keys: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        say_json({"keys": keys})
        return
    rows = [(k["kid"], k["alg"], k["publish_at"], k["sign_from"], k["retire_at"], k["revoked_at"]) for k in keys]
    say_table(
        title,
        ("Key", "Algorithm", "Published", "Signs from", "Retires", "Revoked"),
        rows,
        empty="There are no keys yet.",
    )


async def _list(tenant: str, data: Path) -> list[dict[str, Any]]:
    from authz.storage import keys
    from gatehouse.cli.surroundings import database_of
    from gatehouse.cli.tenants import tenant_of

    async with database_of("authz", data) as (_, pool):
        tenant_id = await tenant_of(pool, tenant)
        async with pool.acquire() as connection:
            return [_described(key) for key in await keys.list_keys(connection, tenant_id)]


async def _rotate(alg: str, tenant: str, data: Path) -> list[dict[str, Any]]:
    from authz.settings import AuthzSettings
    from authz.storage import keys
    from gatehouse.cli.surroundings import database_of
    from gatehouse.cli.tenants import tenant_of
    from identity_core.db import transaction
    from identity_core.sealing import Sealer

    async with database_of("authz", data) as (settings, pool):
        ours = cast(AuthzSettings, settings)
        sealer, jwks_seconds = Sealer.from_setting(ours.key_encryption_key), ours.jwks_seconds
        tenant_id = await tenant_of(pool, tenant)
        async with transaction(pool) as connection:
            await keys.rotate(connection, tenant_id, alg, sealer, jwks_seconds=jwks_seconds)
            return [_described(key) for key in await keys.list_keys(connection, tenant_id)]


def _described(key: Any) -> dict[str, Any]:
    """A key's public facts; times in ISO 8601."""
    names = ("kid", "alg", "publish_at", "sign_from", "retire_at", "revoked_at")
    return {name: _plain(key.get(name)) for name in names}


def _plain(value: Any) -> Any:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
