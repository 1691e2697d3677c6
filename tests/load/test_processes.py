"""Processor time from /proc."""

import os
import subprocess
import sys
import time

from load.processes import Cores, cpu_seconds, pinned

BURN = "import time\nwhile time.process_time() < 0.2: pass\n"


def burn(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_the_time_a_process_burns_is_counted() -> None:
    before = cpu_seconds([os.getpid()])
    burn(0.1)
    assert cpu_seconds([os.getpid()]) - before >= 0.08  # the kernel counts in ticks of 10 ms


def test_living_and_reaped_children_count_with_their_parent() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN!r}])\ninput()"],
        stdin=subprocess.PIPE,
    )
    try:
        while cpu_seconds([parent.pid]) < 0.15:  # each figure is cut to whole ticks
            assert parent.poll() is None
            time.sleep(0.01)
    finally:
        parent.communicate(b"\n")


def test_a_process_that_has_gone_counts_nothing() -> None:
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    assert cpu_seconds([gone.pid]) == 0


def test_what_is_started_inside_inherits_the_cores() -> None:
    mine = os.sched_getaffinity(0)
    one = frozenset([min(mine)])
    with pinned(one):
        child = subprocess.run(
            [sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"],
            capture_output=True,
            text=True,
            check=True,
        )
    assert child.stdout.strip() == str(set(one))
    assert os.sched_getaffinity(0) == mine


def test_the_tested_process_shares_its_core_with_nothing_else() -> None:
    cores = Cores.divide()
    if cores.tested is None:
        assert len(os.sched_getaffinity(0)) == 1
        return
    assert cores.others is not None
    assert not cores.tested & cores.others
