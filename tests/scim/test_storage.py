"""The tables are what the migration made; each statement is prepared by the service's own role and counted."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql.expression import ClauseElement

from identity_core.db import Pool, create_pool
from identity_core.testing.stores import Postgres
from scim.ports import Act, Answer, Caller, Draft, Once, Stored
from scim.protocol.errors import ScimError
from scim.protocol.filters import Lookup
from scim.protocol.paging import Page
from scim.settings import ScimSettings
from scim.storage import statements
from scim.storage.sources import SourceTokens
from scim.storage.tables import METADATA
from scim.storage.users import UserStore, create_user
from tests.scim.directory import ENTERPRISE, OIDC, TAG_KEY, Directory

DESCRIPTION = """
SELECT c.relname || '.' || a.attname AS name, format_type(a.atttypid, a.atttypmod) AS kind, a.attnotnull::text AS more,
       replace(coalesce(pg_get_expr(d.adbin, d.adrelid), ''), $1 || '.', '') AS definition
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname NOT IN ('alembic_version', 'gatehouse_revision')
UNION ALL
SELECT conname, contype::text, '', replace(pg_get_constraintdef(o.oid), $1 || '.', '')
  FROM pg_constraint o JOIN pg_namespace n ON n.oid = o.connamespace
  JOIN pg_class c ON c.oid = o.conrelid
 WHERE n.nspname = $1 AND contype <> 'n' AND c.relname NOT IN ('alembic_version', 'gatehouse_revision')
UNION ALL
SELECT indexname, 'index', '', replace(indexdef, $1 || '.', '')
  FROM pg_indexes WHERE schemaname = $1 AND tablename NOT IN ('alembic_version', 'gatehouse_revision')
"""


async def test_the_metadata_is_the_migrated_schema(owner: asyncpg.Connection) -> None:
    migrated = {tuple(row) for row in await owner.fetch(DESCRIPTION, "directory")}
    scratch = "directory_of_metadata"
    transaction = owner.transaction()
    await transaction.start()
    try:
        await owner.execute(f"CREATE SCHEMA {scratch}")
        translated = postgresql.asyncpg.dialect()  # type: ignore[no-untyped-call]
        for table in METADATA.sorted_tables:
            elements: list[ClauseElement] = [CreateTable(table), *map(CreateIndex, table.indexes)]
            for element in elements:
                statement = str(element.compile(dialect=translated))
                await owner.execute(statement.replace("directory.", f"{scratch}."))
        described = {tuple(row) for row in await owner.fetch(DESCRIPTION, scratch)}
    finally:
        await transaction.rollback()

    assert described == migrated


def _all_statements() -> Iterator[tuple[str, str]]:
    for name, value in vars(statements).items():
        if name.isupper() and isinstance(value, str) and name != "USER_COLUMNS":
            yield name, value
        elif isinstance(value, dict) and name.isupper():
            yield from ((f"{name}[{key}]", statement) for key, statement in value.items())


@pytest.fixture
async def counted(scim_settings: ScimSettings) -> AsyncIterator[tuple[Pool, list[str]]]:
    """A pool of one connection as the service's role, and every statement it sends (without BEGIN and COMMIT)."""
    pool = await create_pool(scim_settings.database_url, size=1, name="counted")
    sent: list[str] = []

    def note(record: Any) -> None:
        # Not counted: BEGIN, COMMIT, and what asyncpg asks once in a connection's life about types.
        if re.search(r"\b(directory|authz|sessions)\.|advisory", record.query):
            sent.append(record.query)

    async with pool.acquire() as connection:
        connection.add_query_logger(note)
    yield pool, sent
    await pool.close()


async def test_every_statement_is_one_the_services_role_may_prepare(counted: tuple[Pool, list[str]]) -> None:
    pool, _ = counted
    found = dict(_all_statements())
    assert {"GET_USER", "INSERT_USER", "USERS_BY[userName]", "REVOKE_USER", "REMEMBER"} <= set(found)
    async with pool.acquire() as connection:
        for name, statement in found.items():
            if "{" not in statement:
                prepared = await connection.prepare(statement)
                assert prepared.get_query() == statement, name


@contextmanager
def statements_sent(sent: list[str], expected: int) -> Iterator[None]:
    before = len(sent)
    yield
    assert len(sent) - before == expected, sent[before:]


class Confirmed:
    """A revoker that only notes: Redis is another test's subject."""

    def __init__(self) -> None:
        self.entries: list[Any] = []

    async def confirm(self, entries: Any) -> None:
        self.entries += entries


def _answer(stored: Stored) -> Answer:
    return Answer(201, {"Location": str(stored.id)}, b"{}")


