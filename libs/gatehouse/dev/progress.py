"""What `gatehouse dev` shows while it works, and the one table once everything is ready."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gatehouse.cli.output import say_json


class Progress(Protocol):
    """Told what happens; decides how it looks."""

    def step(self, name: str) -> Any:
        """A context in which this step is being worked on."""
        ...

    def ready(self, described: dict[str, Any], path: Path) -> None:
        """Everything answers; `described` is the content of dev.json at `path`."""
        ...

    def stopping(self) -> None:
        """The end was asked for."""
        ...

    def stopped(self) -> None:
        """Everything has ended."""
        ...


class ForPeople:
    """A spinner and a tick per step, then the table."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, width=None if sys.stdout.isatty() else 110)
        self._since = time.monotonic()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        since = time.monotonic()
        with self._console.status(f"{name} …"):
            yield
        self._console.print(f"[green]✓[/] {name}  [dim]{time.monotonic() - since:.1f} s[/]")

    def ready(self, described: dict[str, Any], path: Path) -> None:
        console = self._console
        console.print()
        console.print(table(described, path))
        console.print("\nAn admin token:")
        # Whole, however wide the terminal is: it is there to be copied.
        console.print(Text(_how_to(described)), soft_wrap=True)
        console.print(
            f"\nReady in {time.monotonic() - self._since:.1f} s. Ctrl-C stops everything and keeps the data.\n"
        )

    def stopping(self) -> None:
        self._console.print("Stopping …")

    def stopped(self) -> None:
        self._console.print("[green]✓[/] Stopped; the data is kept.")


class ForPrograms:
    """One JSON document when everything is ready; the secrets stay in dev.json."""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        yield

    def ready(self, described: dict[str, Any], path: Path) -> None:
        shown = ("issuer", "scim_base_url", "sessions_base_url", "management", "demo_url", "ca_file")
        say_json({"ready": True, "dev_json": str(path)} | {k: described[k] for k in shown if k in described})

    def stopping(self) -> None:
        """Nothing: the exit code says the rest."""

    def stopped(self) -> None:
        """Nothing: the exit code says the rest."""


def table(described: dict[str, Any], path: Path) -> Table:
    """Addresses and credentials of a house that is ready."""
    made = Table(title="Gatehouse is ready", title_justify="left", title_style="bold green", show_header=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    management = described["management"]
    rows: list[tuple[str, str]] = []
    if described.get("demo_url"):
        rows.append(("Demo application", described["demo_url"]))
    rows += [
        ("OpenID provider", f"{described['issuer']}/.well-known/openid-configuration"),
        ("SCIM directory", described["scim_base_url"]),
        ("Sessions", described["sessions_base_url"]),
        ("Management", "  ".join(management.values())),
        ("User", described["user"]["username"]),
        ("Password", described["user"]["password"]),
        ("Admin client", f"{described['admin']['client_id']}  {described['admin']['client_secret']}"),
        ("SCIM token", described["scim"]["token"]),
        ("Everything else", str(path)),
    ]
    if "ca_file" in described:
        rows.append(("Trust this authority", described["ca_file"]))
    for name, value in rows:
        made.add_row(name, Text(value))
    return made


def _how_to(described: dict[str, Any]) -> str:
    """A line to paste; the secret in it is in the table above as well."""
    authority = f"--cacert {described['ca_file']} " if "ca_file" in described else ""
    admin = described["admin"]
    return (
        f"curl {authority}-u {admin['client_id']}:{admin['client_secret']} -d grant_type=client_credentials "
        f"-d scope=sessions:read -d resource={described['sessions_base_url']} {admin['token_endpoint']}"
    )
