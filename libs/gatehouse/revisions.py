"""Whether a database is at the newest revision, asked by the owner, by a service's role and by `doctor`.

`gatehouse.migrate` does the work; here its version table is made readable for the service roles, so that a service
can refuse to start on a database that is behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from gatehouse import migrate
from gatehouse.faults import CommandFault, ExitCode


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


async def standing(url: str) -> Standing:
    """What is in force at `url`. Raises MigrationError where the database is out of reach."""
    return Standing(await migrate.current(url), migrate.heads())


def upgrade(owner_url: str, role_urls: Mapping[str, str]) -> frozenset[str]:
    """Migrate, and let the service roles read the revisions. Blocks; raises MigrationError."""
    import asyncio

    in_force = migrate.upgrade(owner_url, role_urls)
    asyncio.run(_publish(owner_url))
    return in_force


async def _publish(owner_url: str) -> None:
    owner = await asyncpg.connect(owner_url, timeout=10)
    try:
        await owner.execute(f"GRANT SELECT ON {migrate.VERSION_TABLE} TO {', '.join(migrate.SERVICE_ROLES)}")
    finally:
        await owner.close()


async def require_current(url: str) -> None:
    """Raise CommandFault when the database at `url` is behind the code (a newer one is let be: expand first)."""
    try:
        found = await standing(url)
    except asyncpg.InsufficientPrivilegeError:
        return  # migrated by other means than `gatehouse migrate`; missing tables will say so themselves
    if found.missing:
        what = "was never migrated" if not found.current else f"lacks {', '.join(sorted(found.missing))}"
        raise CommandFault(ExitCode.MIGRATION, f"The database {what}", "run `gatehouse migrate`")
