"""The children of `gatehouse dev`: started, watched and ended, none left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gatehouse.dev.children import Child, Order, first_death, stop_in_order
from gatehouse.faults import CommandFault, ExitCode

STAYS = (
    "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(0)); print('up', flush=True); time.sleep(600)"
)
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


def order(tmp_path: Path, script: str, name: str = "child") -> Order:
    return Order(
        name=name,
        command=[sys.executable, "-c", script],
        environment={"PATH": os.defpath},
        log=tmp_path / "logs" / f"{name}.log",
    )


async def started(tmp_path: Path, script: str, name: str = "child") -> Child:
    """A child that has printed its first line."""
    child = await Child.start(order(tmp_path, script, name))
    while not child.order.log.read_bytes():  # noqa: ASYNC110 - a file tells nobody
        await asyncio.sleep(0.01)
    return child


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def gone(pid: int) -> None:
    while runs(pid):  # noqa: ASYNC110 - the system tells nobody
        await asyncio.sleep(0.01)


async def test_a_child_is_asked_to_end(tmp_path: Path) -> None:
    child = await started(tmp_path, STAYS)
    await child.stop()
    assert await child.ended() == 0
    assert not runs(child.pid)


async def test_a_child_that_will_not_end_is_killed(tmp_path: Path) -> None:
    child = await started(tmp_path, STUBBORN)
    await child.stop(seconds=0.1)
    assert await child.ended() == -signal.SIGKILL


async def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}])\nprint(p.pid, flush=True)\ntime.sleep(600)"
    )
    child = await started(tmp_path, script)
    grandchild = int(child.order.log.read_text().split()[0])
    await child.stop()
    await gone(grandchild)


async def test_children_end_in_the_opposite_order_of_their_start(tmp_path: Path) -> None:
    mark = tmp_path / "order"
    script = (
        "import signal, sys, time\n"
        "def end(*_):\n    open({mark!r}, 'a').write({name!r})\n    exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\nprint('up', flush=True)\ntime.sleep(600)"
    )
    children = [await started(tmp_path, script.format(mark=str(mark), name=n), n) for n in "abc"]
    await stop_in_order(children)
    assert mark.read_text() == "cba"


async def test_the_first_death_is_noticed_and_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    lives = await started(tmp_path, STAYS, "lives")
    dies = await Child.start(order(tmp_path, "print('one'); print('two'); raise SystemExit(7)", "dies"))
    try:
        assert await first_death([lives, dies]) is dies
        fault = dies.death()
    finally:
        await lives.stop()
    assert fault.exit_code is ExitCode.CHILD
    assert fault.message == "dies ended by itself (code 7)"
    assert fault.mend.endswith("  one\n  two")


async def test_a_child_that_explained_itself_is_quoted_with_its_own_code(tmp_path: Path) -> None:
    said = "import sys; print('gatehouse: Port 8000 is taken: choose another.', file=sys.stderr); exit(6)"
    child = await Child.start(order(tmp_path, said, "authz"))
    await child.ended()
    fault = child.death()
    assert fault.exit_code is ExitCode.PORT
    assert fault.sentence == "authz: Port 8000 is taken: choose another."


async def test_a_child_killed_by_a_signal_is_told_so(tmp_path: Path) -> None:
    child = await started(tmp_path, STAYS)
    os.kill(child.pid, signal.SIGKILL)
    await child.ended()
    assert "signal 9" in child.death().message


async def test_a_program_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    missing = Order(name="x", command=[str(tmp_path / "none")], environment={}, log=tmp_path / "x.log")
    with pytest.raises(CommandFault) as caught:
        await Child.start(missing)
    assert caught.value.exit_code is ExitCode.CHILD


async def test_a_log_tells_of_one_run_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    for word in ("old", "new"):
        child = await Child.start(order(tmp_path, f"print({word!r})"))
        await child.ended()
    log = tmp_path / "logs" / "child.log"
    assert log.read_text() == "new\n"
    assert log.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_no_child_outlives_a_killed_orchestrator(tmp_path: Path) -> None:
    parent = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom gatehouse.dev.children import Child, Order\n"
        f"async def main():\n    c = await Child.start(Order(name='c', command=[sys.executable, '-c', {STAYS!r}],"
        f" environment={{'PATH': '/usr/bin'}}, log=Path({str(tmp_path / 'c.log')!r})))\n"
        "    print(c.pid, flush=True)\n    await asyncio.sleep(600)\nasyncio.run(main())"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        process.kill()
    for _ in range(1000):
        if not runs(child):
            return
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the child outlived its parent")
