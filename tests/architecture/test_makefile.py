"""The front door: `make` lists what there is, and says in one sentence what it misses."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def program(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the Makefile, a lock and no virtual environment."""
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / "requirements.lock").touch()
    return tmp_path


def test_make_lists_every_target_that_has_a_line(clone: Path) -> None:
    listed = re.findall(r"^  make ([a-z-]+) +\S", make(clone).stdout, re.MULTILINE)
    assert {"venv", "run", "check", "test", "bench", "load", "fresh", "soak", "lock", "hooks"} <= set(listed)


def test_a_missing_python_is_told_in_one_sentence(clone: Path) -> None:
    done = make(clone, "venv", "PYTHON=no-such-python")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer, and 'no-such-python' was not found" in done.stderr


def test_an_old_python_is_told_in_one_sentence(clone: Path) -> None:
    old = program(clone / "python3.9", "exit 1")
    done = make(clone, "venv", f"PYTHON={old}")
    assert done.returncode != 0
    assert f"{old} is older" in done.stderr


def test_a_python_without_venv_is_told_what_to_install(clone: Path) -> None:
    bare = program(clone / "python3", 'case "$2" in *ensurepip*) exit 1;; esac')
    done = make(clone, "venv", f"PYTHON={bare}")
    assert done.returncode != 0
    assert "apt install python3-venv" in done.stderr


def test_a_virtual_environment_in_step_with_the_lock_is_left_alone(clone: Path) -> None:
    (clone / ".venv").mkdir()
    (clone / ".venv/.stamp").touch()
    assert "Nothing to be done" in make(clone, "venv", "PYTHON=no-such-python").stdout


def test_every_target_can_be_looked_at_without_running_it(clone: Path) -> None:
    (clone / ".venv").mkdir()
    (clone / ".venv/.stamp").touch()
    for target in re.findall(r"^([a-z-]+):.*## ", (clone / "Makefile").read_text(), re.MULTILINE):
        done = make(clone, "-n", target)
        assert done.returncode == 0, (target, done.stderr)
