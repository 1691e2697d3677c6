"""What the endpoints need of the stores, and the values that pass between them. No store is named here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from identity_core.session_store import LedgerEntry
from sessions.protocol.listing import Listing, SessionRow
from sessions.protocol.policy import Policy
from sessions.protocol.selectors import Revocation, RevocationRequest, Selector


@dataclass(frozen=True, slots=True)
class Act:
    """A write as such: in which tenant, by whom, from which address.

    `actor` is `client:<client_id>`, or a person's subject.
    """

    tenant: UUID
    actor_kind: Literal["client", "user"]
    actor: str
    client_id: str
    network: str | None


class LiveKey(NamedTuple):
    """Where a session's record lies in Redis."""

    tenant: UUID
    tag: int
    session_id: UUID


class Reads(Protocol):
    """PostgreSQL, reading: one statement each, store faults are raised."""

    async def page(self, tenant: UUID, listing: Listing) -> Sequence[SessionRow]:
        """The rows of one page, newest first; of `live`, those that PostgreSQL alone does not know to have ended."""
        ...

    async def session(self, tenant: UUID, session_id: UUID) -> SessionRow | None: ...

    async def count(self, tenant: UUID, selector: Selector) -> int | None:
        """How many live sessions match; None when the one session named is not there."""
        ...

    async def revocation(self, tenant: UUID, revocation_id: UUID) -> Revocation | None: ...

    async def policy(self, tenant: UUID) -> Policy: ...


class Writes(Protocol):
    """PostgreSQL, writing: each call is one unit of work with its audit row, committed when it returns."""

    async def end_session(self, act: Act, session_id: UUID) -> Sequence[LedgerEntry] | None:
        """End one session deeply; what `Revoker.confirm` must spread. None when the tenant has no such session."""
        ...

    async def revoke(
        self, act: Act, request: RevocationRequest, revocation_id: UUID
    ) -> tuple[Revocation, Sequence[LedgerEntry]] | None:
        """Write the revocation; None when the one session named is not there."""
        ...

    async def confirmed(self, tenant: UUID, revocation_id: UUID) -> None:
        """Note that nobody accepts any more what the revocation ended. One statement."""
        ...

    async def set_policy(self, act: Act, policy: Policy) -> None: ...


class Live(Protocol):
    """Redis: the live sessions."""

    async def seen(self, keys: Sequence[LiveKey]) -> list[datetime | None]:
        """When each session was last seen, None where there is no record of it. One round trip.

        Raises LeaseLost when Redis is not known to be as fresh as the ledger.
        """
        ...
