"""A skip is the last thing said, and on CI it fails the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SKIPPING = """\
import pytest

def test_that_passes():
    assert True

def test_that_skips():
    pytest.skip("no browser here")

@pytest.mark.xfail(reason="known")
def test_that_is_known_to_fail():
    assert False
"""
WHOLE_MODULE = 'import pytest\npytest.skip("no Node here", allow_module_level=True)\n'


def run(folder: Path, *arguments: str, ci: str | None) -> subprocess.CompletedProcess[str]:
    """pytest in its own process, on files of its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("CI", "PYTEST"))}
    # Without the plugins of everything installed each start is four times as fast.
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | ({"CI": ci} if ci is not None else {})
    plugin = ["-p", "gatehouse.checks.pytest_loud_skips", "-p", "xdist.plugin"]
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-c",
            os.devnull,
            f"--rootdir={folder}",
            *plugin,
            *arguments,
            str(folder),
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_skip_is_said_last_and_passes_on_a_desk(tmp_path: Path, workers: tuple[str, ...]) -> None:
    (tmp_path / "test_it.py").write_text(SKIPPING)
    done = run(tmp_path, *workers, ci=None)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.partition("1 SKIPPED, NOT PROVED")[2]
    assert "test_it.py::test_that_skips: no browser here" in said


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
@pytest.mark.parametrize("text", [SKIPPING, SKIPPING + WHOLE_MODULE], ids=["a test", "a module"])
def test_a_skip_fails_on_ci(tmp_path: Path, text: str, workers: tuple[str, ...]) -> None:
    (tmp_path / "test_it.py").write_text(text)
    (tmp_path / "test_other.py").write_text("def test_that_passes():\n    assert True\n")
    done = run(tmp_path, *workers, ci="true")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "a skip is a failure" in done.stdout


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_without_a_skip_ci_passes_and_nothing_is_said(tmp_path: Path, workers: tuple[str, ...]) -> None:
    (tmp_path / "test_it.py").write_text("def test_that_passes():\n    assert True\n")
    done = run(tmp_path, *workers, ci="true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT PROVED" not in done.stdout
