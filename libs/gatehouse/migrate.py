"""Migrations: the three service roles, then the revisions of every schema.

Owns what is needed to bring a database to the newest revision and to say whether it is there. The owner's URL does
the work; each service role's password is the one in that service's own URL.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

SERVICE_ROLES = ("gatehouse_authz", "gatehouse_scim", "gatehouse_sessions")
VERSION_TABLE = "gatehouse_revision"
_REPOSITORY = Path(__file__).resolve().parents[2]
_ADVISORY_LOCK = 0x6761746568  # "gateh": one migration at a time on one database


class MigrationError(Exception):
    """One sentence: what is wrong and the mend."""


def config() -> Config:
    """Alembic's configuration, made in memory: there is no ini file to drift."""
    folder = _REPOSITORY / "migrations"
    made = Config()
    made.set_main_option("script_location", str(folder))
    made.set_main_option("path_separator", "newline")
    made.set_main_option(
        "version_locations", "\n".join(str(folder / "versions" / s) for s in ("sessions", "directory", "authz"))
    )
    return made


def heads() -> frozenset[str]:
    """The newest revision of each schema, as the code knows them."""
    return frozenset(ScriptDirectory.from_config(config()).get_heads())


def role_statements(role_urls: Mapping[str, str]) -> list[str]:
    """The SQL that makes the service roles: one statement each, repeatable.

    `role_urls` maps a role's name to that service's URL; the URL's user must be that role.
    """
    statements = []
    for role, url in role_urls.items():
        parts = urlsplit(url)
        if parts.username != role or not parts.password:
            raise MigrationError(f"The URL of {role} must carry user {role} and a password.")
        password = unquote(parts.password).replace("'", "''")
        statements.append(
            f"DO $role$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $role$"
        )
        statements.append(f"ALTER ROLE {role} LOGIN PASSWORD '{password}'")
    return statements


def upgrade(owner_url: str, role_urls: Mapping[str, str]) -> frozenset[str]:
    """Make the roles and bring every schema to its newest revision; return the revisions now in force.

    Raises MigrationError where the database cannot be reached, or where the roles are missing and the owner may not
    make them; the message then holds the SQL to run.
    """
    return asyncio.run(_upgrade(owner_url, role_urls))


async def _upgrade(owner_url: str, role_urls: Mapping[str, str]) -> frozenset[str]:
    await _make_roles(owner_url, role_urls)
    engine = create_async_engine(_asyncpg_url(owner_url), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.exec_driver_sql(f"SELECT pg_advisory_lock({_ADVISORY_LOCK})")
            await connection.commit()
            try:
                await connection.run_sync(_run_revisions)
                # A service refuses to start on a database that is behind: it must be able to look.
                await connection.exec_driver_sql(f"GRANT SELECT ON {VERSION_TABLE} TO {', '.join(SERVICE_ROLES)}")
                await connection.commit()
            finally:
                await connection.rollback()
                await connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_ADVISORY_LOCK})")
                await connection.commit()
    finally:
        await engine.dispose()
    return await current(owner_url)


def _run_revisions(connection: Connection) -> None:
    made = config()
    made.attributes["connection"] = connection
    command.upgrade(made, "heads")


async def _make_roles(owner_url: str, role_urls: Mapping[str, str]) -> None:
    owner = await _connect(owner_url)
    try:
        have = {r["rolname"] for r in await owner.fetch("SELECT rolname FROM pg_roles")}
        may = await owner.fetchval("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
        if may:
            for statement in role_statements(role_urls):
                await owner.execute(statement)
            have |= set(role_urls)
    finally:
        await owner.close()
    if missing := [r for r in SERVICE_ROLES if r not in have]:
        sql = "\n".join(f"CREATE ROLE {r} LOGIN PASSWORD '…';" for r in missing)
        raise MigrationError(
            "The database owner may not make roles; have an administrator run this, then migrate again:\n" + sql
        )


async def current(url: str) -> frozenset[str]:
    """The revisions in force in this database; empty where it was never migrated."""
    connection = await _connect(url)
    try:
        if await connection.fetchval(f"SELECT to_regclass('{VERSION_TABLE}') IS NULL"):
            return frozenset()
        rows = await connection.fetch(f"SELECT version_num FROM {VERSION_TABLE}")
        return frozenset(row["version_num"] for row in rows)
    finally:
        await connection.close()


async def _connect(url: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(url, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError) as fault:
        parts = urlsplit(url)
        raise MigrationError(
            f"PostgreSQL at {parts.hostname}:{parts.port or 5432}{parts.path} cannot be reached "
            f"({type(fault).__name__}); start it or correct GATEHOUSE_DATABASE_URL."
        ) from fault


def _asyncpg_url(url: str) -> str:
    return "postgresql+asyncpg://" + url.split("://", 1)[1]
