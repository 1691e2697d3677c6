"""The values of the session data plane. Times are milliseconds since 1970 by Redis's clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from identity_core.contracts.stamps import Binding, Stamps

Ended = Literal["session", "grant", "token"]
OnLimit = Literal["end_oldest", "refuse"]

FORMAT = b"1"
"""The version every record carries: old and new scripts read each other's through a rolling upgrade."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a login writes. `replaces` is the old cookie's secret hash when the same person signs in again."""

    tenant: UUID
    session_id: UUID
    user_id: UUID
    tag: int
    secret_hash: bytes
    user_epoch: int
    tenant_epoch: int
    auth_time_ms: int
    acr: str
    amr: tuple[str, ...]
    idle_ms: int
    absolute_end_ms: int
    limit: int | None = None
    on_limit: OnLimit = "end_oldest"
    replaces: bytes | None = None


@dataclass(frozen=True, slots=True)
class Created:
    """The session lives; the caller ends each evicted one at once through `sessions.end_v1`."""

    evicted: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class CreateRefused:
    """`ended`: the session or its evidence was revoked meanwhile. `limit`: the policy refuses one more."""

    reason: Literal["ended", "limit"]


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One live session as Redis holds it (neither idle nor past its absolute end at the read)."""

    user_id: UUID
    secret_hash: bytes
    created_ms: int
    auth_time_ms: int
    acr: str
    amr: tuple[str, ...]
    idle_ms: int
    absolute_end_ms: int
    seen_ms: int
    user_epoch: int
    tenant_epoch: int


@dataclass(frozen=True, slots=True)
class StandingQuery:
    """What to read about one user's slot; what is None is not looked at.

    With a session and no user, the user's epoch is that of the session's own user (a cookie does not say whose it is).

    `token_key`: the `jti` of a JWT, base64url(SHA-256) of an opaque token, or `c.` + base64url(SHA-256) of a
    session cookie's secret.
    """

    tenant: UUID
    tag: int
    user_id: UUID | None = None
    client_id: str | None = None
    session_id: UUID | None = None
    grant_id: UUID | None = None
    token_key: str | None = None


@dataclass(frozen=True, slots=True)
class StandingFacts:
    """What is true now: the session if it lives, the current epochs, and which of the asked-for things were ended."""

    now_ms: int
    session: SessionRecord | None
    epochs: Stamps
    ended: frozenset[Ended]


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """An opaque access token's record with its standing. `client_id` and `user_id` are the token's own."""

    record: Mapping[str, object]
    binding: Binding
    client_id: str
    user_id: UUID | None
    expires_ms: int
    facts: StandingFacts
