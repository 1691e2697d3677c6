"""A changelog fragment is one small file of whole sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatehouse.checks import lints
from gatehouse.checks.rules.fragments import check_fragment


def test_a_sound_fragment_passes() -> None:
    assert list(check_fragment("par.added.md", "Pushed authorization requests (RFC 9126).\n")) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("par.md", "It is there."),
        ("par.new.md", "It is there."),
        ("PAR.added.md", "It is there."),
        ("par.added.txt", "It is there."),
        ("par.added.md", "\n"),
        ("par.added.md", "# PAR\n\nIt is there."),
        ("par.added.md", "- It is there."),
        ("par.added.md", "It is there"),
    ],
)
def test_a_malformed_fragment_is_found(name: str, text: str) -> None:
    assert len(list(check_fragment(name, text))) == 1


def test_the_lints_read_the_folder_of_fragments(tmp_path: Path) -> None:
    folder = tmp_path / "changelog.d"
    folder.mkdir()
    (folder / "README.md").write_text("# How to\n")
    (folder / "par.added.md").write_text("no stop")
    assert list(lints.report_fragments(tmp_path)) == [
        "changelog.d/par.added.md:1 changelog-fragment end with a full stop"
    ]
