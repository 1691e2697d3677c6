"""The settings of authz: what all services need, and what only the provider of identities does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from identity_core.sealing import parse_keys
from identity_core.settings import ServiceSettings, integer, seconds, setting, text

_DAY = 86_400.0
_SEALING_KEYS = "GATEHOUSE_KEY_ENCRYPTION_KEY"


@dataclass(frozen=True, kw_only=True)
class AuthzSettings(ServiceSettings):
    """Read by `identity_core.settings.load`; every duration in seconds."""

    service: ClassVar[str] = "authz"

    key_encryption_key: str = setting(
        _SEALING_KEYS,
        text(),
        secret=True,
        doc="Seals signing keys and TOTP secrets: `id:base64key[,id2:base64key2]`, 32 bytes each, first is current.",
    )
    hash_threads: int = setting(
        "GATEHOUSE_HASH_THREADS",
        integer(1, 256),
        default=1,
        doc="Threads for password hashing in this process. Over all processes as many as there are cores.",
    )
    hash_queue: int = setting(
        "GATEHOUSE_HASH_QUEUE",
        integer(0, 10_000),
        default=50,
        doc="Logins that may wait for password hashing; beyond it the answer is 503 with Retry-After.",
    )
    code_seconds: float = setting(
        "GATEHOUSE_AUTHZ_CODE_SECONDS",
        seconds(1, 600),
        default=60.0,
        doc="How long an authorization code is good (RFC 6749 §4.1.2: at most ten minutes).",
    )
    access_token_seconds: float = setting(
        "GATEHOUSE_AUTHZ_ACCESS_TOKEN_SECONDS",
        seconds(10, 3600),
        default=300.0,
        doc="How long an access token is good.",
    )
    id_token_seconds: float = setting(
        "GATEHOUSE_AUTHZ_ID_TOKEN_SECONDS",
        seconds(10, 3600),
        default=300.0,
        doc="How long an ID token is good.",
    )
    refresh_idle_seconds: float = setting(
        "GATEHOUSE_AUTHZ_REFRESH_IDLE_SECONDS",
        seconds(60, 366 * _DAY),
        default=30 * _DAY,
        doc="A refresh token that is not used for this long ends.",
    )
    refresh_absolute_seconds: float = setting(
        "GATEHOUSE_AUTHZ_REFRESH_ABSOLUTE_SECONDS",
        seconds(60, 366 * _DAY),
        default=90 * _DAY,
        doc="A family of refresh tokens ends this long after it was made, used or not.",
    )
    refresh_grace_seconds: float = setting(
        "GATEHOUSE_AUTHZ_REFRESH_GRACE_SECONDS",
        seconds(0, 120),
        default=30.0,
        doc="For this long after a rotation the previous refresh token receives the current one once more.",
    )
    jwks_seconds: int = setting(
        "GATEHOUSE_AUTHZ_JWKS_SECONDS",
        integer(1, 86_400),
        default=900,
        doc="How long the key set may be cached; a new key is published this long before it signs.",
    )
    interaction_seconds: float = setting(
        "GATEHOUSE_AUTHZ_INTERACTION_SECONDS",
        seconds(60, 3600),
        default=900.0,
        doc="How long a person may take from the authorization request to its answer.",
    )

    purge_seconds: float = setting(
        "GATEHOUSE_AUTHZ_PURGE_SECONDS",
        seconds(1, 3600),
        default=60.0,
        doc="The pause between two runs of the purger.",
    )
    grant_retention_seconds: float = setting(
        "GATEHOUSE_AUTHZ_GRANT_RETENTION_SECONDS",
        seconds(3600, 3660 * _DAY),
        default=_DAY,
        doc="How long a grant and its refresh family are kept after the end of their time.",
    )
    event_retention_seconds: float = setting(
        "GATEHOUSE_AUTHZ_EVENT_RETENTION_SECONDS",
        seconds(_DAY, 3660 * _DAY),
        default=30 * _DAY,
        doc="How long an event is kept; a consumer that stands still for longer misses some.",
    )

    def check(self) -> Iterator[str]:
        """Rules between fields, and the form of the sealing keys."""
        yield from super().check()
        try:
            parse_keys(self.key_encryption_key)
        except ValueError as fault:
            yield f"{_SEALING_KEYS} is not usable: {fault}"
        if self.refresh_idle_seconds > self.refresh_absolute_seconds:
            yield (
                "GATEHOUSE_AUTHZ_REFRESH_IDLE_SECONDS is longer than GATEHOUSE_AUTHZ_REFRESH_ABSOLUTE_SECONDS: "
                "make it at most as long."
            )

    def issuer_of(self, slug: str | None) -> str:
        """A tenant's issuer; None is the default tenant, at the root. Never taken from Host."""
        return self.issuer if slug is None else f"{self.issuer}/t/{slug}"
