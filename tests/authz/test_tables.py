"""The tables of authz in SQLAlchemy are those the migrations made, and its hand-kept statements fit them."""

import re

import asyncpg
import pytest
from sqlalchemy import ARRAY, MetaData
from sqlalchemy.dialects import postgresql

from authz.storage import statements
from authz.storage.tables import METADATA, VIEWS
from identity_core.testing.stores import Postgres

_COLUMNS = """
SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS must,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY(i.indkey)) AS key
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind = ANY($2::"char"[]) AND a.attnum > 0 AND NOT a.attisdropped
  AND c.relname <> 'gatehouse_revision' ORDER BY 1, a.attnum
"""
_SPELLINGS = {"TIMESTAMP WITH TIME ZONE": "timestamp with time zone"}


def _spelt(kind: object) -> str:
    text = kind.compile(dialect=postgresql.dialect())  # type: ignore[attr-defined, no-untyped-call]
    return _SPELLINGS.get(text, text.lower())


def _described(metadata: MetaData) -> dict[str, list[tuple[str, str, bool, bool]]]:
    return {
        table.name: [
            (column.name, _spelt(column.type), not column.nullable, bool(column.primary_key))
            for column in table.columns
        ]
        for table in metadata.tables.values()
    }


async def test_the_tables_are_those_of_the_migrated_database(postgres: Postgres) -> None:
    connection = await asyncpg.connect(postgres.owner_url)
    try:
        rows = await connection.fetch(_COLUMNS, "authz", [b"r"])
    finally:
        await connection.close()
    found: dict[str, list[tuple[str, str, bool, bool]]] = {}
    for row in rows:
        found.setdefault(row["table"], []).append((row["column"], row["type"], row["must"], row["key"]))
    assert _described(METADATA) == found


async def test_the_published_views_have_the_columns_that_are_read(postgres: Postgres) -> None:
    connection = await asyncpg.connect(postgres.authz_url)
    try:
        for table in VIEWS.tables.values():
            statement = await connection.prepare(f"SELECT * FROM {table.schema}.{table.name}")
            found = [(attribute.name, attribute.type.name) for attribute in statement.get_attributes()]
            wanted = [(column.name, _spelt(column.type)) for column in table.columns]
            short = {"int8": "bigint", "bool": "boolean", "timestamptz": "timestamp with time zone"}
            assert [(name, short.get(kind, kind)) for name, kind in found] == wanted, table.name
    finally:
        await connection.close()


_STATEMENTS = {name: text for name, text in vars(statements).items() if re.fullmatch("[A-Z][A-Z_]*", name)}


@pytest.mark.parametrize("name", _STATEMENTS)
async def test_every_statement_can_be_prepared_by_the_service_s_own_role(postgres: Postgres, name: str) -> None:
    connection = await asyncpg.connect(postgres.authz_url)
    try:
        await connection.prepare(_STATEMENTS[name])
    finally:
        await connection.close()


def test_there_are_statements_and_arrays_to_compare() -> None:
    assert len(_STATEMENTS) >= 10
    assert any(isinstance(column.type, ARRAY) for table in METADATA.tables.values() for column in table.columns)
