"""The map of sections to tests is complete, in order, and fails on a claim nobody proves."""

from __future__ import annotations

from pathlib import Path

import pytest

from gatehouse.checks import spec_map
from gatehouse.checks.musts import MAX_WORDS, BadMust, Must, musts_in
from gatehouse.checks.spec_marks import BadMark, Mark, marks_in

TESTS = """\
from identity_core.testing.spec import spec

@spec("RFC 7636 §4.6", "RFC 6749 §4.1.3")
async def test_a_wrong_verifier_is_refused(): ...

class TestScope:
    @spec("RFC 6749 §3.3")
    def test_an_unknown_scope_is_refused(self): ...

@spec("refresh-1")
@pytest.mark.parametrize("x", [pytest.param(1, marks=spec("RFC 6749 §10.4"))])
def test_a_replay_ends_the_family(x): ...
"""
MUSTS = """\
[[must]]
id = "refresh-1"
section = "RFC 6749 §6"
text = "a refresh token is bound to its client"

[[must]]
id = "implicit-1"
section = "RFC 6749 §4.2"
text = "the fragment carries the token"
not_applicable = "no implicit grant"
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tests/authz").mkdir(parents=True)
    (tmp_path / "tests/authz/test_token.py").write_text(TESTS)
    (tmp_path / spec_map.MUSTS).mkdir(parents=True)
    (tmp_path / spec_map.MUSTS / "oauth.toml").write_text(MUSTS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_marks_are_found_on_functions_classes_parameters_and_modules() -> None:
    text = TESTS + '\npytestmark = [spec("RFC 6749")]\n'
    assert {(mark.section, mark.test) for mark in marks_in("t.py", text) if isinstance(mark, Mark)} == {
        ("RFC 7636 §4.6", "t.py::test_a_wrong_verifier_is_refused"),
        ("RFC 6749 §4.1.3", "t.py::test_a_wrong_verifier_is_refused"),
        ("RFC 6749 §3.3", "t.py::TestScope::test_an_unknown_scope_is_refused"),
        ("refresh-1", "t.py::test_a_replay_ends_the_family"),
        ("RFC 6749 §10.4", "t.py::test_a_replay_ends_the_family"),
        ("RFC 6749", "t.py"),
    }


@pytest.mark.parametrize("mark", ["@spec()", "@spec(SECTION)", "@spec('')"])
def test_a_mark_that_cannot_be_collected_is_a_fault(mark: str) -> None:
    found = list(marks_in("t.py", f"{mark}\ndef test_x(): ...\n"))
    assert [type(mark) for mark in found] == [BadMark]


def test_sections_come_in_the_order_of_their_numbers() -> None:
    sections = ["RFC 9449 §4", "RFC 6749 §4.10", "RFC 6749 §4.9", "OpenID Connect Core §2"]
    assert sorted(sections, key=spec_map.in_order) == [
        "OpenID Connect Core §2",
        "RFC 6749 §4.9",
        "RFC 6749 §4.10",
        "RFC 9449 §4",
    ]


def test_the_map_written_passes_its_own_check_and_a_new_test_makes_it_stale(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert spec_map.main([]) == 0
    page = spec_map.MAP.read_text()
    assert "- `tests/authz/test_token.py::test_a_wrong_verifier_is_refused`" in page
    assert "*Not applicable: no implicit grant*" in page
    assert spec_map.main(["--check"]) == 0
    (repository / "tests/authz/test_more.py").write_text('@spec("RFC 6750 §2")\ndef test_x(): ...\n')
    assert spec_map.main(["--check"]) == 1
    assert "stale" in capsys.readouterr().out


def test_a_requirement_is_proved_by_its_id_or_its_section(repository: Path) -> None:
    assert spec_map.build(repository)[1] == []
    path = repository / "tests/authz/test_token.py"
    path.write_text(TESTS.replace('@spec("refresh-1")', '@spec("RFC 6749 §6")'))
    assert spec_map.build(repository)[1] == []


def test_a_claimed_requirement_without_a_test_fails(repository: Path) -> None:
    path = repository / "tests/authz/test_token.py"
    path.write_text(TESTS.replace('@spec("refresh-1")\n', ""))
    (fault,) = spec_map.build(repository)[1]
    assert fault.startswith("refresh-1 (RFC 6749 §6) is claimed and no test names it")
    assert spec_map.main([]) == 1


def test_one_id_names_one_requirement(repository: Path) -> None:
    (repository / spec_map.MUSTS / "second.toml").write_text(MUSTS)
    assert "refresh-1 is there twice" in "\n".join(spec_map.build(repository)[1])


@pytest.mark.parametrize(
    "text",
    [
        "must = 1",
        "other = 1",
        "[[must]",
        MUSTS + 'test = "tests/x.py"\n',
        MUSTS.replace('id = "refresh-1"', 'id = ""'),
        MUSTS.replace('"no implicit grant"', '""'),
        MUSTS.replace("a refresh token is", "word " * MAX_WORDS),
    ],
)
def test_a_malformed_requirement_is_a_fault(text: str) -> None:
    assert any(isinstance(must, BadMust) for must in musts_in("m.toml", text))


def test_a_sound_requirement_is_read() -> None:
    assert next(iter(musts_in("m.toml", MUSTS))) == Must(
        "refresh-1", "RFC 6749 §6", "a refresh token is bound to its client", ""
    )
