"""Audit rows live and die with the transaction of what they record."""

import asyncpg
import pytest

from identity_core.audit import AuditRow, write_audit
from identity_core.testing.sessions import TENANT
from identity_core.testing.stores import Postgres

pytestmark = pytest.mark.stores


async def test_rows_are_written_with_names_and_without_a_place_in_the_chain(
    postgres: Postgres, clean_stores: None
) -> None:
    connection = await asyncpg.connect(postgres.authz_url)
    row = AuditRow(TENANT, "login", "success", "user", "pseudonym", client_id="web", detail={"factor": "pwd"})
    async with connection.transaction():
        await write_audit(connection, "authz", row, row)
    written = await connection.fetch("SELECT action, detail, chain_position, row_hash, xid FROM authz.audit")
    assert [r["action"] for r in written] == ["login", "login"]
    assert written[0]["detail"] == '{"factor": "pwd"}'
    assert (written[0]["chain_position"], written[0]["row_hash"]) == (None, None)
    assert written[0]["xid"] is not None
    await connection.close()


async def test_nobody_who_writes_audit_rows_can_change_or_remove_them(postgres: Postgres, clean_stores: None) -> None:
    for url, schema in (
        (postgres.authz_url, "authz"),
        (postgres.scim_url, "directory"),
        (postgres.sessions_url, "sessions"),
    ):
        connection = await asyncpg.connect(url)
        for statement in (f"DELETE FROM {schema}.audit", f"UPDATE {schema}.audit SET outcome = 'success'"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        await connection.close()
