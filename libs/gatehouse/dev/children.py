"""The processes of a development house: started so that they die with us, watched, and ended in order."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gatehouse.faults import CommandFault, ExitCode

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_TAIL_LINES = 12
_TAIL_BYTES = 8_000
STOP_SECONDS = 15.0
# A child that is `gatehouse serve` ends with one of our codes and one sentence.
_EXPLAINED = frozenset({ExitCode.SETTINGS, ExitCode.STORE, ExitCode.MIGRATION, ExitCode.PORT})
_SAID = "gatehouse: "


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to start: `environment` is all the child gets to see; its output goes to `log`."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path


class Child:
    """One running child, the leader of a process group of its own so that Ctrl-C reaches only us."""

    def __init__(self, order: Order, process: asyncio.subprocess.Process) -> None:
        self.order = order
        self._process = process
        self._stopped = False

    @classmethod
    async def start(cls, order: Order) -> Child:
        """Start it with an empty log. Raises CommandFault when the program cannot be run."""
        order.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log:
                process = await asyncio.create_subprocess_exec(
                    *order.command,
                    env=dict(order.environment),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=_die_with(_libc, os.getpid()) if _libc else None,
                )
        except OSError as error:
            raise CommandFault(
                ExitCode.CHILD, f"{order.name} cannot be started ({error.strerror})", "run `make venv`"
            ) from error
        return cls(order, process)

    async def tell(self, settings: Mapping[str, str]) -> None:
        """One line of JSON on its standard input, which then ends; a child that died meanwhile is noticed elsewhere."""
        stream = self._process.stdin
        if stream is None:
            return
        with suppress(ConnectionError):
            stream.write(json.dumps(dict(settings)).encode() + b"\n")
            await stream.drain()
        stream.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ended(self) -> int:
        """Wait for its end; answers its return code (negative: the signal)."""
        return await self._process.wait()

    async def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ask with SIGTERM, insist with SIGKILL to the whole group; returns when nothing of it runs. Once."""
        if self._stopped:
            return  # its process id may be another's by now
        self._stopped = True
        if self.alive:
            self._process.send_signal(signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), seconds)
        _kill_group(self._process.pid)
        await self._process.wait()

    def death(self) -> CommandFault:
        """What to say when it ended although nobody asked it to: its own sentence, or the end of its log."""
        code = self._process.returncode or 0
        tail = tail_of(self.order.log)
        last = tail.rpartition("\n")[2].strip()
        if code in _EXPLAINED and last.startswith(_SAID):
            return CommandFault.from_sentence(ExitCode(code), f"{self.order.name}: {last.removeprefix(_SAID)}")
        how = f"signal {-code}" if code < 0 else f"code {code}"
        shown = f"; the end of {self.order.log}:\n{tail}" if tail else f"; {self.order.log} is empty"
        return CommandFault(
            ExitCode.CHILD, f"{self.order.name} ended by itself ({how})", f"see its log and start again{shown}"
        )


def tail_of(log: Path) -> str:
    """The last lines of a log, indented."""
    try:
        content = log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(f"  {line}" for line in content.strip().splitlines()[-_TAIL_LINES:])


async def stop_in_order(children: Sequence[Child]) -> None:
    """Stop the newest first, one after another; a second interruption does not leave any behind."""
    for child in reversed(children):
        await asyncio.shield(asyncio.ensure_future(child.stop()))


async def first_death(children: Sequence[Child]) -> Child:
    """Wait until one of them ends."""
    waits = {asyncio.ensure_future(child.ended()): child for child in children}
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return waits[next(iter(done))]
    finally:
        for task in waits:
            task.cancel()


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):  # mostly nothing of the group is left, as it should be
        os.killpg(pid, signal.SIGKILL)


def _die_with(libc: ctypes.CDLL, parent: int) -> Callable[[], None]:
    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the call
            os._exit(1)

    return arrange
