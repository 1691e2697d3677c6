"""import-linter, with our contracts, catches an import that runs the wrong way."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Rooms of the house that a plant needs to stand in; empty, so that the real code's state does not matter.
ROOMS = (
    "services/authz/app.py",
    "services/authz/http/__init__.py",
    "services/authz/storage/__init__.py",
    "services/authz/settings.py",
    "services/authz/grants/__init__.py",
    "services/authz/ports.py",
    "services/authz/protocol/__init__.py",
    "services/scim/app.py",
    "services/scim/http/__init__.py",
    "services/scim/storage/__init__.py",
    "services/scim/resource_types/__init__.py",
    "services/scim/protocol/__init__.py",
    "services/sessions/http/__init__.py",
    "services/sessions/storage/__init__.py",
    "services/sessions/protocol/__init__.py",
    "libs/identity_core/db.py",
    "libs/identity_core/ids.py",
    "libs/identity_core/jose/__init__.py",
    "libs/gatehouse/cli/__init__.py",
)
LAYERS_AUTHZ = "authz: imports run one way"
LAYERS_SCIM = "scim: imports run one way"
LAYERS_SESSIONS = "sessions: imports run one way"
APART = "no service imports another, identity_core imports no service, nothing imports gatehouse"
PURE = "protocol/ is pure"
ONE_DOOR = "only identity_core.jose imports joserfc"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    for name in ROOMS:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for package in ("authz", "scim", "sessions"):
        (tmp_path / "services" / package / "__init__.py").touch()
    for package in ("identity_core", "gatehouse"):
        (tmp_path / "libs" / package / "__init__.py").touch()
    # import-linter wants to have seen what it protects.
    (tmp_path / "libs/identity_core/jose/__init__.py").write_text("import joserfc\n")
    # The contract type of our own must be importable from the copy as well.
    shutil.copytree(
        ROOT / "libs/gatehouse/checks",
        tmp_path / "libs/gatehouse/checks",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken_contracts(house: Path) -> set[str]:
    """The names of the contracts that import-linter finds broken in a copy of the house."""
    paths = f"{house / 'services'}{os.pathsep}{house / 'libs'}"
    lint = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    done = subprocess.run(
        [sys.executable, "-c", lint, "--no-cache", "--no-logo"],
        cwd=house,
        env={**os.environ, "PYTHONPATH": paths, "COLUMNS": "500"},
        capture_output=True,
        text=True,
        check=False,
    )
    names = set(re.findall(r"^(.*) BROKEN$", done.stdout, re.MULTILINE))
    assert "Contracts:" in done.stdout, done.stdout + done.stderr
    assert (done.returncode != 0) == bool(names), done.stdout
    return names


def test_a_sound_house_keeps_every_contract(house: Path) -> None:
    (house / "services/authz/protocol/__init__.py").write_text("from identity_core import ids, jose\n")
    assert broken_contracts(house) == set()


@pytest.mark.parametrize(
    ("room", "planted", "contracts"),
    [
        ("services/authz/protocol/__init__.py", "import authz.storage", {LAYERS_AUTHZ, PURE}),
        ("services/authz/protocol/__init__.py", "import authz.settings", {PURE}),
        ("services/authz/ports.py", "import authz.grants", {LAYERS_AUTHZ}),
        ("services/authz/http/__init__.py", "import authz.storage", {LAYERS_AUTHZ}),
        ("services/authz/storage/__init__.py", "import authz.app", {LAYERS_AUTHZ}),
        ("services/scim/resource_types/__init__.py", "import scim.http", {LAYERS_SCIM}),
        ("services/sessions/storage/__init__.py", "import sessions.http", {LAYERS_SESSIONS}),
        ("services/authz/app.py", "import scim.app", {APART}),
        ("libs/identity_core/db.py", "import sessions", {APART}),
        ("services/scim/app.py", "import gatehouse.cli", {APART}),
        ("services/authz/protocol/__init__.py", "import asyncio", {PURE}),
        ("services/scim/protocol/__init__.py", "from starlette.requests import Request", {PURE}),
        ("services/sessions/protocol/__init__.py", "from identity_core import db", {PURE}),
        # A shared pure module which itself is not pure would carry the event loop into the rules.
        ("libs/identity_core/ids.py", "import asyncio", {PURE}),
        ("services/authz/app.py", "import joserfc", {ONE_DOOR}),
        ("libs/identity_core/db.py", "from joserfc import jwt", {ONE_DOOR}),
    ],
)
def test_a_planted_import_breaks_its_contract(house: Path, room: str, planted: str, contracts: set[str]) -> None:
    (house / room).write_text(f"{planted}\n")
    assert broken_contracts(house) == contracts
