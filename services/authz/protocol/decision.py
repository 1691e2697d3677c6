"""Verdicts of the token endpoint: values that say what to issue or what to refuse, and what follows from either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from authz.protocol.errors import OAuthError
from identity_core.contracts.stamps import Binding

EndReason = Literal["code_replay", "code_of_other_client", "refresh_reuse", "refresh_of_other_client", "token_revoked"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Whom the verdict trusts and on what stamps; `user_id` None is a client for itself. Not yet known to be alive."""

    tenant: UUID
    client_id: str
    user_id: UUID | None
    binding: Binding


@dataclass(frozen=True, slots=True)
class Order:
    """The tokens to make. `id_token_alg` None: no ID token. `auth_time` in seconds, None for a client's own token."""

    audience: tuple[str, ...]
    scopes: tuple[str, ...]
    access_token_format: str
    auth_time: int | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    sid: str | None = None
    nonce: str | None = None
    id_token_alg: str | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """A refresh family to begin with a new grant. `context` is what its tokens repeat."""

    id: UUID
    salt: str
    key_id: int
    auth_time: int
    acr: str
    amr: tuple[str, ...]
    sid: str | None
    resource: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewGrant:
    """What redeeming a code records: the grant, and its refresh family if there is one."""

    evidence: Evidence
    scopes: tuple[str, ...]
    family: Family | None


@dataclass(frozen=True, slots=True)
class RefreshOf:
    """The refresh token to hand out: everything it is minted from."""

    family_id: UUID
    key_id: int
    tag: int
    generation: int
    salt: str


@dataclass(frozen=True, slots=True)
class EndGrant:
    """A grant to end for good, with its refresh family and every access token under it."""

    tenant: UUID
    grant_id: UUID
    user_id: UUID
    client_id: str
    session_id: UUID | None
    offline: bool
    scopes: tuple[str, ...]
    tag: int
    reason: EndReason
    actor: str
    """The client that caused the end: the one that presented what it should not have, or asked for the revocation."""


@dataclass(frozen=True, slots=True)
class Allow:
    """Issue `order` to `evidence`, if that stands; record `new_grant` first; hand out `refresh`.

    `traceparent` is the trace of the sign-in that an authorization code goes on with.
    """

    evidence: Evidence
    order: Order
    new_grant: NewGrant | None = None
    refresh: RefreshOf | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer `error`. What it `ends` is committed before the answer: a refusal is a value, not an exception."""

    error: OAuthError
    ends: EndGrant | None = None


Decision = Allow | Refuse
