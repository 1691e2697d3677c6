"""The tables of schema `sessions`, as SQLAlchemy metadata; a test holds them equal to the migrated database."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, UUID
from sqlalchemy.types import TypeEngine, UserDefinedType

METADATA = MetaData(schema="sessions")


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The name of the type."""
        return "xid8"


_Type = TypeEngine[Any] | type[TypeEngine[Any]]
_TIME = TIMESTAMP(timezone=True)
_XID = text("pg_current_xact_id()")


def _key(name: str, kind: _Type, default: str | None = None) -> Column[object]:
    return Column(name, kind, primary_key=True, server_default=text(default) if default else None)


def _must(name: str, kind: _Type, default: str | None = None) -> Column[object]:
    return Column(name, kind, nullable=False, server_default=text(default) if default else None)


def _may(name: str, kind: _Type) -> Column[object]:
    return Column(name, kind, nullable=True)


LEDGER_IDENTITY = Table(
    "ledger_identity", METADATA,
    _key("singleton", Boolean, "true"), _must("id", UUID), _must("system_identifier", Text), _must("timeline", Integer),
    _must("adopted_at", _TIME, "now()"),
)  # fmt: skip

LEDGER = Table(
    "ledger", METADATA,
    _key("tenant", UUID), _key("kind", Text), _key("key", Text), _must("epoch", BigInteger),
    _must("xid", Xid8(), str(_XID)), _must("reason", Text), _must("actor", Text), _must("cause_id", UUID),
    _must("at", _TIME, "now()"), _may("until", _TIME),
    Index("ledger_by_xid", "xid"),
    Index("ledger_by_until", "until", postgresql_where=text("until IS NOT NULL")),
)  # fmt: skip

LEDGER_HISTORY = Table(
    "ledger_history", METADATA,
    _key("tenant", UUID), _key("kind", Text), _key("key", Text), _key("cause_id", UUID), _must("epoch", BigInteger),
    _must("reason", Text), _must("actor", Text), _must("at", _TIME, "now()"),
    Index("ledger_history_by_at", "at"),
)  # fmt: skip

POLICY = Table(
    "policy", METADATA,
    _key("tenant", UUID), _may("max_sessions_per_user", Integer), _must("on_limit", Text, "'end_oldest'"),
    _must("idle_seconds", Integer, "43200"), _must("absolute_seconds", Integer, "604800"),
    _must("updated_at", _TIME, "now()"),
)  # fmt: skip

SESSION = Table(
    "session", METADATA,
    _key("tenant", UUID), _key("id", UUID), _must("user_id", UUID), _must("tag", SmallInteger),
    _must("user_epoch", BigInteger), _must("tenant_epoch", BigInteger), _may("device", Text), _may("network", Text),
    _must("client_ids", ARRAY(Text), "'{}'"), _may("acr", Text), _must("amr", ARRAY(Text), "'{}'"),
    _must("auth_time", _TIME), _must("created_at", _TIME, "now()"), _must("absolute_end", _TIME),
    _may("ended_at", _TIME), _may("end_reason", Text), _may("ended_by", Text),
    Index("session_by_user", "tenant", "user_id", "id"),
    Index("session_live_by_end", "absolute_end", postgresql_where=text("ended_at IS NULL")),
    Index("session_live", "tenant", "id", postgresql_where=text("ended_at IS NULL")),
    Index("session_ended", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
)  # fmt: skip

REVOCATION = Table(
    "revocation", METADATA,
    _key("tenant", UUID), _key("id", UUID), _must("selector", JSONB), _must("reason", Text), _must("actor", Text),
    _must("epoch", BigInteger), _must("found", Integer), _must("ended", Integer), _must("status", Text),
    _must("effects", JSONB), _must("created_at", _TIME, "now()"),
)  # fmt: skip

EVENT = Table(
    "event", METADATA,
    _key("id", UUID), _must("xid", Xid8(), str(_XID)), _must("tenant", UUID), _must("type", Text),
    _must("aggregate", Text), _must("aggregate_id", Text), _must("at", _TIME, "now()"), _must("payload", JSONB),
    _may("traceparent", Text),
    Index("event_by_xid", "xid"),
)  # fmt: skip

EVENT_CURSOR = Table(
    "event_cursor", METADATA,
    _key("consumer", Text), _key("source", Text), _must("ledger_id", UUID), _must("xid", Xid8()),
    _must("seen", ARRAY(UUID), "'{}'"),
)  # fmt: skip

AUDIT = Table(
    "audit", METADATA,
    _key("tenant", UUID), _key("id", UUID), _must("at", _TIME, "now()"), _must("xid", Xid8(), str(_XID)),
    _must("action", Text), _must("outcome", Text), _must("actor_kind", Text), _must("actor", Text),
    _may("subject_pseudonym", Text), _may("target_kind", Text), _may("target", Text), _may("client_id", Text),
    _may("network", Text), _may("reason", Text), _must("detail", JSONB, "'{}'"), _may("trace_id", Text),
    _may("chain_position", BigInteger), _may("previous_hash", LargeBinary), _may("row_hash", LargeBinary),
    Index("audit_by_at", "tenant", "at"),
)  # fmt: skip
