"""The storage room agrees with the migrated database: tables, indexes, statements."""

from typing import Any

import asyncpg
import pytest
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

from identity_core.testing.stores import Postgres
from sessions.protocol.listing import State
from sessions.storage import statements, sweep_statements
from sessions.storage.tables import METADATA

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull,
       pg_get_expr(d.adbin, d.adrelid) AS default
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_INDEXES = """
SELECT c.relname, i.indisprimary,
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true)
             FROM generate_series(1, i.indnkeyatts) k ORDER BY k) AS columns,
       pg_get_expr(i.indpred, i.indrelid) AS condition
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1::text::regclass
"""


def _type(column: Column[Any]) -> str:
    return str(column.type.compile(postgresql.dialect())).lower()  # type: ignore[no-untyped-call]


def _default(column: Column[Any]) -> str | None:
    made: Any = column.server_default
    return None if made is None else str(made.arg)


@pytest.mark.parametrize("name", sorted(METADATA.tables))
async def test_a_table_is_what_the_migration_made(postgres: Postgres, name: str) -> None:
    table: Table = METADATA.tables[name]
    connection = await asyncpg.connect(postgres.owner_url)
    try:
        columns = await connection.fetch(_COLUMNS, name)
        indexes = await connection.fetch(_INDEXES, name)
    finally:
        await connection.close()
    made = [(c["attname"], c["type"], c["attnotnull"], c["default"] and c["default"].split("::")[0]) for c in columns]
    assert made == [(c.name, _type(c), not c.nullable, _default(c)) for c in table.columns]
    (primary,) = [index["columns"] for index in indexes if index["indisprimary"]]
    assert primary == [column.name for column in table.primary_key]
    written = {
        str(index.name): ([c.name for c in index.columns], _condition(index.dialect_options["postgresql"]["where"]))
        for index in table.indexes
    }
    assert written == {
        index["relname"]: (index["columns"], index["condition"] and index["condition"].strip("()"))
        for index in indexes
        if not index["indisprimary"]
    }


def _condition(where: object) -> str | None:
    return None if where is None else str(where)


async def test_every_table_of_the_schema_is_described(postgres: Postgres) -> None:
    connection = await asyncpg.connect(postgres.owner_url)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'sessions'")
    finally:
        await connection.close()
    assert {f"sessions.{row['tablename']}" for row in rows} == set(METADATA.tables)


def _texts(module: object) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in vars(module).items():
        if name.isupper() and not name.startswith("_"):
            if isinstance(value, str):
                found[name] = value
            elif isinstance(value, dict):
                found.update({f"{name}[{key}]": text for key, text in value.items()})
    return found


STATEMENTS = {**_texts(statements), **_texts(sweep_statements)}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_statement_can_be_prepared_by_the_services_own_role(postgres: Postgres, name: str) -> None:
    """The role may do what the statement asks: EXPLAIN looks at the grants, PREPARE at the names."""
    connection = await asyncpg.connect(postgres.sessions_url)
    try:
        prepared = await connection.prepare(STATEMENTS[name])
        assert prepared.get_parameters() is not None
        nulls = ", ".join(["NULL"] * len(prepared.get_parameters()))
        await connection.execute(f"PREPARE asked AS {STATEMENTS[name]}")
        await connection.execute(f"EXPLAIN EXECUTE asked{f'({nulls})' if nulls else ''}")
    finally:
        await connection.close()


@pytest.mark.parametrize("state", ["live", "all", "ended"])
async def test_a_page_of_a_persons_sessions_reads_no_others(
    postgres: Postgres, clean_stores: None, state: State
) -> None:
    """One person's page among many people's rows is read by the person's index."""
    owner = await asyncpg.connect(postgres.owner_url)
    try:
        await owner.execute(
            "INSERT INTO sessions.session "
            "(tenant, id, user_id, tag, user_epoch, tenant_epoch, auth_time, absolute_end) "
            "SELECT '00000000-0000-7000-8000-000000000001', gen_random_uuid(), gen_random_uuid(), 1, 0, 0, now(), "
            "now() + interval '1 day' FROM generate_series(1, 5000)"
        )
        await owner.execute("ANALYZE sessions.session")
        await owner.execute(f"PREPARE page AS {statements.PAGES_OF_SUBJECT[state]}")
        arguments = (
            "'00000000-0000-7000-8000-000000000001', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 50, gen_random_uuid()"
        )
        plan = "\n".join(row[0] for row in await owner.fetch(f"EXPLAIN EXECUTE page({arguments})"))
    finally:
        await owner.close()
    assert "session_by_user" in plan, plan
