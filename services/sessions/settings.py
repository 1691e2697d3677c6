"""The settings of the session control plane, over those all services share."""

from dataclasses import dataclass
from typing import ClassVar

from identity_core.settings import ServiceSettings, seconds, setting

_DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class SessionsSettings(ServiceSettings):
    """Read by `identity_core.settings.load`; every duration in seconds."""

    service: ClassVar[str] = "sessions"

    sweep_seconds: float = setting(
        "GATEHOUSE_SESSIONS_SWEEP_SECONDS",
        seconds(0.5, 3600),
        default=5.0,
        doc="Pause between two runs of the sweeper, which closes the rows of sessions that ended by themselves.",
    )
    ended_retention_seconds: float = setting(
        "GATEHOUSE_SESSIONS_ENDED_RETENTION_SECONDS",
        seconds(_DAY, 3660 * _DAY),
        default=90 * _DAY,
        doc="How long the row of an ended session is kept.",
    )
    event_retention_seconds: float = setting(
        "GATEHOUSE_SESSIONS_EVENT_RETENTION_SECONDS",
        seconds(_DAY, 3660 * _DAY),
        default=30 * _DAY,
        doc="How long an event is kept; a consumer that stands still for longer misses some.",
    )