async def test_each_operation_sends_as_many_statements_as_it_says(
    directory: Directory, counted: tuple[Pool, list[str]]
) -> None:
    pool, sent = counted
    revoker = Confirmed()
    store = UserStore(pool, revoker)  # type: ignore[arg-type]
    caller = Caller(directory.tenant, directory.slug, "source", str(directory.source_id), directory.source_id)
    act = Act(caller, datetime.now(UTC), TAG_KEY)
    draft = Draft({"userName": "ada", "active": True})

    with statements_sent(sent, 1):
        tokens = SourceTokens(pool)
        assert await tokens.caller_of(directory.token) == caller
    for noted in (1, 0):
        with statements_sent(sent, noted):
            await tokens.note_uses()
    with statements_sent(sent, 0):
        assert await SourceTokens(pool).caller_of("gm_nonsense") is None
    with statements_sent(sent, 3):
        created = await store.create(act, draft, _answer)
    assert isinstance(created, Answer)
    with statements_sent(sent, 1):
        listing = await store.page(directory.tenant, Lookup("userName", "ADA"), Page())
    user = listing.resources[0]
    with statements_sent(sent, 1):
        assert await store.get(directory.tenant, user.id) == user
    with statements_sent(sent, 1):
        assert await store.change(act, user.id, lambda stored: Draft(stored.resource)) == user
    with statements_sent(sent, 4):
        await store.change(act, user.id, lambda stored: Draft(stored.resource | {"title": "C"}))
    with statements_sent(sent, 5):
        await store.change(act, user.id, lambda stored: Draft(stored.resource | {"active": False}))
    with statements_sent(sent, 5):
        assert await store.delete(act, user.id, lambda stored: None) is None
    with statements_sent(sent, 6):
        await store.create(act, draft, _answer, Once("key", b"fingerprint"))
    with statements_sent(sent, 2):
        await store.create(act, draft, _answer, Once("key", b"fingerprint"))
    with statements_sent(sent, 1):
        assert (await store.page(directory.tenant, None, Page(1, 10))).total == 1
    assert len(revoker.entries) == 2


async def test_lookups_use_their_indexes(directory: Directory, owner: asyncpg.Connection) -> None:
    transaction = owner.transaction()
    await transaction.start()
    try:
        await owner.execute(
            "INSERT INTO directory.user_resource "
            "(tenant, id, user_name, user_name_key, external_id, active, resource, claims) "
            "SELECT $1, gen_random_uuid(), n::text, n::text, n::text, true, '{}', '{}' FROM generate_series(1, 5000) n",
            directory.tenant,
        )
        await owner.execute("ANALYZE directory.user_resource")
        for attribute, index in (
            ("userName", "user_resource_user_name"),
            ("externalId", "user_resource_by_external_id"),
            ("id", "user_resource_pkey"),
        ):
            kind = "uuid" if attribute == "id" else "text"
            await owner.execute(f"PREPARE lookup (uuid, bigint, bigint, {kind}) AS {statements.USERS_BY[attribute]}")
            value = f"'{directory.tenant}'::{kind}"
            rows = await owner.fetch(f"EXPLAIN EXECUTE lookup ('{directory.tenant}', 0, 10, {value})")
            await owner.execute("DEALLOCATE lookup")
            plan = "\n".join(row[0] for row in rows)
            assert plan.count(index) == 2, plan
            assert "Seq Scan" not in plan
    finally:
        await transaction.rollback()


async def test_an_operator_makes_users_by_the_rules_of_a_post(directory: Directory) -> None:
    resource = {"userName": "Seed", "emails": ["seed@example.com"], "groups": [], OIDC: {"emailVerified": "true"}}
    made = await create_user(directory.db, directory.tenant, resource, "$argon2id$hash", tag_key=TAG_KEY)

    assert isinstance(made, Stored)
    seen = (await directory.http.get(f"/Users/{made.id}")).json()
    assert seen["emails"] == [{"value": "seed@example.com"}]
    assert (await directory.claims(str(made.id)))["email_verified"] is True
    assert await directory.hash_of(str(made.id)) == "$argon2id$hash"
    assert [row["actor_kind"] for row in await directory.audit()] == ["operator"]
    for wrong in ({}, {"userName": "SEED"}, {"userName": "x", "password": "clear text here"}):
        assert isinstance(await create_user(directory.db, directory.tenant, wrong, tag_key=TAG_KEY), ScimError)
    assert await directory.count() == 1


async def test_a_users_extension_lies_in_its_columns_alone(directory: Directory) -> None:
    user = await directory.create("ada", **{OIDC: {"gender": "f"}, ENTERPRISE: {"department": "E"}})

    row = await directory.row(user["id"])
    assert row is not None
    assert row["gender"] == "f"
    assert OIDC not in row["resource"]
    assert ENTERPRISE in row["resource"]


async def test_the_role_sees_no_password_hash_and_no_other_schema(postgres: Postgres) -> None:
    connection = await asyncpg.connect(postgres.scim_url)
    try:
        for table in ("authz.password_credential", "authz.client", "sessions.session", "sessions.ledger"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT * FROM {table}")
    finally:
        await connection.close()
