"""`--tenant`: a tenant's slug as every command takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from gatehouse.faults import CommandFault, ExitCode

if TYPE_CHECKING:
    from identity_core.db import Pool

TenantOption = Annotated[str, typer.Option("--tenant", metavar="SLUG", help="Whose; the default tenant if left out.")]
DEFAULT_TENANT = "default"

_BY_SLUG = "SELECT id FROM authz.tenant_v1 WHERE slug = $1"


async def tenant_of(pool: Pool, slug: str) -> UUID:
    """The tenant's id. Raises CommandFault where there is none."""
    found: UUID | None = await pool.fetchval(_BY_SLUG, slug)
    if found is None:
        raise CommandFault(ExitCode.NOT_FOUND, f"There is no tenant {slug}", "name one that exists with --tenant")
    return found
