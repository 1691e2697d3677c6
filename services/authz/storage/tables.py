"""Schema `authz` as SQLAlchemy tables, equal to what the migrations make (a test compares), and the views it reads."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    TIMESTAMP,
    UUID,
    BigInteger,
    Boolean,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine, UserDefinedType

METADATA = MetaData(schema="authz")
# Another owner's published views, never in METADATA: authz makes and migrates none of them.
VIEWS = MetaData()


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The name of the type."""
        return "xid8"


_TIME = TIMESTAMP(timezone=True)


def _must(name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]], *, key: bool = False) -> Column[Any]:
    return Column(name, kind, nullable=False, primary_key=key)


def _may(name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]]) -> Column[Any]:
    return Column(name, kind, nullable=True)


tenant = Table(
    "tenant", METADATA,
    _must("id", UUID, key=True), _must("slug", Text), _must("name", Text), _must("active", Boolean),
    _must("policy", JSONB), _must("created_at", _TIME),
)  # fmt: skip

client = Table(
    "client", METADATA,
    _must("tenant", UUID, key=True), _must("id", Text, key=True), _must("metadata", JSONB),
    _may("secret_hash", LargeBinary), _must("first_party", Boolean), _must("active", Boolean),
    _must("xid", Xid8()), _must("created_at", _TIME), _must("updated_at", _TIME),
)  # fmt: skip

signing_key = Table(
    "signing_key", METADATA,
    _must("tenant", UUID, key=True), _must("kid", Text, key=True), _must("alg", Text), _must("public_jwk", JSONB),
    _must("private_sealed", LargeBinary), _must("publish_at", _TIME), _must("sign_from", _TIME),
    _may("retire_at", _TIME), _may("revoked_at", _TIME), _must("xid", Xid8()), _must("created_at", _TIME),
)  # fmt: skip

mac_key = Table(
    "mac_key", METADATA,
    _must("tenant", UUID, key=True), _must("purpose", Text, key=True), _must("id", SmallInteger, key=True),
    _must("sealed", LargeBinary), _must("created_at", _TIME), _may("retire_at", _TIME),
)  # fmt: skip

password_credential = Table(
    "password_credential", METADATA,
    _must("tenant", UUID, key=True), _must("user_id", UUID, key=True), _must("hash", Text),
    _must("changed_at", _TIME),
)  # fmt: skip

totp_credential = Table(
    "totp_credential", METADATA,
    _must("tenant", UUID, key=True), _must("user_id", UUID, key=True), _must("id", UUID, key=True),
    _must("secret_sealed", LargeBinary), _must("last_step", BigInteger), _must("created_at", _TIME),
    _may("confirmed_at", _TIME),
)  # fmt: skip

consent = Table(
    "consent", METADATA,
    _must("tenant", UUID, key=True), _must("user_id", UUID, key=True), _must("client_id", Text, key=True),
    _must("scopes", ARRAY(Text)), _must("granted_at", _TIME),
)  # fmt: skip

authorization_grant = Table(
    "authorization_grant", METADATA,
    _must("tenant", UUID, key=True), _must("id", UUID, key=True), _must("user_id", UUID), _must("client_id", Text),
    _may("session_id", UUID), _must("offline", Boolean), _must("scopes", ARRAY(Text)), _must("created_at", _TIME),
    _may("ended_at", _TIME), _may("end_reason", Text),
)  # fmt: skip

refresh_family = Table(
    "refresh_family", METADATA,
    _must("tenant", UUID, key=True), _must("id", UUID, key=True), _must("grant_id", UUID), _must("client_id", Text),
    _must("user_id", UUID), _may("session_id", UUID), _must("offline", Boolean), _must("tag", SmallInteger),
    _must("key_id", SmallInteger), _must("salt", Text), _must("generation", Integer), _must("scopes", ARRAY(Text)),
    _must("context", JSONB), _must("user_epoch", BigInteger), _must("client_epoch", BigInteger),
    _must("tenant_epoch", BigInteger), _must("created_at", _TIME), _must("rotated_at", _TIME),
    _must("idle_end", _TIME), _must("absolute_end", _TIME), _may("ended_at", _TIME), _may("end_reason", Text),
)  # fmt: skip

event = Table(
    "event", METADATA,
    _must("id", UUID, key=True), _must("xid", Xid8()), _must("tenant", UUID), _must("type", Text),
    _must("aggregate", Text), _must("aggregate_id", Text), _must("at", _TIME), _must("payload", JSONB),
    _may("traceparent", Text),
)  # fmt: skip

event_cursor = Table(
    "event_cursor", METADATA,
    _must("consumer", Text, key=True), _must("source", Text, key=True), _must("ledger_id", UUID),
    _must("xid", Xid8()), _must("seen", ARRAY(UUID)),
)  # fmt: skip

audit = Table(
    "audit", METADATA,
    _must("tenant", UUID, key=True), _must("id", UUID, key=True), _must("at", _TIME), _must("xid", Xid8()),
    _must("action", Text), _must("outcome", Text), _must("actor_kind", Text), _must("actor", Text),
    _may("subject_pseudonym", Text), _may("target_kind", Text), _may("target", Text), _may("client_id", Text),
    _may("network", Text), _may("reason", Text), _must("detail", JSONB), _may("trace_id", Text),
    _may("chain_position", BigInteger), _may("previous_hash", LargeBinary), _may("row_hash", LargeBinary),
)  # fmt: skip

subject_v1 = Table(
    "subject_v1", VIEWS,
    Column("tenant", UUID), Column("subject", UUID), Column("username", Text), Column("username_key", Text),
    Column("active", Boolean), Column("claims", JSONB), Column("updated_at", _TIME),
    schema="directory",
)  # fmt: skip

ledger_v1 = Table(
    "ledger_v1", VIEWS,
    Column("tenant", UUID), Column("kind", Text), Column("key", Text), Column("epoch", BigInteger),
    Column("xid", Xid8()), Column("until", _TIME),
    schema="sessions",
)  # fmt: skip
