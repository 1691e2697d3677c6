"""The demo in a container: as `python -m gatehouse.demo`, but listening on every address of the container.

The demo listens where its own URL says, which is this machine's loopback; what comes through a published port arrives
from outside the container. compose.yaml publishes it on the host's loopback alone.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import cast

import uvicorn

from gatehouse.demo.app import create_app
from gatehouse.demo.settings import DemoSettings
from identity_core import telemetry
from identity_core.settings import ServiceSettings, SettingsError, load


def main() -> int:
    """Serve until SIGTERM; 3 when the settings cannot be used."""
    try:
        settings = load(DemoSettings, os.environ)
    except SettingsError as error:
        print("\n".join(f"gatehouse: {fault}" for fault in error.faults), file=sys.stderr)
        return 3
    # The tracer reads the three otel fields alone.
    traces = telemetry.configure(cast(ServiceSettings, settings), "demo")
    app = create_app(settings, telemetry=traces)
    # uvicorn sends itself the signal again when it has shut down: an exit, so that the last spans are still sent.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    everywhere = "0.0.0.0"  # noqa: S104
    try:
        uvicorn.run(
            app, host=everywhere, port=settings.port, log_level="warning", server_header=False, proxy_headers=False
        )
    finally:
        traces.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
