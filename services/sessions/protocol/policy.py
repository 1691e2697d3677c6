"""A tenant's session policy: how many at once, how long idle, how long at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sessions.protocol.fields import Fault, unknown_field, whole_number

OnLimit = Literal["end_oldest", "refuse"]

MAX_SESSIONS = 10_000
MIN_SECONDS = 60
MAX_SECONDS = 366 * 86_400
_FIELDS = ("max_sessions_per_user", "on_limit", "idle_seconds", "absolute_seconds")


@dataclass(frozen=True, slots=True)
class Policy:
    """`max_sessions_per_user` None: any number. The defaults are those of the table, for a tenant without a row."""

    max_sessions_per_user: int | None = None
    on_limit: OnLimit = "end_oldest"
    idle_seconds: int = 43_200
    absolute_seconds: int = 604_800


def parse_policy(body: Mapping[str, object]) -> Policy | Fault:
    """The whole policy of a JSON object (PUT replaces: every field is due), or what is wrong with it."""
    fault = unknown_field(body, _FIELDS)
    if fault:
        return fault
    for name in _FIELDS:
        if name not in body:
            return Fault(name, "is missing")
    limit = body["max_sessions_per_user"]
    if limit is not None and whole_number(limit, 1, MAX_SESSIONS) is None:
        return Fault("max_sessions_per_user", f"must be null or a whole number from 1 to {MAX_SESSIONS}")
    on_limit: OnLimit | None = _on_limit(body["on_limit"])
    if on_limit is None:
        return Fault("on_limit", "must be end_oldest or refuse")
    idle, absolute = (whole_number(body[name], MIN_SECONDS, MAX_SECONDS) for name in _FIELDS[2:])
    if idle is None:
        return Fault("idle_seconds", f"must be a whole number from {MIN_SECONDS} to {MAX_SECONDS}")
    if absolute is None:
        return Fault("absolute_seconds", f"must be a whole number from {MIN_SECONDS} to {MAX_SECONDS}")
    if idle > absolute:
        return Fault("idle_seconds", "must be at most absolute_seconds")
    return Policy(whole_number(limit, 1, MAX_SESSIONS), on_limit, idle, absolute)


def _on_limit(value: object) -> OnLimit | None:
    return "end_oldest" if value == "end_oldest" else "refuse" if value == "refuse" else None
