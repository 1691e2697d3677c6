"""The lock names no address, has a hash for everything, and follows pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from gatehouse.checks.lock import faults, read_lock

ROOT = Path(__file__).parents[2]
PYPROJECT = {
    "project": {},
    "dependency-groups": {"base": ["httpx>=0.28"], "dev": [{"include-group": "base"}, "PyYAML>=6"]},
}
LOCK = """\
httpx==0.28.1 \\
    --hash=sha256:aa
    # via gatehouse (pyproject.toml:dev)
idna==3.10 \\
    --hash=sha256:bb
    # via httpx
pyyaml==6.0.2 ; sys_platform != 'x' \\
    --hash=sha256:cc
    # via
    #   gatehouse (pyproject.toml:dev)
    #   other
"""


def test_the_lock_of_this_repository_is_sound() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert list(faults(pyproject, (ROOT / "requirements.lock").read_text())) == []


def test_the_lock_names_no_host() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"https?:|//|--(extra-)?index-url|--find-links|\b[\w-]+\.(org|com|net|io|internal)\b", lock)


def test_the_lock_pins_uv_so_that_pip_can_fetch_it_by_hash() -> None:
    assert read_lock((ROOT / "requirements.lock").read_text())["uv"].hashes > 0


def test_a_lock_in_step_has_no_faults() -> None:
    assert list(faults(PYPROJECT, LOCK)) == []


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        (f"--index-url https://index.example/simple\n{LOCK}", "names an address"),
        (LOCK.replace("httpx==0.28.1 \\", "httpx @ https://files.example/h.whl \\"), "names an address"),
        (LOCK.replace("    --hash=sha256:bb\n", ""), "idna has no hash"),
        (LOCK.replace("pyyaml", "ruamel-yaml"), "PyYAML is in pyproject.toml and not in the lock"),
        (LOCK.replace("0.28.1", "0.27.0"), "httpx 0.27.0 is locked, >=0.28 is asked for"),
        (LOCK.replace("# via httpx", "# via gatehouse (pyproject.toml:dev)"), "idna is locked as asked for"),
    ],
)
def test_a_lock_out_of_step_is_found(lock: str, said: str) -> None:
    assert any(said in fault for fault in faults(PYPROJECT, lock))
