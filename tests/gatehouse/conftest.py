"""The command line, driven in process."""

import os
from pathlib import Path

import pytest

from tests.gatehouse.cli_driver import Gatehouse


@pytest.fixture
def gatehouse(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Gatehouse:
    """`gatehouse("doctor", "--json")` where no setting is given and the data folder is empty."""
    for name in [name for name in os.environ if name.startswith("GATEHOUSE_") and "TEST" not in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GATEHOUSE_DATA", str(tmp_path / "data"))
    return Gatehouse(capsys, monkeypatch, tmp_path / "data")
