"""What the endpoints are given by app.py, and the addresses that resources have in public."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from identity_core.bearer import BearerVerifier
from identity_core.clock import Clock
from identity_core.passwords import PasswordHasher
from identity_core.ratelimit import RateLimiter
from scim.ports import Caller, Records, ResourceStore, Sources

PATH = "/scim/v2"


@dataclass(frozen=True)
class Edge:
    """Built once per process. `root`: the public URL before `/scim/v2`; `stores`: by name of the resource type."""

    root: str
    clock: Clock
    sources: Sources
    bearer: BearerVerifier
    limiter: RateLimiter
    hasher: PasswordHasher
    records: Records
    stores: Mapping[str, ResourceStore]
    fingerprint_key: bytes = field(repr=False)
    tag_key: bytes = field(repr=False)

    def base(self, slug: str | None) -> str:
        """The base URL as the request addressed it: of the tenant's own path, or of the credential's."""
        return f"{self.root}{PATH}" if slug is None else f"{self.root}/t/{slug}{PATH}"


@dataclass(frozen=True, slots=True)
class Visit:
    """One admitted request: by whom, and under which base URL its resources are named."""

    caller: Caller
    base: str
    network: str | None
