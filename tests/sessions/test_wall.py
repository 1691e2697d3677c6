"""The wall between the schemas: each service's role reaches its own tables, the published views and the granted
functions, and nothing else. What exists is read from the catalog, so a new table or function is inside at once.
"""

from collections.abc import AsyncIterator
from typing import Literal, NamedTuple

import asyncpg
import pytest

from identity_core.ids import uuid7
from identity_core.testing.sessions import TENANT
from identity_core.testing.stores import Postgres

Service = Literal["authz", "scim", "sessions"]

SCHEMA_OF: dict[Service, str] = {"authz": "authz", "scim": "directory", "sessions": "sessions"}
SERVICES: tuple[Service, ...] = ("authz", "scim", "sessions")
EACH = pytest.mark.parametrize("service", SERVICES)

EVERYONE_READS = {
    "authz.tenant_v1",
    "authz.public_key_v1",
    "authz.session_client_v1",
    "authz.event_v1",
    "directory.subject_v1",
    "directory.subject_group_v1",
    "directory.event_v1",
    "sessions.ledger_v1",
    "sessions.ledger_identity_v1",
    "sessions.policy_v1",
    "sessions.event_v1",
}
EVERYONE_CALLS = {"sessions.revoke_v1", "sessions.adopt_v1", "sessions.live_identity"}
CALLS: dict[Service, set[str]] = {
    "authz": EVERYONE_CALLS | {"sessions.open_v1", "sessions.end_v1"},
    "scim": EVERYONE_CALLS | {"authz.set_password_hash_v1"},
    "sessions": EVERYONE_CALLS | {"sessions.open_v1", "sessions.end_v1", "sessions.purge_ledger_v1"},
}
# Own tables that even the owner of the schema does not write freely: history is appended to, the ledger is written
# by its functions alone.
APPEND_ONLY = {"authz.audit", "directory.audit", "sessions.audit"}
READ_ONLY = {"sessions.ledger", "sessions.ledger_history", "sessions.ledger_identity"}

_RELATIONS = """
SELECT n.nspname || '.' || c.relname AS name, n.nspname AS schema, c.relkind::text AS kind, a.attname AS column
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 1
WHERE n.nspname IN ('authz', 'directory', 'sessions') AND c.relkind::text = ANY($1) ORDER BY 1
"""
_FUNCTIONS = """
SELECT p.oid::regprocedure::text AS signature, n.nspname || '.' || p.proname AS name, p.prosecdef, p.proconfig,
       (SELECT coalesce(string_agg('NULL::' || format_type(t, NULL), ', ' ORDER BY k), '')
        FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS u(t, k)) AS nulls
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname IN ('authz', 'directory', 'sessions') ORDER BY 1
"""


class Roles(NamedTuple):
    """A connection as the owner and one as each service."""

    owner: asyncpg.Connection
    authz: asyncpg.Connection
    scim: asyncpg.Connection
    sessions: asyncpg.Connection

    def of(self, service: Service) -> asyncpg.Connection:
        made: asyncpg.Connection = getattr(self, service)
        return made


@pytest.fixture
async def roles(postgres: Postgres, clean_stores: None) -> AsyncIterator[Roles]:
    urls = (postgres.owner_url, postgres.authz_url, postgres.scim_url, postgres.sessions_url)
    connections = [await asyncpg.connect(url) for url in urls]
    yield Roles(*connections)
    for connection in connections:
        await connection.close()


