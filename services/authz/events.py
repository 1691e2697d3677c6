"""The events authz publishes: facts written in the transaction that makes them true, read through `authz.event_v1`.

Payloads name things by their ids and hold no claim, secret or token.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from authz.protocol.decision import EndGrant
from identity_core.events import Event

GRANT_ENDED: Final = "authz.grant_ended.v1"
CLIENT_REGISTERED: Final = "authz.client_registered.v1"
CLIENT_CHANGED: Final = "authz.client_changed.v1"
KEY_ROTATED: Final = "authz.key_rotated.v1"
KEY_REVOKED: Final = "authz.key_revoked.v1"

TYPES: Final = (GRANT_ENDED, CLIENT_REGISTERED, CLIENT_CHANGED, KEY_ROTATED, KEY_REVOKED)
"""Every type there is, for the documentation and the contract tests."""


def grant_ended(end: EndGrant) -> Event:
    """A grant ended before its time; `reason` as in the audit."""
    return Event(
        end.tenant,
        GRANT_ENDED,
        "grant",
        str(end.grant_id),
        {"grant_id": str(end.grant_id), "subject": str(end.user_id), "client_id": end.client_id, "reason": end.reason},
    )


def client_registered(tenant: UUID, client_id: str) -> Event:
    """A client was registered."""
    return Event(tenant, CLIENT_REGISTERED, "client", client_id, {"client_id": client_id})


def client_changed(tenant: UUID, client_id: str, change: str) -> Event:
    """A client's `change`: `metadata`, `deactivated` or `secret`."""
    return Event(tenant, CLIENT_CHANGED, "client", client_id, {"client_id": client_id, "change": change})


def key_rotated(tenant: UUID, kid: str, alg: str) -> Event:
    """A new signing key is published."""
    return Event(tenant, KEY_ROTATED, "key", kid, {"kid": kid, "alg": alg})


def key_revoked(tenant: UUID, kid: str, alg: str) -> Event:
    """A signing key is no longer valid, at once."""
    return Event(tenant, KEY_REVOKED, "key", kid, {"kid": kid, "alg": alg})
