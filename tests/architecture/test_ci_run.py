"""`.ci/run` hands on the way to the package indexes and nothing else, and one failed step fails the whole."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def ci_run(folder: Path, make: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of the script with a `make` that does as told."""
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", folder / ".ci/run")
    programs = folder / "programs"
    programs.mkdir()
    (programs / "make").write_text(f"#!/bin/sh\ntarget=$2\n{make}\n")
    (programs / "make").chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", str(folder / ".ci/run")],
        env={"PATH": path, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_step_runs_and_tells_its_minutes(tmp_path: Path) -> None:
    done = ci_run(tmp_path, "exit 0")
    assert done.returncode == 0, done.stdout + done.stderr
    for step in ("venv", "check", "test", "test-system"):
        assert f"== make {step}: 0.0 minutes" in done.stdout


@pytest.mark.parametrize("step", ["venv", "check", "test", "test-system"])
def test_one_failed_step_fails_the_run(tmp_path: Path, step: str) -> None:
    done = ci_run(tmp_path, f'[ "$target" != {step} ]')
    assert done.returncode == 1
    assert f"== failed: {step}" in done.stdout


def test_the_environment_is_clean_but_for_the_way_to_the_indexes(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".config/pip").mkdir(parents=True)
    (home / ".config/pip/pip.conf").touch()
    (home / ".npmrc").touch()
    done = ci_run(
        tmp_path,
        "env | sort; exit 0",
        HOME=str(home),
        PIP_TIMEOUT="9",
        UV_CACHE_DIR="/cache",
        HTTPS_PROXY="http://proxy.example:3128",
        SSL_CERT_FILE="/certs.pem",
        GATEHOUSE_DATABASE_URL="postgresql://somewhere",
        PYTEST_ADDOPTS="--collect-only",
    )
    said = set(done.stdout.splitlines())
    assert {"PIP_TIMEOUT=9", "UV_CACHE_DIR=/cache", "HTTPS_PROXY=http://proxy.example:3128"} <= said
    assert {"SSL_CERT_FILE=/certs.pem", "CI=true", "UV_PYTHON_DOWNLOADS=never"} <= said
    assert f"PIP_CONFIG_FILE={home}/.config/pip/pip.conf" in said
    assert f"NPM_CONFIG_USERCONFIG={home}/.npmrc" in said
    assert f"HOME={home}" not in said
    assert "GATEHOUSE_DATABASE_URL" not in done.stdout
    assert "PYTEST_ADDOPTS" not in done.stdout
