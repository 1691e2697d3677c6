"""Alembic's environment: one database, one line of revisions per schema, run by `gatehouse migrate`."""

from typing import cast

from alembic import context
from sqlalchemy import Connection

connection = cast(Connection, context.config.attributes["connection"])
context.configure(connection=connection, target_metadata=None, version_table="gatehouse_revision")
with context.begin_transaction():
    context.run_migrations()
