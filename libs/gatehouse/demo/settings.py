"""The demo's settings, given by `gatehouse dev`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from identity_core.settings import Settings, choice, path, setting, text, url


@dataclass(frozen=True, kw_only=True)
class DemoSettings(Settings):
    """Where the demo is, and which provider it trusts with which client."""

    service: ClassVar[str] = "demo"

    base_url: str = setting("GATEHOUSE_DEMO_URL", url(), doc="The demo's own address.")
    issuer: str = setting("GATEHOUSE_DEMO_ISSUER", url(), doc="The OpenID provider.")
    client_id: str = setting("GATEHOUSE_DEMO_CLIENT_ID", text(), doc="The demo's client.")
    client_secret: str = setting("GATEHOUSE_DEMO_CLIENT_SECRET", text(), secret=True, doc="Its secret.")
    cookie_key: str = setting(
        "GATEHOUSE_DEMO_COOKIE_KEY", text(), secret=True, doc="What signs the demo's session cookie."
    )
    ca_file: Path | None = setting(
        "GATEHOUSE_DEMO_CA_FILE", path(), default=None, doc="The authority that signed the provider's certificate."
    )
    tls_certfile: Path | None = setting(
        "GATEHOUSE_DEMO_TLS_CERTFILE", path(), default=None, doc="Serve TLS with this chain."
    )
    tls_keyfile: Path | None = setting("GATEHOUSE_DEMO_TLS_KEYFILE", path(), default=None, doc="The key of the chain.")
    otel: Literal["off", "console", "otlp"] = setting(
        "GATEHOUSE_DEMO_OTEL", choice("off", "console", "otlp"), default="off", doc="Where spans go."
    )
    otel_endpoint: str | None = setting(
        "GATEHOUSE_DEMO_OTEL_ENDPOINT", url(), default=None, doc="The OTLP/HTTP traces endpoint."
    )
    otel_sample: float = 1.0

    def check(self) -> Iterator[str]:
        """A certificate without its key cannot be served."""
        if (self.tls_certfile is None) != (self.tls_keyfile is None):
            yield "GATEHOUSE_DEMO_TLS_CERTFILE and GATEHOUSE_DEMO_TLS_KEYFILE belong together: set both."

    @property
    def host(self) -> str:
        """The address to listen on."""
        return urlsplit(self.base_url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        """The port to listen on."""
        parts = urlsplit(self.base_url)
        return parts.port or (443 if parts.scheme == "https" else 80)
