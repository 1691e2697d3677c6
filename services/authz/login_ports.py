"""What a sign-in needs from the stores and the pages, and the values that pass between them. No store is named here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, cast
from uuid import UUID

from starlette.requests import Request

from authz.interaction import Evidence, Progress, SessionFacts, SubjectFacts
from authz.protocol.authorization_request import AuthorizationRequest
from identity_core.audit import AuditRow
from identity_core.secrets import SessionCookie

Place = Literal["login", "totp", "enroll", "consent"]

Verdict = Literal["right", "wrong", "ended"]
"""What a code came to. `ended`: the evidence behind it was revoked, or its person is active no more."""


@dataclass(frozen=True, slots=True)
class Interaction:
    """What the server keeps of one sign-in: the request as first judged, how far it has come, and where it is.

    `traceparent` is that of the authorization request: a browser carries none, so the sign-in goes on with this one.
    """

    request: AuthorizationRequest
    progress: Progress
    place: Place
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """An interaction of this browser. `step` is the number the next POST must carry."""

    id: str
    step: int
    interaction: Interaction


@dataclass(frozen=True, slots=True)
class Stale:
    """The POST carried another step number than the interaction is at: a page used twice."""

    live: Live


class Interactions(Protocol):
    """Sign-ins in progress. `browser` is the SHA-256 of the browser cookie: another browser's is never found."""

    async def create(self, tenant: UUID, browser: bytes, interaction: Interaction) -> str:
        """Keep a new interaction at step 1; its name."""
        ...

    async def read(self, tenant: UUID, name: str, browser: bytes) -> Live | None:
        """The interaction as it is; None when unknown, over, or another browser's."""
        ...

    async def take(self, tenant: UUID, name: str, browser: bytes, step: int) -> Live | Stale | None:
        """Go from `step` to the next one: of two equal POSTs one goes on, the other is stale."""
        ...

    async def put(self, tenant: UUID, live: Live, interaction: Interaction) -> bool:
        """Write what the step at `live` has come to; False when another step was taken meanwhile."""
        ...

    async def close(self, tenant: UUID, name: str) -> None:
        """The sign-in has its answer."""
        ...


@dataclass(frozen=True, slots=True)
class PasswordRow:
    """The evidence a password is checked against: hash, standing and stamps of one statement (revocation rule 3)."""

    user_id: UUID
    username: str
    active: bool
    password_hash: str | None = field(repr=False)
    user_epoch: int
    tenant_epoch: int
    has_totp: bool


@dataclass(frozen=True, slots=True)
class TotpRow:
    """A confirmed one-time password credential; the secret is sealed."""

    id: UUID
    sealed: bytes = field(repr=False)


class Credentials(Protocol):
    """Passwords and one-time password credentials."""

    async def password_row(self, tenant: UUID, username_key: str) -> PasswordRow | None:
        """Everything a password check needs, in one statement; None for a name nobody has."""
        ...

    async def replace_hash(self, tenant: UUID, user_id: UUID, old: str, new: str) -> None:
        """The same password under newer parameters, unless it was changed meanwhile."""
        ...

    async def totp_row(self, tenant: UUID, user_id: UUID) -> TotpRow | None:
        """The confirmed credential."""
        ...

    async def accept_step(self, tenant: UUID, evidence: Evidence, credential: UUID, step: int) -> Verdict:
        """Right if `step` is later than the last one accepted; it is the last one then (RFC 6238 §5.2)."""
        ...

    async def confirm_totp(
        self, tenant: UUID, evidence: Evidence, credential: UUID, sealed: bytes, step: int, audit: AuditRow
    ) -> Verdict:
        """Keep a credential whose first code was right, with that code's step; wrong when there is one already."""
        ...


class Consents(Protocol):
    """What people have allowed to clients."""

    async def subject(self, tenant: UUID, user_id: UUID, client_id: str) -> Subject | None:
        """The person and what they allowed to this client, in one statement; None when there is no such person."""
        ...

    async def allow(
        self, tenant: UUID, user_id: UUID, client_id: str, scopes: tuple[str, ...], audit: AuditRow
    ) -> None:
        """Remember the answer; scopes allowed earlier stay allowed."""
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """A person as the directory has them now."""

    username: str
    facts: SubjectFacts


@dataclass(frozen=True, slots=True)
class OpenCookie:
    """A session cookie whose session lives and whose secret is right."""

    cookie: SessionCookie
    facts: SessionFacts
    acr: str
    user_epoch: int
    tenant_epoch: int
    client_epoch: int
    absolute_end_ms: int


@dataclass(frozen=True, slots=True)
class Opening:
    """What is to become a session. `previous`: the live session this browser came with, if any."""

    tenant: UUID
    evidence: Evidence
    client_id: str
    acr: str
    auth_time_ms: int
    device: str | None
    network: str | None
    previous: OpenCookie | None
    audit: AuditRow


@dataclass(frozen=True, slots=True)
class Refused:
    """`ended`: what was proven has been revoked meanwhile. `limit`: the policy allows no further session."""

    reason: Literal["ended", "limit"]


class Logins(Protocol):
    """Sessions of browsers: reading, opening and ending them."""

    async def current(self, tenant: UUID, cookie: SessionCookie, client_id: str | None) -> OpenCookie | None:
        """The session of a cookie, if it lives and everything it stands on does."""
        ...

    async def open(self, opening: Opening) -> OpenCookie | Refused:
        """Open the session: the row and the audit first, then the live record; whom the limit evicts is ended."""
        ...

    async def end(self, tenant: UUID, session: OpenCookie, reason: str, audit: AuditRow) -> None:
        """End the session for good, and return once nobody accepts it any more."""
        ...

    async def record(self, audit: AuditRow) -> None:
        """Write an audit row that belongs to no other change."""
        ...


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the pages, ready to send."""

    body: bytes
    media_type: str


class Pages(Protocol):
    """The pages as bytes."""

    def render(self, name: str, values: Mapping[str, object]) -> bytes:
        """The page `name` with `values`, every one of them escaped."""
        ...

    def static(self, name: str) -> StaticFile | None:
        """A static file by the name with its content's hash in it."""
        ...


@dataclass(frozen=True)
class LoginResources:
    """The adapters of the sign-in, built once beside `Resources`."""

    interactions: Interactions
    credentials: Credentials
    consents: Consents
    logins: Logins
    pages: Pages


def login_of(request: Request) -> LoginResources:
    """The adapters of the application that serves `request`."""
    return cast(LoginResources, request.app.state.login)
