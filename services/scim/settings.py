"""The settings of the directory, over those all services share."""

from dataclasses import dataclass
from typing import ClassVar

from identity_core.settings import ServiceSettings, integer, seconds, setting

PATH = "/scim/v2"
_DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class ScimSettings(ServiceSettings):
    """`GATEHOUSE_SCIM_BASE_URL` ends with `/scim/v2` in production; without it the path is added for links."""

    service: ClassVar[str] = "scim"

    hash_threads: int = setting(
        "GATEHOUSE_HASH_THREADS",
        integer(1, 64),
        default=1,
        doc="Threads that hash passwords, per process: the machine's cores divided by its worker processes.",
    )
    hash_queue: int = setting(
        "GATEHOUSE_HASH_QUEUE",
        integer(0, 10_000),
        default=64,
        doc="Password hashings that may wait, per process; beyond it the answer is 503 with Retry-After.",
    )
    event_retention_seconds: float = setting(
        "GATEHOUSE_SCIM_EVENT_RETENTION_SECONDS",
        seconds(_DAY, 3660 * _DAY),
        default=30 * _DAY,
        doc="How long an event of the directory is kept; a consumer that stands still for longer misses some.",
    )

    @property
    def root(self) -> str:
        """The public URL before `/scim/v2` and before `/t/{slug}/scim/v2`."""
        return self.scim_base_url.removesuffix(PATH)
