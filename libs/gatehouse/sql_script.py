"""Runs a script of several SQL statements inside the revision's own transaction."""

from alembic import op


def run_script(script: str) -> None:
    """Run `script` as one simple query: asyncpg prepares single statements only, and a splitter would guess."""
    bind = op.get_bind()
    bind.exec_driver_sql("SELECT 1")  # the adapter begins its transaction with the first prepared statement
    adapted = bind.connection.dbapi_connection
    if adapted is None:
        raise RuntimeError("the migration's connection is closed")
    adapted.run_async(lambda connection: connection.execute(script))
