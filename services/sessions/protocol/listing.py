"""Listing sessions: the question, and the verdict on each row of the answer.

A revocation of a person or tenant is one ledger row; the session rows are closed later. So a row says of itself only
that it was not closed yet: whether it lives follows from the epochs, its absolute end, and Redis.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sessions.protocol.cursors import decode_cursor, encode_cursor
from sessions.protocol.fields import Fault, unknown_field, uuid_of

State = Literal["live", "ended", "all"]

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
SETTLED = timedelta(seconds=60)
"""A row is written before its Redis record: only one older than this can be judged by the record's absence."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One page: newest first, `limit` rows (1 to 200), those before the session `before`."""

    subject: UUID | None = None
    state: State = "live"
    limit: int = DEFAULT_LIMIT
    before: UUID | None = None

    @property
    def question(self) -> str:
        """What a cursor is good for: the same filter, whatever the page's size."""
        return f"{self.state}|{self.subject or ''}"


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as PostgreSQL knows it at `now` (its own time).

    `ruled_at`: when its user's or tenant's epoch was raised above its stamps, None when neither was.
    """

    id: UUID
    user_id: UUID
    tag: int
    device: str | None
    network: str | None
    client_ids: tuple[str, ...]
    acr: str | None
    amr: tuple[str, ...]
    auth_time: datetime
    created_at: datetime
    absolute_end: datetime
    ended_at: datetime | None
    end_reason: str | None
    ruled_at: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """`ended_at` is None for a session that ended by idleness and is not closed yet: nobody noted the time."""

    state: Literal["live", "ended"]
    ended_at: datetime | None = None
    end_reason: str | None = None


LIVE = Verdict("live")


def parse_listing(query: Mapping[str, str], tenant: UUID, key: bytes) -> Listing | Fault:
    """The question of a query string whose parameters are given once; `key` is that of the cursors."""
    fault = unknown_field(query, ("subject", "state", "limit", "cursor"))
    if fault:
        return fault
    subject = uuid_of(query.get("subject"))
    if "subject" in query and subject is None:
        return Fault("subject", "must be a UUID")
    state = _state(query.get("state", "live"))
    if state is None:
        return Fault("state", "must be live, ended or all")
    limit = _limit(query.get("limit", str(DEFAULT_LIMIT)))
    if limit is None:
        return Fault("limit", f"must be a whole number from 1 to {MAX_LIMIT}")
    listing = Listing(subject, state, limit)
    if "cursor" not in query:
        return listing
    before = decode_cursor(key, tenant, listing.question, query["cursor"])
    return Listing(subject, state, limit, before) if before else Fault("cursor", "is none of this list's cursors")


def next_cursor(listing: Listing, tenant: UUID, key: bytes, last: UUID | None, full: bool) -> str | None:
    """The cursor of the page after this one, None when this was the last."""
    return encode_cursor(key, tenant, listing.question, last) if last and full else None


def verdict_of_row(row: SessionRow) -> Verdict:
    """What PostgreSQL alone says."""
    if row.ended_at is not None:
        return Verdict("ended", row.ended_at, row.end_reason)
    if row.ruled_at is not None:
        return Verdict("ended", row.ruled_at, "revoked")
    if row.absolute_end <= row.now:
        return Verdict("ended", row.absolute_end, "expired")
    return LIVE


def verdict(row: SessionRow, seen: datetime | None) -> Verdict:
    """What PostgreSQL and Redis say together. `seen` None: Redis has no record of it."""
    by_row = verdict_of_row(row)
    if by_row is LIVE and seen is None and row.created_at < row.now - SETTLED:
        return Verdict("ended", None, "idle")
    return by_row


def _state(text: str) -> State | None:
    states: dict[str, State] = {"live": "live", "ended": "ended", "all": "all"}
    return states.get(text)


def _limit(text: str) -> int | None:
    if not text.isascii() or not text.isdigit() or len(text) > 3 or text.startswith("0"):
        return None
    return int(text) if int(text) <= MAX_LIMIT else None
