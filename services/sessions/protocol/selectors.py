"""What a revocation selects, and what it says of itself afterwards.

    {"selector": {"subject": "…"}, "reason": "…", "dry_run": false}

Exactly one of subject, client_id, session_id, tenant (true), or the pair grant_id and subject: a grant's ledger key
holds the hash tag of its owner, which only the subject tells.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sessions.protocol.fields import Fault, client_id_of, reason_of, unknown_field, uuid_of

Kind = Literal["user", "client", "session", "grant", "tenant"]
Status = Literal["dry_run", "committed", "confirmed"]


@dataclass(frozen=True, slots=True)
class BySubject:
    """Everything ever issued to one person."""

    subject: UUID
    kind: Kind = "user"


@dataclass(frozen=True, slots=True)
class ByClient:
    """Everything one client holds, in every session; the sessions themselves go on."""

    client_id: str
    kind: Kind = "client"


@dataclass(frozen=True, slots=True)
class BySession:
    """One session with all that came from it, offline grants too."""

    session_id: UUID
    kind: Kind = "session"


@dataclass(frozen=True, slots=True)
class ByGrant:
    """One grant of one person."""

    grant_id: UUID
    subject: UUID
    kind: Kind = "grant"


@dataclass(frozen=True, slots=True)
class ByTenant:
    """Everything of the tenant: all sign in again."""

    kind: Kind = "tenant"


Selector = BySubject | ByClient | BySession | ByGrant | ByTenant


@dataclass(frozen=True, slots=True)
class RevocationRequest:
    """A parsed request. With `dry_run` nothing is written."""

    selector: Selector
    reason: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Revocation:
    """A revocation as it is kept. `found`: live sessions that matched; `ended`: how many of these it ended."""

    id: UUID
    selector: Mapping[str, str | bool]
    reason: str
    epoch: int
    found: int
    ended: int
    status: Status
    effects: Mapping[str, int]
    created_at: datetime
    now: datetime


def parse_revocation(body: Mapping[str, object]) -> RevocationRequest | Fault:
    """The request of a JSON object, or what is wrong with it."""
    fault = unknown_field(body, ("selector", "reason", "dry_run"))
    if fault:
        return fault
    selector = _selector(body.get("selector"))
    if isinstance(selector, Fault):
        return selector
    reason = reason_of(body.get("reason"))
    if reason is None:
        return Fault("reason", "must be one line of 1 to 500 characters that does not begin with a space")
    dry_run = body.get("dry_run", False)
    if not isinstance(dry_run, bool):
        return Fault("dry_run", "must be true or false")
    return RevocationRequest(selector, reason, dry_run)


def document_of(selector: Selector) -> dict[str, str | bool]:
    """The selector as it stands in requests, answers, rows and events."""
    match selector:
        case BySubject(subject):
            return {"subject": str(subject)}
        case ByClient(client_id):
            return {"client_id": client_id}
        case BySession(session_id):
            return {"session_id": str(session_id)}
        case ByGrant(grant_id, subject):
            return {"grant_id": str(grant_id), "subject": str(subject)}
        case ByTenant():
            return {"tenant": True}


def target_of(tenant: UUID, selector: Selector) -> str:
    """The id of what is revoked."""
    match selector:
        case BySubject(subject):
            return str(subject)
        case ByClient(client_id):
            return client_id
        case BySession(session_id):
            return str(session_id)
        case ByGrant(grant_id, _):
            return str(grant_id)
        case ByTenant():
            return str(tenant)


def effects_of(selector: Selector, found: int) -> dict[str, int]:
    """What it ends, in numbers: `sessions` of people, `client_sessions` of one client in sessions that go on, and
    `grants` named by id, whether or not tokens of them were about.
    """
    match selector:
        case ByClient():
            return {"sessions": 0, "client_sessions": found}
        case ByGrant():
            return {"sessions": 0, "grants": 1}
        case _:
            return {"sessions": found}


def status_of(revocation: Revocation, lease_seconds: float, transaction_seconds: float) -> Status:
    """`confirmed` also where nobody lived to write it down: one lease after the commit no process can still serve
    the old state, and the commit came at most one transaction's time after `created_at`.
    """
    age = revocation.now - revocation.created_at
    return "confirmed" if age > timedelta(seconds=lease_seconds + transaction_seconds) else revocation.status


def _selector(value: object) -> Selector | Fault:
    if not isinstance(value, Mapping):
        return Fault("selector", "must be an object")
    fault = unknown_field(value, ("subject", "client_id", "session_id", "grant_id", "tenant"), "selector.")
    if fault:
        return fault
    match sorted(value):
        case ["subject"]:
            subject = uuid_of(value["subject"])
            return BySubject(subject) if subject else Fault("selector.subject", "must be a UUID")
        case ["client_id"]:
            client_id = client_id_of(value["client_id"])
            return ByClient(client_id) if client_id else Fault("selector.client_id", "must be a client_id")
        case ["session_id"]:
            session_id = uuid_of(value["session_id"])
            return BySession(session_id) if session_id else Fault("selector.session_id", "must be a UUID")
        case ["grant_id", "subject"]:
            return _grant(value)
        case ["grant_id"]:
            return Fault("selector.grant_id", "needs the subject it belongs to beside it")
        case ["tenant"]:
            return ByTenant() if value["tenant"] is True else Fault("selector.tenant", "must be true")
        case _:
            return Fault("selector", "must name exactly one of subject, client_id, session_id, grant_id or tenant")


def _grant(value: Mapping[str, object]) -> ByGrant | Fault:
    grant_id, subject = uuid_of(value["grant_id"]), uuid_of(value["subject"])
    if grant_id is None:
        return Fault("selector.grant_id", "must be a UUID")
    return ByGrant(grant_id, subject) if subject else Fault("selector.subject", "must be a UUID")
