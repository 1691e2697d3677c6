"""What `make test` needs beside Python: `python -m gatehouse.checks.needs browser|stores`.

Brings it when it can: as root on a Debian by apt, else a browser by Playwright. When it cannot, it says so
and exits 0: the tests which need the thing skip, loudly, and on CI a skip is a failure (`pytest_loud_skips`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

_BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# Debian keeps the server's programs out of PATH, one folder for each major version.
_POSTGRES_FOLDERS = Path("/usr/lib/postgresql")
_APT_SECONDS = 900


def browser_path() -> Path | None:
    """The Chromium a test may launch: CHROMIUM in the environment, one on PATH, or Playwright's own."""
    named = os.environ.get("CHROMIUM", "")
    found = next((path for name in (named, *_BROWSERS) if name and (path := shutil.which(name))), None)
    return Path(found) if found else _playwright_browser()


def _playwright_browser() -> Path | None:
    default = Path.home() / ".cache" / "ms-playwright"
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or default)
    found = sorted(path for path in folder.glob("chromium-*/chrome-linux*/chrome") if os.access(path, os.X_OK))
    return found[-1] if found else None


def postgres_path() -> Path | None:
    """The `postgres` program of the system, of the newest version there is."""
    if found := shutil.which("postgres"):
        return Path(found)
    versions = [path for path in _POSTGRES_FOLDERS.glob("*/bin/postgres") if os.access(path, os.X_OK)]
    return max(versions, key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0, default=None)


def redis_path() -> Path | None:
    """The `redis-server` program of the system."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    return Path(found) if found else None


def _attempt(command: Sequence[str], environment: dict[str, str] | None = None) -> bool:
    print("+", *command, flush=True)
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=_APT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        print(f"{command[0]}: {fault}", file=sys.stderr)
        return False
    return done.returncode == 0


def _apt(packages: Iterable[str]) -> bool:
    """Install Debian packages; False when this is no Debian, we are not root, or it failed."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    # RUNLEVEL 1: programs are wanted, not services; the tests start servers of their own.
    environment = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "RUNLEVEL": "1"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    return _attempt(["apt-get", "update", "-qq"], environment) and _attempt(install, environment)


def bring_browser() -> str | None:
    """Make sure of a Chromium. None when there is one, else what a person should do."""
    if browser_path() is None and not _apt(["chromium"]):
        _attempt([sys.executable, "-m", "playwright", "install", "chromium"])
    return None if browser_path() else "no Chromium: apt install chromium, or set CHROMIUM to one"


def bring_stores() -> str | None:
    """Make sure of the system's PostgreSQL and Redis. None when there, else what a person should do."""
    missing = [
        package for package, path in (("postgresql", postgres_path()), ("redis-server", redis_path())) if path is None
    ]
    if missing:
        _apt(missing)
    if postgres_path() and redis_path():
        return None
    return f"no PostgreSQL or no Redis of the system: apt install {' '.join(missing)}"


NEEDS: dict[str, Callable[[], str | None]] = {"browser": bring_browser, "stores": bring_stores}


def main(arguments: Sequence[str]) -> int:
    """Bring each need by name; the exit code is 2 for a name that is none, else 0."""
    unknown = [name for name in arguments if name not in NEEDS]
    if unknown:
        print(f"unknown need {', '.join(unknown)}; known: {', '.join(NEEDS)}", file=sys.stderr)
        return 2
    for name in arguments:
        if advice := NEEDS[name]():
            print(f"{name}: {advice}; the tests which need it will skip", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
