"""The documents of the admin REST as they are answered and documented."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Document(BaseModel):
    """Nothing but what is declared."""

    model_config = ConfigDict(extra="forbid")


class SessionDocument(Document):
    """A session, live or ended."""

    session_id: UUID
    subject: UUID
    state: Literal["live", "ended"]
    created_at: datetime
    auth_time: datetime
    absolute_end: datetime
    last_seen: Annotated[datetime | None, Field(description="From Redis, for a live session.")]
    acr: str | None
    amr: list[str]
    device: str | None
    network: str | None
    client_ids: list[str]
    ended_at: Annotated[
        datetime | None, Field(description="Null for one that ended by idleness until its row is closed.")
    ]
    end_reason: str | None


class SessionPage(Document):
    """One page, newest first. A page may hold fewer sessions than `limit` and still not be the last."""

    sessions: list[SessionDocument]
    next_cursor: Annotated[str | None, Field(description="The `cursor` of the next page; null on the last.")]


class RevocationDocument(Document):
    """A revocation. In a dry run `id`, `epoch` and `created_at` are null, and `effects` is what it would end."""

    id: UUID | None
    selector: dict[str, str | bool]
    reason: str
    dry_run: bool
    epoch: Annotated[int | None, Field(description="Everything selected and stamped below it has ended.")]
    found: Annotated[int, Field(ge=0, description="Live sessions that matched; counting stops at 100,000.")]
    ended: Annotated[int, Field(ge=0, description="How many of those it ended, for a client its part in them.")]
    status: Annotated[
        Literal["dry_run", "committed", "confirmed"],
        Field(description="`confirmed`: no endpoint accepts any more what it ended."),
    ]
    effects: Annotated[
        dict[str, int],
        Field(
            description="`sessions`: people's sessions that ended; `client_sessions`: sessions that go on without the "
            "client; `grants`: grants named by id."
        ),
    ]
    created_at: datetime | None


class PolicyDocument(Document):
    """A tenant's session policy; durations in seconds."""

    max_sessions_per_user: Annotated[int | None, Field(ge=1, le=10_000)]
    on_limit: Literal["end_oldest", "refuse"]
    idle_seconds: Annotated[int, Field(ge=60, le=31_622_400, description="At most `absolute_seconds`.")]
    absolute_seconds: Annotated[int, Field(ge=60, le=31_622_400)]


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str | None = None
    field: str | None = None
