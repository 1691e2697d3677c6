"""What the tests need is found where it is, and a missing thing is told without failing the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatehouse.checks import needs


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing installed and nothing that could install it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "browsers"))
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(needs, "_POSTGRES_FOLDERS", tmp_path / "postgresql")
    return tmp_path


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_browser_is_found_by_name_on_path_or_among_playwrights(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert needs.browser_path() is None
    own = program(bare / "browsers/chromium-1200/chrome-linux64/chrome")
    assert needs.browser_path() == own
    on_path = program(bare / "chromium")
    assert needs.browser_path() == on_path
    named = program(bare / "my-chrome")
    monkeypatch.setenv("CHROMIUM", str(named))
    assert needs.browser_path() == named


def test_the_newest_postgres_of_the_system_is_found(bare: Path) -> None:
    assert needs.postgres_path() is None
    program(bare / "postgresql/9/bin/postgres")
    newest = program(bare / "postgresql/15/bin/postgres")
    assert needs.postgres_path() == newest


def test_what_is_missing_is_told_and_the_tests_go_on(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert needs.main(["stores"]) == 0
    assert "apt install postgresql redis-server" in capsys.readouterr().err


def test_a_need_that_is_none_is_an_error() -> None:
    assert needs.main(["coffee"]) == 2
