"""The schema `directory` in PostgreSQL: all SQL of this service, and nothing but SQL.

Statements are kept by hand for asyncpg (`statements.py`) and checked in tests against the tables' metadata
(`tables.py`) and the migrated database.
"""
