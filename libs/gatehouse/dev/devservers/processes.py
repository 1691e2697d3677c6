"""Server processes: started so that they die with us, frozen, thawed and ended."""

import contextlib
import ctypes
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from gatehouse.dev.devservers.accounts import Account
from gatehouse.dev.devservers.errors import DevServerError

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_PROC = Path("/proc")


class _Launcher:
    """A thread that lives as long as this process and starts every server.

    Linux sends the parent-death signal when the *thread* that forked ends, so a server started from a pool's
    thread would die with that thread.
    """

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]]
        self._work = queue.SimpleQueue()
        threading.Thread(target=self._run, name="devservers-launcher", daemon=True).start()

    def launch(self, start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        answer: Future[subprocess.Popen[bytes]] = Future()
        self._work.put((start, answer))
        return answer.result()

    def _run(self) -> None:
        while True:
            start, answer = self._work.get()
            try:
                answer.set_result(start())
            except BaseException as error:  # the caller raises it
                answer.set_exception(error)


_launchers: dict[int, _Launcher] = {}  # by process: a forked child has no thread of its parent's
_launchers_lock = threading.Lock()


def _the_launcher() -> _Launcher:
    with _launchers_lock:
        return _launchers.get(os.getpid()) or _launchers.setdefault(os.getpid(), _Launcher())


def _in_child(parent: int, death_signal: signal.Signals | None) -> Callable[[], None]:
    def arrange() -> None:  # runs in the child after the uid changed, which would have cleared the death signal
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # a caller that waits with sigwait has some blocked
        if death_signal is not None and _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != parent:  # the parent died before the call
                os._exit(1)

    return arrange


def launch(
    command: Sequence[str | Path],
    *,
    folder: Path,
    log: Path,
    account: Account | None,
    death_signal: signal.Signals | None,
) -> subprocess.Popen[bytes]:
    """Start `command` as `account`, in a session of its own, output appended to `log`, a bare environment.

    `death_signal` is what it gets when this process ends (Linux only); None lets it live on.
    """

    def start() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                [str(word) for word in command],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,  # Ctrl-C is ours to hear; we then stop services before stores
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                preexec_fn=_in_child(os.getpid(), death_signal),  # noqa: PLW1509 - one thread starts them all
            )

    try:
        return _the_launcher().launch(start)
    except (OSError, subprocess.SubprocessError) as error:
        raise DevServerError(f"Cannot start {command[0]}: {error}.") from error


def processes_in(folder: Path) -> list[int]:
    """The processes that work in `folder` or below: a server and all its children (empty without /proc)."""
    inside = str(folder.resolve())
    found = []
    for entry in _PROC.iterdir() if _PROC.exists() else ():
        if entry.name.isdigit():
            try:
                here = os.readlink(entry / "cwd").removesuffix(" (deleted)")
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue  # gone meanwhile, or another user's
            if (here == inside or here.startswith(inside + "/")) and state not in "ZX":
                found.append(int(entry.name))
    return found


def processes_are_visible() -> bool:
    """Whether `processes_in` can tell (Linux)."""
    return _PROC.exists()


def signal_all(pids: Sequence[int], number: signal.Signals) -> None:
    """Send a signal to each; one that has gone is no error."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


class ServerProcess:
    """One running server and its children, known by the folder they work in."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._frozen = False

    @property
    def pid(self) -> int:
        """The server's main process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the main process still runs (a frozen one does)."""
        return self._process.poll() is None

    def freeze(self) -> None:
        """SIGSTOP every process: connections stay open and nothing answers."""
        if not self.alive:
            raise DevServerError("A server that is not running cannot be frozen.")
        self._frozen = True
        os.kill(self.pid, signal.SIGSTOP)  # first, so that it starts no more children
        signal_all(processes_in(self._folder), signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT every process; no harm when none is frozen."""
        if self._frozen:
            self._frozen = False
            signal_all([*processes_in(self._folder), *([self.pid] if self.alive else [])], signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL every process at once, as a power cut would."""
        self._frozen = False
        if self.alive:
            os.kill(self.pid, signal.SIGSTOP)
        signal_all([*processes_in(self._folder), *([self.pid] if self.alive else [])], signal.SIGKILL)
        self._process.wait()
        _until(lambda: not processes_in(self._folder), 10)

    def stop(self, number: signal.Signals, seconds: float = 15) -> None:
        """Ask with a signal, insist with SIGKILL; returns when every process is gone."""
        self.thaw()
        if self.alive:
            os.kill(self.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        if self.alive or not _until(lambda: not processes_in(self._folder), 2):
            self.kill()


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def wait_until(holds: Callable[[], bool], seconds: float, failure: Callable[[], str]) -> None:
    """Poll every 10 ms until `holds`; after `seconds` raise DevServerError with what `failure` says."""
    if not _until(holds, seconds):
        raise DevServerError(failure())


def start_on_port(name: str, port: int | None, start: Callable[[int], None], log: Path) -> int:
    """Call `start` with `port`, or with free ones until one is not taken meanwhile; the port it took."""
    for _ in range(1 if port else 5):
        chosen = port or free_port()
        try:
            start(chosen)
            return chosen
        except DevServerError:
            if "in use" not in log.read_text(errors="replace"):
                raise
    raise DevServerError(f"{name} cannot start: port {port or 'after port'} is in use.")


def free_port() -> int:
    """A loopback TCP port that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
