"""Settings: one frozen class per service, read once from the environment, every fault reported at once.

A service adds its own fields in a few lines:

    @dataclass(frozen=True, kw_only=True)
    class AuthzSettings(ServiceSettings):
        service: ClassVar[str] = "authz"
        code_seconds: float = setting("GATEHOUSE_AUTHZ_CODE_SECONDS", seconds(1, 600), default=60.0, doc="…")
        kek: bytes = setting("GATEHOUSE_AUTHZ_KEK", key(32), secret=True, doc="…")

        def check(self) -> Iterator[str]:        # rules between fields, one sentence each
            yield from super().check()

    settings = load(AuthzSettings, os.environ)   # raises SettingsError: .faults is a list of sentences

`{SERVICE}` in a name stands for the service's own name in capitals. A secret may also be given as
`<NAME>_FILE`, the path of a file that holds it. An unknown `GATEHOUSE_*` name is a fault (with the nearest
known one suggested), except those of other rooms: `SHARED_NAMES`, any `GATEHOUSE_<OTHER SERVICE>_…`, and what
`known_elsewhere` lists. Secret values appear neither in `repr` nor in a fault.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from identity_core.settings_kinds import (
    Kind,
    boolean,
    choice,
    integer,
    key,
    networks,
    number,
    path,
    seconds,
    text,
    texts,
    url,
)
from identity_core.settings_reading import (
    SERVICES,
    SHARED_NAMES,
    PerService,
    Row,
    Settings,
    SettingsError,
    describe,
    load,
    name_of,
    names,
    setting,
)


@dataclass(frozen=True, kw_only=True)
class ServiceSettings(Settings):
    """What all three services need."""

    env: Literal["development", "production"] = setting(
        "GATEHOUSE_ENV",
        choice("development", "production"),
        default="production",
        doc="`development` allows http for the issuer and the base URLs, and loopback host names.",
    )
    database_url: str = setting(
        "GATEHOUSE_{SERVICE}_DATABASE_URL",
        text(prefixes=("postgresql://", "postgres://", "postgresql+asyncpg://")),
        secret=True,
        doc="PostgreSQL as this service's own role: `postgresql://role:password@host:port/database`.",
    )
    redis_url: str = setting(
        "GATEHOUSE_REDIS_URL",
        text(prefixes=("redis://", "rediss://", "unix://")),
        secret=True,
        doc="Redis or Valkey: `redis://[user:password@]host:port[/database]`.",
    )
    tag_key: bytes = setting(
        "GATEHOUSE_TAG_KEY",
        key(32),
        secret=True,
        doc="The key of users' hash tags in Redis. The same for all services, fixed for life.",
    )
    issuer: str = setting(
        "GATEHOUSE_ISSUER",
        url(),
        doc="The default tenant's issuer, as relying parties write it. https outside development.",
    )
    scim_base_url: str = setting(
        "GATEHOUSE_SCIM_BASE_URL",
        url(),
        doc="The public base URL of the SCIM directory, also its audience.",
    )
    sessions_base_url: str = setting(
        "GATEHOUSE_SESSIONS_BASE_URL",
        url(),
        doc="The public base URL of the session control plane, also its audience.",
    )
    host: str = setting(
        "GATEHOUSE_{SERVICE}_HOST", text(), default="127.0.0.1", doc="The address the service listens on."
    )
    port: int = setting(
        "GATEHOUSE_{SERVICE}_PORT",
        integer(0, 65535),
        default=PerService({"authz": 8000, "scim": 8001, "sessions": 8002}),
        doc="The port the service listens on (0: any free one).",
    )
    management_host: str = setting(
        "GATEHOUSE_{SERVICE}_MANAGEMENT_HOST",
        text(),
        default="127.0.0.1",
        doc="The address of the management listener (health, metrics). Not for the public.",
    )
    management_port: int = setting(
        "GATEHOUSE_{SERVICE}_MANAGEMENT_PORT",
        integer(0, 65535),
        default=PerService({"authz": 8100, "scim": 8101, "sessions": 8102}),
        doc="The port of the management listener.",
    )
    tls_certfile: Path | None = setting(  # noqa: RUF009
        "GATEHOUSE_TLS_CERTFILE", path(), default=None, doc="Serve TLS with this certificate chain (PEM)."
    )
    tls_keyfile: Path | None = setting(  # noqa: RUF009
        "GATEHOUSE_TLS_KEYFILE", path(), default=None, doc="The private key of the certificate (PEM)."
    )
    db_pool_size: int = setting(
        "GATEHOUSE_DB_POOL_SIZE",
        integer(3, 200),
        default=10,
        doc="PostgreSQL connections per process. Summed over processes it must stay under max_connections.",
    )
    lease_seconds: float = setting(
        "GATEHOUSE_LEASE_SECONDS",
        seconds(2, 60),
        default=5.0,
        doc="How long a process may answer from Redis after its last complete check against the ledger.",
    )
    log_level: str = setting(
        "GATEHOUSE_LOG_LEVEL",
        choice("debug", "info", "warning", "error"),
        default="info",
        doc="The least level that is logged.",
    )
    otel: Literal["off", "console", "otlp"] = setting(
        "GATEHOUSE_OTEL",
        choice("off", "console", "otlp"),
        default="off",
        doc="Where spans go: nowhere, to standard error, or by OTLP over HTTP to GATEHOUSE_OTEL_ENDPOINT.",
    )
    otel_endpoint: str | None = setting(
        "GATEHOUSE_OTEL_ENDPOINT",
        url(),
        default=None,
        doc="The OTLP/HTTP traces endpoint, for instance `http://collector:4318/v1/traces`.",
    )
    otel_sample: float = setting(
        "GATEHOUSE_OTEL_SAMPLE",
        number(0, 1),
        default=1.0,
        doc="The share of requests traced from here on, 0 to 1; a caller's own decision is followed.",
    )
    trusted_proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = setting(
        "GATEHOUSE_TRUSTED_PROXIES",
        networks(),
        default=(),
        doc="Networks (CIDR, comma-separated) of the proxies whose X-Forwarded-For is believed.",
    )

    def check(self) -> Iterator[str]:
        if self.env == "production":
            for name in ("issuer", "scim_base_url", "sessions_base_url"):
                if not _secure(getattr(self, name)):
                    yield (
                        f"{name_of(type(self), name)} must be https outside development: "
                        "give an https URL, or set GATEHOUSE_ENV=development."
                    )
        if (self.tls_certfile is None) != (self.tls_keyfile is None):
            yield "GATEHOUSE_TLS_CERTFILE and GATEHOUSE_TLS_KEYFILE belong together: set both or neither."
        if self.otel == "otlp" and self.otel_endpoint is None:
            yield "GATEHOUSE_OTEL=otlp needs GATEHOUSE_OTEL_ENDPOINT: set it to the collector's traces URL."


def _secure(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


__all__ = [
    "SERVICES",
    "SHARED_NAMES",
    "Kind",
    "PerService",
    "Row",
    "ServiceSettings",
    "Settings",
    "SettingsError",
    "boolean",
    "choice",
    "describe",
    "integer",
    "is_loopback",
    "key",
    "load",
    "name_of",
    "names",
    "networks",
    "number",
    "path",
    "seconds",
    "setting",
    "text",
    "texts",
    "url",
]
