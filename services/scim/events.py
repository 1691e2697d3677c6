"""The directory's facts: their types, and what a write of a user gives rise to.

Payloads hold names of attributes and no values; whoever needs values reads `directory.subject_v1`.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from identity_core.events import Event

USER_CREATED = "scim.user_created.v1"
USER_UPDATED = "scim.user_updated.v1"
USER_DEACTIVATED = "scim.user_deactivated.v1"
USER_REACTIVATED = "scim.user_reactivated.v1"
USER_DELETED = "scim.user_deleted.v1"

EVENT_TYPES = (USER_CREATED, USER_UPDATED, USER_DEACTIVATED, USER_REACTIVATED, USER_DELETED)


def user_event(type_: str, tenant: UUID, user_id: UUID, changed: Sequence[str] = ()) -> Event:
    payload: dict[str, object] = {"user_id": str(user_id)}
    if changed:
        payload["changed"] = list(changed)
    return Event(tenant, type_, "user", str(user_id), payload)


def change_types(before: Mapping[str, Any], after: Mapping[str, Any], changed: Sequence[str]) -> list[str]:
    """One event for `active`, one for everything else that changed."""
    types: list[str] = []
    if any(name != "active" for name in changed):
        types.append(USER_UPDATED)
    was, is_ = before.get("active") is True, after.get("active") is True
    if was and not is_:
        types.append(USER_DEACTIVATED)
    if is_ and not was:
        types.append(USER_REACTIVATED)
    return types
