"""Each own lint finds its breach where it is made, and leaves the sound way alone."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from gatehouse.checks import lints
from gatehouse.checks.source import Source
from tests.architecture.planted import SAMPLES, Sample

_VAGUE_FREE = "services/authz/http/token.py"


def _rules(path: str, text: str) -> set[str]:
    return {name for name, _ in lints.check(Source(PurePosixPath(path), text))}


def _id(sample: Sample) -> str:
    return f"{sample.rule}-{sample.path}"


@pytest.mark.parametrize("sample", SAMPLES, ids=_id)
def test_a_planted_breach_is_found(sample: Sample) -> None:
    assert _rules(sample.path, sample.planted) == {sample.rule}


@pytest.mark.parametrize("sample", SAMPLES, ids=_id)
def test_the_sound_way_is_left_alone(sample: Sample) -> None:
    path = _VAGUE_FREE if sample.rule == "vague-name" else sample.path
    assert _rules(path, sample.clean) == set()


def test_every_rule_has_a_planted_breach() -> None:
    assert {sample.rule for sample in SAMPLES} == {rule.name for rule in lints.RULES} | {"syntax"}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("services/authz/storage/clients.py", "QUERY = 'SELECT id FROM authz.client'\n"),
        ("services/authz/storage/unit_of_work.py", "async def end(c):\n    await c.commit()\n"),
        ("libs/identity_core/session_store/store.py", "async def end(c):\n    await c.commit()\n"),
        ("migrations/authz/versions/a1_clients.py", "QUERY = 'CREATE TABLE client (id uuid)'\n"),
        ("tests/authz/test_clock.py", "later = store.read(offset_ms=60_000)\n"),
        ("libs/identity_core/testing/clock.py", "later = store.read(offset_ms=60_000)\n"),
        ("services/authz/http/token.py", '"""SELECT nothing FROM here: this is prose."""\n'),
        ("services/authz/http/token.py", "now = time.time()\n"),
        ("libs/gatehouse/demo/app.py", "visit = visits.begin(visit)\n"),
    ],
)
def test_what_a_room_owns_it_may_do(path: str, text: str) -> None:
    assert _rules(path, text) == set()


def test_the_command_prints_file_line_and_rule_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planted = tmp_path / "services" / "authz" / "app.py"
    planted.parent.mkdir(parents=True)
    planted.write_text("import os\nfrom authlib.jose import jwt\n")
    monkeypatch.chdir(tmp_path)
    assert lints.main([]) == 1
    assert capsys.readouterr().out.startswith("services/authz/app.py:2 authlib-jose ")
    planted.write_text("import os\n")
    assert lints.main(["services/authz"]) == 0
    assert lints.main(["services/nowhere"]) == 2


def test_third_party_and_built_text_is_not_read(tmp_path: Path) -> None:
    for name in ("pages/static/htmx.min.js", "node_modules/x/index.js", "__pycache__/x.py"):
        path = tmp_path / "services" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("// line\n" * 500)
    assert list(lints.report(tmp_path, ["services"])) == []
