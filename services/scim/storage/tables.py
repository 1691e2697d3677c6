"""The tables of schema `directory`, as SQLAlchemy metadata; a test holds them equal to the migrated database."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, UUID
from sqlalchemy.types import UserDefinedType

METADATA = MetaData(schema="directory")


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


def _now(name: str) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=False, server_default=text("now()"))


def _xid() -> Column[int]:
    return Column("xid", Xid8(), nullable=False, server_default=text("pg_current_xact_id()"))


USER = Table(
    "user_resource",
    METADATA,
    Column("tenant", UUID, nullable=False),
    Column("id", UUID, nullable=False),
    Column("user_name", Text, nullable=False),
    Column("user_name_key", Text, nullable=False),
    Column("external_id", Text),
    Column("active", Boolean, nullable=False),
    Column("resource", JSONB, nullable=False),
    Column("email_verified", Boolean),
    Column("phone_number_verified", Boolean),
    Column("gender", Text),
    Column("birthdate", Text),
    Column("website", Text),
    Column("claims", JSONB, nullable=False),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    Column("source_id", UUID),
    _now("created_at"),
    _now("modified_at"),
    PrimaryKeyConstraint("tenant", "id", name="user_resource_pkey"),
    UniqueConstraint("tenant", "user_name_key", name="user_resource_user_name"),
    Index(
        "user_resource_by_external_id",
        "tenant",
        "external_id",
        postgresql_where=text("external_id IS NOT NULL"),
    ),
    Index("user_resource_by_age", "tenant", "created_at", "id"),
)

GROUP = Table(
    "group_resource",
    METADATA,
    Column("tenant", UUID, nullable=False),
    Column("id", UUID, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("external_id", Text),
    Column("resource", JSONB, nullable=False),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    Column("source_id", UUID),
    _now("created_at"),
    _now("modified_at"),
    PrimaryKeyConstraint("tenant", "id", name="group_resource_pkey"),
    UniqueConstraint("tenant", "display_name_key", name="group_resource_display_name"),
)

GROUP_MEMBER = Table(
    "group_member",
    METADATA,
    Column("tenant", UUID, nullable=False),
    Column("group_id", UUID, nullable=False),
    Column("user_id", UUID, nullable=False),
    _now("added_at"),
    PrimaryKeyConstraint("tenant", "group_id", "user_id", name="group_member_pkey"),
    ForeignKeyConstraint(["tenant", "group_id"], [GROUP.c.tenant, GROUP.c.id], ondelete="CASCADE"),
    ForeignKeyConstraint(["tenant", "user_id"], [USER.c.tenant, USER.c.id], ondelete="CASCADE"),
    Index("group_member_by_user", "tenant", "user_id"),
)

SOURCE = Table(
    "source",
    METADATA,
    Column("tenant", UUID, nullable=False),
    Column("id", UUID, nullable=False),
    Column("name", Text, nullable=False),
    Column("profile", Text, nullable=False, server_default=text("'auto'")),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    _now("created_at"),
    PrimaryKeyConstraint("tenant", "id", name="source_pkey"),
    UniqueConstraint("tenant", "name", name="source_name"),
    CheckConstraint("profile IN ('auto', 'entra', 'okta', 'strict')", name="source_profile_check"),
)

SOURCE_TOKEN = Table(
    "source_token",
    METADATA,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("tenant", UUID, nullable=False),
    Column("source_id", UUID, nullable=False),
    Column("id", UUID, nullable=False),
    _now("created_at"),
    Column("expires_at", TIMESTAMP(timezone=True)),
    Column("last_used_at", TIMESTAMP(timezone=True)),
    ForeignKeyConstraint(["tenant", "source_id"], [SOURCE.c.tenant, SOURCE.c.id], ondelete="CASCADE"),
)

IDEMPOTENCY = Table(
    "idempotency",
    METADATA,
    Column("tenant", UUID, nullable=False),
    Column("source", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    _now("created_at"),
    Column("expires_at", TIMESTAMP(timezone=True), nullable=False),
    PrimaryKeyConstraint("tenant", "source", "key", name="idempotency_pkey"),
    Index("idempotency_by_expiry", "expires_at"),
)

EVENT = Table(
    "event",
    METADATA,
    Column("id", UUID, primary_key=True),
    _xid(),
    Column("tenant", UUID, nullable=False),
    Column("type", Text, nullable=False),
    Column("aggregate", Text, nullable=False),
    Column("aggregate_id", Text, nullable=False),
    _now("at"),
    Column("payload", JSONB, nullable=False),
    Column("traceparent", Text),
    Index("event_by_xid", "xid"),
)

EVENT_CURSOR = Table(
    "event_cursor",
    METADATA,
    Column("consumer", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("ledger_id", UUID, nullable=False),
    Column("xid", Xid8(), nullable=False),
    Column("seen", ARRAY(UUID), nullable=False, server_default=text("'{}'")),
    PrimaryKeyConstraint("consumer", "source", name="event_cursor_pkey"),
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("tenant", UUID, nullable=False),
    Column("id", UUID, nullable=False),
    _now("at"),
    _xid(),
    *(Column(name, Text, nullable=False) for name in ("action", "outcome", "actor_kind", "actor")),
    *(Column(name, Text) for name in ("subject_pseudonym", "target_kind", "target", "client_id", "network", "reason")),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    Column("trace_id", Text),
    Column("chain_position", BigInteger),
    Column("previous_hash", LargeBinary),
    Column("row_hash", LargeBinary),
    PrimaryKeyConstraint("tenant", "id", name="audit_pkey"),
    Index("audit_by_at", "tenant", "at"),
)
