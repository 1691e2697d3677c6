"""Where a server's data lies: kept in a named folder, or thrown away when the server stops.

Kept:       <base>/postgresql-18/ (data), postgresql-18.log, postgresql-18.lock, postgresql-18.password
Throw-away: the same in <temporary folder>/gatehouse-dev-…/, removed on stop, or by the next start if we died.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gatehouse.dev.devservers.accounts import Account, can_enter, server_account
from gatehouse.dev.devservers.errors import DevServerError
from gatehouse.dev.devservers.processes import processes_in, signal_all, wait_until
from gatehouse.dev.devservers.programs import cache_folder

_PREFIX = "gatehouse-dev-"
_RUN_LOCK = "run.lock"


@dataclass(slots=True)
class Place:
    """A server's folders; whoever holds one holds its lock.

    `base` belongs to us (log, password); `data` to `account`, which can also enter the folder `data` is in.
    """

    base: Path
    data: Path
    account: Account | None
    keep: bool
    _lock: int

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.base / f"{self.data.name}.log"

    def last_words(self) -> str:
        """The line of the log that best tells why a server did not start."""
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        telling = [line for line in lines if "FATAL" in line or "PANIC" in line or "rror" in line]
        return (telling or lines or ["it printed nothing"])[-1].strip()

    def close(self) -> None:
        """Let go of the lock, and of throw-away data altogether."""
        if self._lock < 0:
            return
        if not self.keep:
            shutil.rmtree(self.base, ignore_errors=True)
        os.close(self._lock)
        self._lock = -1


def kept_place(base: Path, name: str) -> Place:
    """The place `<base>/<name>`, once servers of a dead parent have ended. DevServerError if in use."""
    base = base.absolute()
    try:
        base.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        lock = _locked(base / f"{name}.lock")
    except OSError as error:
        raise DevServerError(f"Cannot use {base}: {error.strerror}.") from error
    if lock is None:
        raise DevServerError(f"{base / name} is in use by another run; stop that one first.")
    try:
        account = server_account(base / name)
        data = _reachable_data(base, name, account)
        _await_survivors(data)
    except BaseException:
        os.close(lock)
        raise
    place = Place(base, data, account, True, lock)
    place.log.unlink(missing_ok=True)  # a log tells of one run
    return place


def throw_away_place(parent: Path | None, name: str) -> Place:
    """A new place in `parent` or the temporary folder, whichever the server's account can enter."""
    account = server_account()
    choices = [*([parent.absolute()] if parent else []), Path(tempfile.gettempdir()), Path("/tmp")]  # noqa: S108
    roof = next((c for c in choices if c.is_dir() and can_enter(c, account)), None)
    if roof is None:
        raise DevServerError(f"The servers' account cannot enter any of {', '.join(map(str, choices))}.")
    _sweep(roof)
    # Locked before it has the name that the sweep of another process looks for.
    making = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=roof))
    lock = _locked(making / _RUN_LOCK)
    if lock is None:
        raise DevServerError(f"Somebody else took {making}, which was made just now.")
    if account is not None:
        making.chmod(0o711)
    base = making.rename(roof / making.name.removeprefix("."))
    return Place(base, base / name, account, False, lock)


def _reachable_data(base: Path, name: str, account: Account | None) -> Path:
    """`<base>/<name>`, or the folder elsewhere that it links to when `account` cannot come through `base`."""
    data = base / name
    if data.is_symlink() or (data.exists() and can_enter(base, account)):
        return data.resolve()
    if can_enter(base, account):
        return data
    if data.exists() or account is None:
        raise DevServerError(f"{data} exists, but the servers' account cannot reach it; move it or remove it.")
    home = cache_folder(account) / f"data-{hashlib.sha256(str(base).encode()).hexdigest()[:12]}"
    home.mkdir(mode=0o711, exist_ok=True)
    if (home / name).exists():
        # Nothing points to it any more: its link was removed to forget it (`make clean-dev`).
        shutil.rmtree(home / name)
    data.symlink_to(home / name)
    return home / name


def _await_survivors(data: Path) -> None:
    """A server whose parent was killed is shutting down; one started to outlive its parent is not."""
    if data.exists():
        wait_until(
            lambda: not processes_in(data),
            10,
            lambda: f"A server (pid {processes_in(data)}) still runs in {data}; stop it first.",
        )


def _locked(path: Path) -> int | None:
    """An open, locked descriptor of `path`, or None when somebody else holds the lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _sweep(roof: Path) -> None:
    """Remove throw-away places whose owner was killed, and end what it left frozen in them."""
    for folder in roof.glob(f"{_PREFIX}*"):
        try:
            if folder.is_symlink() or folder.lstat().st_uid != os.geteuid() or not (folder / _RUN_LOCK).exists():
                continue
            lock = _locked(folder / _RUN_LOCK)
        except OSError:
            continue
        if lock is not None:
            signal_all(processes_in(folder), signal.SIGKILL)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
