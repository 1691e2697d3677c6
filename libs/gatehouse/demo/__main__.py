"""`python -m gatehouse.demo`: the demo until SIGTERM; its settings come from GATEHOUSE_DEMO_*."""

from __future__ import annotations

import os
import sys
from typing import cast

import uvicorn

from gatehouse.demo.app import create_app
from gatehouse.demo.settings import DemoSettings
from identity_core import telemetry
from identity_core.settings import ServiceSettings, SettingsError, load


def main() -> int:
    """Serve; 3 when the settings cannot be used."""
    try:
        settings = load(DemoSettings, os.environ)
    except SettingsError as error:
        print("\n".join(f"gatehouse: {fault}" for fault in error.faults), file=sys.stderr)
        return 3
    # The tracer reads the three otel fields alone.
    traces = telemetry.configure(cast(ServiceSettings, settings), "demo")
    uvicorn.run(
        create_app(settings, telemetry=traces),
        host=settings.host,
        port=settings.port,
        ssl_certfile=settings.tls_certfile,
        ssl_keyfile=settings.tls_keyfile,
        log_level="warning",
        timeout_graceful_shutdown=5,
        server_header=False,
        proxy_headers=False,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
