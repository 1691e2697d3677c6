"""The verdict on a standing: pure, and the only place that knows what dies with what (revocation rule 2)."""

from dataclasses import dataclass
from typing import Literal

from identity_core.contracts.stamps import Binding
from identity_core.session_store.records import StandingFacts

Cause = Literal["tenant", "client", "user", "session", "grant", "token"]


@dataclass(frozen=True, slots=True)
class Dead:
    """What ended it. For metrics and audit, never for a client's eyes."""

    cause: Cause


def judge(facts: StandingFacts, binding: Binding, *, needs_session: bool | None = None) -> Dead | None:
    """None while everything the binding hangs on is alive; otherwise what ended it.

    A stamp lower than the current epoch is an end, and so is a tombstone. The session must live for everything that
    came from one and is not offline; `needs_session` overrides that (True for a cookie).
    """
    stamps, epochs = binding.stamps, facts.epochs
    if stamps.tenant < epochs.tenant:
        return Dead("tenant")
    if stamps.client < epochs.client:
        return Dead("client")
    if stamps.user < epochs.user:
        return Dead("user")
    if "token" in facts.ended:
        return Dead("token")
    if "grant" in facts.ended:
        return Dead("grant")
    if needs_session is None:
        needs_session = binding.session_id is not None and not binding.offline
    if needs_session and not _session_lives(facts):
        return Dead("session")
    return None


def _session_lives(facts: StandingFacts) -> bool:
    session = facts.session
    return (
        session is not None
        and "session" not in facts.ended
        and session.user_epoch >= facts.epochs.user
        and session.tenant_epoch >= facts.epochs.tenant
    )
