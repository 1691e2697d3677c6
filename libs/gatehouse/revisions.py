"""Whether a database is at the newest revision, asked by the owner, by a service's role and by `doctor`.

`gatehouse.migrate` does the work and makes its version table readable for the service roles, so that a service can
refuse to start on a database that is behind. Asking does without alembic, which takes longer to import than a
service may take to start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from gatehouse.faults import CommandFault, ExitCode

_VERSIONS = Path(__file__).resolve().parents[2] / "migrations" / "versions"
_TABLE = "gatehouse_revision"
_NAMES = re.compile(r'^(revision|down_revision)\b[^=]*= "([a-z0-9_]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Standing:
    """`missing`: revisions the code has and the database lacks; `unknown`: the other way round."""

    current: frozenset[str]
    heads: frozenset[str]

    @property
    def missing(self) -> frozenset[str]:
        return self.heads - self.current

    @property
    def unknown(self) -> frozenset[str]:
        return self.current - self.heads


def heads() -> frozenset[str]:
    """The newest revision of each schema: those that no other one builds on."""
    found: dict[str, str | None] = {}
    for path in _VERSIONS.glob("*/[0-9]*.py"):
        named = dict(_NAMES.findall(path.read_text("utf-8")))
        found[named["revision"]] = named.get("down_revision")
    return frozenset(found) - frozenset(found.values())


async def standing(url: str) -> Standing:
    """What is in force at `url`. Raises StartFault where the database is out of reach."""
    from identity_core.db import connect_dedicated

    connection = await connect_dedicated(url, name="gatehouse-revisions")
    try:
        there = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", _TABLE)
        rows = await connection.fetch(f"SELECT version_num FROM {_TABLE}") if there else []
    finally:
        await connection.close()
    return Standing(frozenset(row["version_num"] for row in rows), heads())


def upgrade(owner_url: str, role_urls: Mapping[str, str]) -> frozenset[str]:
    """Migrate. Blocks; raises MigrationError. Alembic is imported here only, because that takes long."""
    from gatehouse import migrate

    return migrate.upgrade(owner_url, role_urls)


async def roles_can_enter(role_urls: Mapping[str, str]) -> bool:
    """Whether every service role exists with the password of its URL and may read the revisions."""
    for url in role_urls.values():
        try:
            connection = await asyncpg.connect(url, timeout=10)
        except (asyncpg.PostgresError, OSError):
            return False
        try:
            await connection.fetch(f"SELECT FROM {_TABLE}")
        except asyncpg.PostgresError:
            return False
        finally:
            await connection.close()
    return True


async def require_current(url: str) -> None:
    """Raise CommandFault when the database at `url` is behind the code (a newer one is let be: expand first)."""
    try:
        found = await standing(url)
    except asyncpg.InsufficientPrivilegeError:
        return  # migrated by other means than `gatehouse migrate`; missing tables will say so themselves
    if found.missing:
        what = "was never migrated" if not found.current else f"lacks {', '.join(sorted(found.missing))}"
        raise CommandFault(ExitCode.MIGRATION, f"The database {what}", "run `gatehouse migrate`")
