"""Drives the command line in process: one call, its exit code, what it printed."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gatehouse.cli.app import run
from identity_core.testing import sessions
from identity_core.testing.stores import Postgres

# That of every test: one Redis serves all of a worker's, and knows under which key it was filled.
TAG_KEY = base64.b64encode(sessions.TAG_KEY).decode()


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output as the one document it is."""
        return json.loads(self.out)

    def error(self) -> dict[str, str]:
        """The fault of `--json`."""
        error: dict[str, str] = json.loads(self.err)["error"]
        return error


class Gatehouse:
    """`gatehouse("client", "list")` in an environment that the test chooses."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self.data = data

    def __call__(self, *arguments: str, stdin: str = "") -> Ended:
        import io

        self._capsys.readouterr()
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = run(arguments)
        captured = self._capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    def set(self, **names: str) -> None:
        """Environment variables."""
        for name, value in names.items():
            self._monkeypatch.setenv(name, value)

    def unset(self, *names: str) -> None:
        """Take them away again."""
        for name in names:
            self._monkeypatch.delenv(name, raising=False)

    def use(self, postgres: Postgres, redis_url: str) -> None:
        """The settings of all three services on these stores."""
        self.set(
            GATEHOUSE_ENV="development",
            GATEHOUSE_DATABASE_URL=postgres.owner_url,
            GATEHOUSE_AUTHZ_DATABASE_URL=postgres.authz_url,
            GATEHOUSE_SCIM_DATABASE_URL=postgres.scim_url,
            GATEHOUSE_SESSIONS_DATABASE_URL=postgres.sessions_url,
            GATEHOUSE_REDIS_URL=redis_url,
            GATEHOUSE_TAG_KEY=TAG_KEY,
            GATEHOUSE_KEY_ENCRYPTION_KEY=f"k1:{TAG_KEY}",
            GATEHOUSE_ISSUER="http://localhost:8000",
            GATEHOUSE_SCIM_BASE_URL="http://localhost:8001/scim/v2",
            GATEHOUSE_SESSIONS_BASE_URL="http://localhost:8002",
        )