async def may(connection: asyncpg.Connection, statement: str) -> bool:
    """Whether the statement passes the grants; whatever it does is undone."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.ObjectNotInPrerequisiteStateError):
        # The second: a view that nobody can write, which PostgreSQL says before it looks at the grants.
        return False
    except asyncpg.SyntaxOrAccessError:
        raise  # the statement was wrong, which says nothing of the wall
    except asyncpg.PostgresError:
        return True  # past the grants, stopped by something else: a constraint, an argument that may not be null
    finally:
        await transaction.rollback()
    return True


def tries(name: str, column: str) -> dict[str, str]:
    return {
        "read": f"SELECT * FROM {name} LIMIT 1",
        "lock": f"SELECT * FROM {name} LIMIT 1 FOR UPDATE",
        "insert": f"INSERT INTO {name} ({column}) SELECT {column} FROM (SELECT NULL::text) AS t(x), {name} WHERE false",
        "insert default": f"INSERT INTO {name} DEFAULT VALUES",
        "update": f'UPDATE {name} SET "{column}" = NULL WHERE false',
        "delete": f"DELETE FROM {name} WHERE false",
        "truncate": f"TRUNCATE {name}",
        "alter": f"ALTER TABLE {name} ADD COLUMN x int",
        "drop": f"DROP TABLE {name}",
        "trigger": f"CREATE TRIGGER x BEFORE INSERT ON {name} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "copy": f"CREATE TEMPORARY TABLE x (LIKE {name})",
    }


@EACH
async def test_no_role_reaches_a_table_of_another_schema(roles: Roles, service: Service) -> None:
    tables = await roles.owner.fetch(_RELATIONS, ["r", "p"])
    foreign = [row for row in tables if row["schema"] != SCHEMA_OF[service]]
    assert len(foreign) > 10, "the catalog was read"
    for row in foreign:
        for what, statement in tries(row["name"], row["column"]).items():
            assert not await may(roles.of(service), statement), f"{service} may {what} {row['name']}"


@EACH
async def test_every_role_works_on_its_own_tables(roles: Roles, service: Service) -> None:
    tables = await roles.owner.fetch(_RELATIONS, ["r", "p"])
    own = [row for row in tables if row["schema"] == SCHEMA_OF[service]]
    assert own
    for row in own:
        name, attempts = row["name"], tries(row["name"], row["column"])
        got = {
            what
            for what in ("read", "insert default", "update", "delete")
            if await may(roles.of(service), attempts[what])
        }
        expected = {"read", "insert default", "update", "delete"}
        if name in APPEND_ONLY:
            expected = {"read", "insert default"}
        if name in READ_ONLY:
            expected = {"read"}
        assert got == expected, name
        for what in ("truncate", "alter", "drop", "trigger"):
            assert not await may(roles.of(service), attempts[what]), f"{service} may {what} {name}"


@EACH
async def test_every_role_reads_the_published_views_and_writes_none(roles: Roles, service: Service) -> None:
    views = await roles.owner.fetch(_RELATIONS, ["v", "m"])
    assert {row["name"] for row in views} == EVERYONE_READS, "a view is published by naming it here"
    for row in views:
        attempts = tries(row["name"], row["column"])
        assert await may(roles.of(service), attempts["read"]), row["name"]
        for what in ("insert default", "update", "delete"):
            assert not await may(roles.of(service), attempts[what]), f"{service} may {what} {row['name']}"


@EACH
async def test_a_role_calls_the_functions_it_was_granted_and_no_other(roles: Roles, service: Service) -> None:
    functions = await roles.owner.fetch(_FUNCTIONS)
    assert CALLS[service] <= {row["name"] for row in functions}
    for row in functions:
        called = await may(roles.of(service), f"SELECT {row['name']}({row['nulls']})")
        assert called == (row["name"] in CALLS[service]), row["signature"]


async def test_what_runs_with_the_owners_rights_cannot_be_led_astray(roles: Roles) -> None:
    """A SECURITY DEFINER function looks names up in pg_catalog alone, whatever the caller's search_path."""
    functions = await roles.owner.fetch(_FUNCTIONS)
    definers = [row for row in functions if row["prosecdef"]]
    assert definers
    for row in definers:
        assert row["proconfig"] == ["search_path=pg_catalog, pg_temp"], row["signature"]
    granted = set().union(*CALLS.values())
    for row in functions:
        assert row["prosecdef"] or row["name"] not in granted, row["signature"]


@EACH
async def test_no_role_makes_anything_in_a_schema(roles: Roles, service: Service) -> None:
    connection = roles.of(service)
    for schema in ("authz", "directory", "sessions"):
        assert not await may(connection, f"CREATE TABLE {schema}.x (y int)")
        assert not await may(connection, f"CREATE VIEW {schema}.x AS SELECT 1")
        assert not await may(connection, f"CREATE FUNCTION {schema}.x() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        assert not await may(connection, f"DROP SCHEMA {schema} CASCADE")
    attributes = await connection.fetchrow(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles "
        "WHERE rolname = current_user"
    )
    assert attributes is not None
    assert set(attributes.values()) == {False}
    memberships = "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member"
    assert await connection.fetchval(f"{memberships} WHERE r.rolname = current_user") == 0


@EACH
async def test_every_role_can_end_a_person_and_sees_it_in_the_ledger(roles: Roles, service: Service) -> None:
    connection, user = roles.of(service), str(uuid7())
    epoch = await connection.fetchval(
        "SELECT sessions.revoke_v1($1, 'test', 'user', $2, 'test', $3)", TENANT, user, uuid7()
    )
    assert epoch == await connection.fetchval("SELECT epoch FROM sessions.ledger_v1 WHERE key = $1", user)


async def test_a_role_given_a_grant_too_many_is_noticed(roles: Roles) -> None:
    """This file's own eyes: with a hole in the wall, what found none before finds it."""
    await roles.owner.execute("GRANT SELECT ON authz.password_credential TO gatehouse_scim")
    try:
        assert await may(roles.scim, tries("authz.password_credential", "tenant")["read"])
        assert not await may(roles.scim, tries("authz.password_credential", "tenant")["delete"])
    finally:
        await roles.owner.execute("REVOKE SELECT ON authz.password_credential FROM gatehouse_scim")
    assert not await may(roles.scim, tries("authz.password_credential", "tenant")["read"])
