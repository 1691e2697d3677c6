"""The events sessions publishes through `sessions.event_v1`. `session.ended.v1` is written by `sessions.end_v1`."""

from typing import Final
from uuid import UUID

from identity_core.events import Event
from sessions.protocol.selectors import Selector, document_of, target_of

SESSION_ENDED: Final = "session.ended.v1"
REVOKED: Final = "sessions.revoked.v1"

TYPES: Final = (SESSION_ENDED, REVOKED)
"""Every type there is, for the documentation and the contract tests."""


def revoked(tenant: UUID, selector: Selector, revocation_id: UUID, epoch: int, reason: str) -> Event:
    """Everything `selector` names ended where it was stamped before `epoch`; the aggregate is what was revoked."""
    return Event(
        tenant,
        REVOKED,
        selector.kind,
        target_of(tenant, selector),
        {
            "revocation_id": str(revocation_id),
            "kind": selector.kind,
            "selector": document_of(selector),
            "epoch": epoch,
            "reason": reason,
        },
    )
