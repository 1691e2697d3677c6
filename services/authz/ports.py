"""What the rules need from the stores, and the values that pass between them. No store is named here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from authz.protocol.client_metadata import Client
from authz.protocol.decision import EndGrant, NewGrant
from identity_core.contracts.stamps import Binding
from identity_core.jose import PublicKey, SigningKey
from identity_core.secrets import AuthorizationCode, RefreshToken
from identity_core.session_store import LedgerEntry


@dataclass(frozen=True, slots=True)
class Tenant:
    """An active tenant. `path` is its prefix below the issuer's host: `` for the default one, `/t/{slug}` else."""

    id: UUID
    slug: str
    name: str
    issuer: str
    path: str
    policy: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """A tenant's keys as of the last look at the database.

    `signing`: the key that signs now, per algorithm. `public`: all that are published. `hints`: the same and the
    retired ones, which still verify an `id_token_hint`. `mac`: refresh token keys by id, `mac_current` mints.
    `jwks` and `etag` are the published key set as bytes ready to send.
    """

    signing: Mapping[str, SigningKey]
    public: Mapping[str, PublicKey]
    hints: Mapping[str, PublicKey]
    mac: Mapping[int, bytes] = field(repr=False)
    mac_current: int
    jwks: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class CodeRecord:
    """What an authorization code stands for. Times in seconds since 1970.

    `binding` carries the stamps taken with the evidence (tenant, client and user); its grant id is set by `Codes.put`.
    `redirect_uri` is where the code was sent; `redirect_uri_given` says whether the request named it
    (RFC 6749 §4.1.3). `scopes` is what was granted; `sid` the client's session id of OIDC.
    """

    tenant: UUID
    client_id: str
    redirect_uri: str
    redirect_uri_given: bool
    scopes: tuple[str, ...]
    user_id: UUID
    session_id: UUID | None
    binding: Binding
    code_challenge: str | None
    nonce: str | None
    auth_time: int
    acr: str
    amr: tuple[str, ...]
    resource: tuple[str, ...] = ()
    sid: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """The code was good and is now a tombstone. `now_ms` is the store's time."""

    grant_id: UUID
    record: CodeRecord
    now_ms: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """The code had been taken before: its grant must end (RFC 6749 §4.1.2)."""

    grant_id: UUID
    record: CodeRecord
    now_ms: int


class Tenants(Protocol):
    """Active tenants, cached."""

    async def by_slug(self, slug: str | None) -> Tenant | None:
        """The tenant of a path; None is the default tenant at the root. None when unknown or inactive."""
        ...


class Clients(Protocol):
    """Registered clients, cached together with the epochs in force when they were read."""

    async def get(self, tenant: UUID, client_id: str) -> Client | None:
        """The active client, or None."""
        ...


class Keys(Protocol):
    """The key rings, cached."""

    async def ring(self, tenant: UUID) -> KeyRing:
        """The tenant's keys as of at most a second ago."""
        ...


class Codes(Protocol):
    """Authorization codes: made once, taken once."""

    async def put(self, record: CodeRecord) -> str:
        """A new code for `record`; makes the grant id and the secret itself."""
        ...

    async def take(self, tenant: UUID, code: AuthorizationCode) -> Taken | Replayed | None:
        """Take the code. None when there is none, it is too old, or the secret is wrong (which burns nothing)."""
        ...


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a refresh asks for: a verified token, the client that presented it, and how much it wants."""

    tenant: UUID
    token: RefreshToken
    client_id: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FamilyState:
    """A refresh family under its row lock, with everything it hangs on in the database read by the same statement.

    `generation` is the one before this request; `moved`: this request took it and the next one is recorded.
    `alive`: neither ended nor past its ends, its person active, no stamp below its epoch, no tombstone of its grant or
    session. `within_grace`: the last rotation is younger than the grace. `context` is what the tokens repeat.
    """

    family_id: UUID
    grant_id: UUID
    client_id: str
    user_id: UUID
    session_id: UUID | None
    binding: Binding
    key_id: int
    salt: str
    generation: int
    scopes: tuple[str, ...]
    auth_time: int
    acr: str
    amr: tuple[str, ...]
    sid: str | None
    resource: tuple[str, ...]
    created_at: int
    expires_at: int
    ended: bool
    alive: bool
    within_grace: bool
    moved: bool


@dataclass(frozen=True, slots=True)
class TokenEnd:
    """One access token to end before its time. `key` is its `jti`, or base64url(SHA-256) of an opaque one."""

    tenant: UUID
    tag: int
    key: str
    expires_at: int
    client_id: str
    user_id: UUID | None


@dataclass(frozen=True, slots=True)
class Subject:
    """A person as the directory publishes them; `claims` are the standard claims, `updated_at` in seconds."""

    claims: Mapping[str, Any]
    updated_at: int


class Tokens(Protocol):
    """Grants, refresh families and what ends them, in PostgreSQL."""

    async def open_grant(self, new: NewGrant) -> bool:
        """Record the grant and its family; False when the grant is there already, ended by a replay. One statement."""
        ...

    async def rotate(self, ask: Rotation) -> FamilyState | None:
        """Take the token's generation and record the next, if all stands. One statement."""
        ...

    async def family(self, tenant: UUID, token: RefreshToken) -> FamilyState | None:
        """Look at the family without taking anything. One statement."""
        ...

    async def end_grant(self, end: EndGrant) -> Sequence[LedgerEntry]:
        """Commit the end of a grant with its family; answers what `Revoker.confirm` must spread. Idempotent."""
        ...

    async def end_token(self, end: TokenEnd) -> Sequence[LedgerEntry]:
        """Commit the end of one access token; answers what `Revoker.confirm` must spread."""
        ...

    async def subject(self, tenant: UUID, user_id: UUID) -> Subject | None:
        """An active person's claims, or None. One statement."""
        ...
