"""The demo tenant: complete after the first run, untouched by the second."""

import asyncio
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from authz.protocol.scope import CLAIMS
from gatehouse.dev import devjson, secrets
from gatehouse.dev.devservers import PostgresServer
from gatehouse.dev.plan import Plan, Ports, role_urls
from gatehouse.dev.seed import seed
from gatehouse.dev.seed_data import DEFAULT_TENANT, SOURCE_NAME, clients_of
from gatehouse.faults import CommandFault, ExitCode
from gatehouse.revisions import heads, require_current, roles_can_enter, standing, upgrade
from identity_core.passwords import PasswordHasher
from identity_core.secrets import sha256
from identity_core.testing.spec import spec
from identity_core.testing.stores import Postgres

ALL_ROWS = """
SELECT jsonb_build_object(
    'clients', (SELECT jsonb_agg(to_jsonb(c) ORDER BY c.id) FROM authz.client c),
    'keys', (SELECT jsonb_agg(k.kid ORDER BY k.kid) FROM authz.signing_key k),
    'users', (SELECT jsonb_agg(to_jsonb(u)) FROM directory.user_resource u),
    'passwords', (SELECT jsonb_agg(to_jsonb(p)) FROM authz.password_credential p),
    'sources', (SELECT jsonb_agg(to_jsonb(s)) FROM directory.source s),
    'tokens', (SELECT jsonb_agg(to_jsonb(t)) FROM directory.source_token t))::text
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(data=tmp_path, ports=Ports.from_base(8000), environ={})


@pytest.fixture
def urls(postgres: Postgres, clean_stores: None) -> dict[str, str]:
    return {
        "gatehouse_authz": postgres.authz_url,
        "gatehouse_scim": postgres.scim_url,
        "gatehouse_sessions": postgres.sessions_url,
    }


async def read(url: str, statement: str, *arguments: Any) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement, *arguments)
    finally:
        await connection.close()


@spec("OIDC Core §5.1")
async def test_the_demo_user_has_every_standard_claim(plan: Plan, postgres: Postgres, urls: dict[str, str]) -> None:
    await seed(plan, secrets.make(), urls)
    claims = json.loads(await read(postgres.owner_url, "SELECT claims FROM directory.subject_v1"))
    # `sub` is the user's id and `preferred_username` and `updated_at` are made by the directory with the others.
    assert set(CLAIMS) - {"sub"} <= set(claims)
    assert claims["email"] == "ada@example.com"
    assert claims["phone_number"] == "+442079460815"
    assert claims["zoneinfo"] == "Europe/London"
    assert claims["picture"] == "http://127.0.0.1:8010/static/ada.svg"
    assert claims["address"]["country"] == "GB"


async def test_what_dev_json_says_is_true(plan: Plan, postgres: Postgres, urls: dict[str, str]) -> None:
    made = secrets.make()
    await seed(plan, made, urls)
    described = devjson.document(plan, made, database_url=postgres.owner_url, redis_url="redis://x")
    hasher = PasswordHasher(threads=1, queue_limit=0)
    try:
        kept = await read(postgres.owner_url, "SELECT hash FROM authz.password_credential")
        assert (await hasher.verify(kept, described["user"]["password"])).ok
    finally:
        hasher.close()
    source = (
        "SELECT s.name FROM directory.source s, directory.source_token t WHERE t.source_id = s.id AND t.token_hash = $1"
    )
    assert await read(postgres.owner_url, source, sha256(described["scim"]["token"])) == SOURCE_NAME
    secret = "SELECT secret_hash FROM authz.client WHERE tenant = $1 AND id = $2"
    for client in (described["clients"]["web"], described["admin"]):
        kept = await read(postgres.owner_url, secret, DEFAULT_TENANT, client["client_id"])
        assert kept == sha256(client["client_secret"])
    assert await read(postgres.owner_url, secret, DEFAULT_TENANT, "spa") is None
    for client_id, metadata in clients_of(plan.demo_url).items():
        stored = json.loads(
            await read(postgres.owner_url, "SELECT metadata FROM authz.client WHERE id = $1", client_id)
        )
        assert metadata.items() <= stored.items()


async def test_a_second_run_changes_nothing(plan: Plan, postgres: Postgres, urls: dict[str, str]) -> None:
    made = secrets.make()
    await seed(plan, made, urls)
    before = await read(postgres.owner_url, ALL_ROWS)
    await seed(plan, made, urls)
    assert await read(postgres.owner_url, ALL_ROWS) == before


async def test_a_run_on_other_addresses_moves_the_clients_and_nothing_else(
    plan: Plan, postgres: Postgres, urls: dict[str, str]
) -> None:
    made = secrets.make()
    await seed(plan, made, urls)
    before = json.loads(await read(postgres.owner_url, ALL_ROWS))
    moved = dataclasses.replace(plan, ports=Ports.from_base(9000))
    await seed(moved, made, urls)
    after = json.loads(await read(postgres.owner_url, ALL_ROWS))
    [web] = [client for client in after["clients"] if client["id"] == "web"]
    assert web["metadata"]["redirect_uris"][0] == "http://127.0.0.1:9010/callback"
    assert web["secret_hash"] == next(c for c in before["clients"] if c["id"] == "web")["secret_hash"]
    assert {part: after[part] for part in after if part != "clients"} == {
        part: before[part] for part in before if part != "clients"
    }


async def test_what_somebody_removed_comes_back_and_the_rest_stays(
    plan: Plan, postgres: Postgres, urls: dict[str, str]
) -> None:
    made = secrets.make()
    await seed(plan, made, urls)
    before = json.loads(await read(postgres.owner_url, ALL_ROWS))
    await read(postgres.owner_url, "DELETE FROM authz.client WHERE id = 'spa'")
    await seed(plan, made, urls)
    after = json.loads(await read(postgres.owner_url, ALL_ROWS))
    assert [client["id"] for client in after["clients"]] == ["admin", "spa", "web"]
    assert after["users"] == before["users"]


async def test_a_source_with_another_token_is_left_alone(plan: Plan, postgres: Postgres, urls: dict[str, str]) -> None:
    made = secrets.make()
    await seed(plan, made, urls)
    other = dataclasses.replace(made, scim_token=secrets.make().scim_token)
    with pytest.raises(CommandFault) as caught:
        await seed(plan, other, urls)
    assert caught.value.exit_code is ExitCode.CONFLICT


def test_the_revisions_are_known_without_alembic() -> None:
    from gatehouse import migrate

    assert heads() == migrate.heads()


def test_an_empty_database_is_brought_up_and_the_roles_may_look(
    private_postgres: Callable[[], PostgresServer],
) -> None:
    url = private_postgres().url
    urls = role_urls(url, secrets.make())
    assert asyncio.run(standing(url)).missing == heads()
    assert not asyncio.run(roles_can_enter(urls))
    assert upgrade(url, urls) == heads()
    assert asyncio.run(roles_can_enter(urls))
    asyncio.run(require_current(urls["gatehouse_scim"]))
    assert asyncio.run(standing(urls["gatehouse_scim"])).missing == frozenset()
    others = role_urls(url, secrets.make())
    assert not asyncio.run(roles_can_enter(others))
