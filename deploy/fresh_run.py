"""One `make run` of the newcomer on a terminal of its own: wait for the table, sign in, press Ctrl-C.

Run by deploy/fresh.sh with the host's Python, so it uses the standard library alone. Prints the wall time of each
part; exits 1 with what was seen when a part fails.
"""

from __future__ import annotations

import argparse
import errno
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

READY = "Ctrl-C stops everything"
STOPPED = "Stopped; the data is kept."
START_SECONDS = 900
STOP_SECONDS = 60
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Failure(Exception):
    """One sentence for the reader of `make fresh`."""


class Terminal:
    """A command on a pseudo-terminal, so that Ctrl-C is the real key."""

    def __init__(self, command: list[str]) -> None:
        self.text = ""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)  # noqa: S606

    def wait_for(self, words: str, seconds: float) -> None:
        """Read until `words` are shown."""
        until = time.monotonic() + seconds
        while words not in self.text:
            if not self._read(until - time.monotonic()):
                raise Failure(f"'{words}' was never shown.")

    def press_ctrl_c(self) -> None:
        """The terminal's own interrupt."""
        os.write(self._fd, b"\x03")

    def end(self, seconds: float) -> int:
        """Wait until the command has ended; answers its exit code as a shell would name it."""
        until = time.monotonic() + seconds
        while self._read(until - time.monotonic()):
            pass
        while time.monotonic() < until:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                code = os.waitstatus_to_exitcode(status)
                return 128 - code if code < 0 else code
            time.sleep(0.02)
        raise Failure("It did not end.")

    def kill(self) -> None:
        """Make an end when something else failed."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def _read(self, seconds: float) -> bool:
        """Read what there is; False at the end of output or of the time."""
        ready, _, _ = select.select([self._fd], [], [], max(0.0, seconds))
        if not ready:
            return False
        try:
            read = os.read(self._fd, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            read = b""  # the other side is closed
        self.text += _ESCAPES.sub("", read.decode(errors="replace"))
        return bool(read)


def inside(options: argparse.Namespace, *command: str) -> list[str]:
    """`command` in the newcomer's clone, with nothing of our environment."""
    home = f"/home/{options.user}"
    return [
        *("chroot", f"--userspec={options.user}:{options.user}", options.root, "/usr/bin/env", "-i"),
        *(f"HOME={home}", f"USER={options.user}", "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"),
        *("TERM=xterm", "COLUMNS=140"),
        *options.settings,
        *("sh", "-c", f'cd {home}/gatehouse && exec "$@"', "sh", *command),
    ]


def told(name: str, since: float) -> None:
    """One line of the report."""
    print(f"{name:34} {time.monotonic() - since:6.1f} s", flush=True)


def run(options: argparse.Namespace) -> None:
    """The whole of it; raises Failure."""
    since = time.monotonic()
    terminal = Terminal(inside(options, "make", "run"))
    try:
        terminal.wait_for(READY, START_SECONDS)
        told(f"{options.name} `make run` to its table", since)
        since = time.monotonic()
        signed_in = subprocess.run(  # noqa: S603
            inside(options, ".venv/bin/python", "deploy/sign_in.py", "--keep", f"/home/{options.user}/authenticator"),
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if signed_in.returncode:
            raise Failure(f"The sign-in failed:\n{signed_in.stdout}{signed_in.stderr}")
        told(f"{options.name} {signed_in.stdout.strip()}", since)
        since = time.monotonic()
        terminal.press_ctrl_c()
        code = terminal.end(STOP_SECONDS)
        if STOPPED not in terminal.text:
            raise Failure(f"'{STOPPED}' was not said; `make run` ended with {code}.")
        told(f"{options.name} Ctrl-C to the end (exit {code})", since)
    except (Failure, subprocess.TimeoutExpired) as failure:
        terminal.kill()
        raise Failure(f"{failure}\nThe end of what `make run` has shown:\n{terminal.text[-3000:]}") from failure


def main() -> int:
    """0 when all went well, otherwise 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True, type=Path, help="the folder of the Debian")
    parser.add_argument("--user", required=True, help="the newcomer")
    parser.add_argument("--name", required=True, help="cold or warm, for the report")
    parser.add_argument("settings", nargs="*", help="NAME=value of package clients")
    try:
        run(parser.parse_args())
    except Failure as failure:
        print(f"make fresh: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
