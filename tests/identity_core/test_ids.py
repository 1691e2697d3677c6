"""Identifiers (identity_core.ids)."""

import json
from pathlib import Path
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity_core import ids
from identity_core.testing.spec import spec

VECTOR = json.loads((Path(__file__).parents[1] / "vectors" / "uuid7_rfc9562.json").read_text())


@spec("RFC 9562 §5.7")
def test_a_uuid7_carries_version_variant_and_milliseconds_as_the_rfc_example_does() -> None:
    for value in (UUID(VECTOR["uuid"]), ids.uuid7(VECTOR["unix_ts_ms"])):
        assert value.int >> 80 == VECTOR["unix_ts_ms"]
        assert value.version == VECTOR["version"]
        assert value.variant == RFC_4122


@spec("RFC 9562 §6.2")
def test_ids_of_one_process_only_grow() -> None:
    made = [ids.uuid7() for _ in range(5_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


@spec("RFC 9562 §6.2")
def test_ids_grow_although_the_system_clock_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ids.uuid7()
    monkeypatch.setattr("identity_core.ids.time.time_ns", lambda: 1_000_000)
    after = [ids.uuid7() for _ in range(3)]
    assert [before, *after] == sorted([before, *after])


def test_ids_of_one_given_millisecond_grow_and_keep_it() -> None:
    made = [ids.uuid7(1_700_000_000_000) for _ in range(1_000)]
    assert made == sorted(set(made))
    assert {value.int >> 80 for value in made} == {1_700_000_000_000}


def test_a_given_time_in_the_past_or_future_is_taken_as_it_is_and_moves_no_other_id() -> None:
    assert ids.uuid7(5_000_000_000_000).int >> 80 == 5_000_000_000_000
    assert ids.uuid7(1).int >> 80 == 1
    assert ids.uuid7().int >> 80 < 5_000_000_000_000


@pytest.mark.parametrize("wrong", [-1, (1 << 48) - 1, 1 << 48])
def test_a_time_that_does_not_fit_is_refused(wrong: int) -> None:
    with pytest.raises(ValueError, match="48 bits"):
        ids.uuid7(wrong)


@given(st.uuids())
def test_the_short_form_has_22_characters_and_comes_back(value: UUID) -> None:
    text = ids.short(value)
    assert len(text) == 22
    assert ids.from_short(text) == value


@given(st.uuids(), st.integers(0, 21), st.characters())
def test_a_short_form_with_another_character_is_another_id_or_none(value: UUID, at: int, other: str) -> None:
    text = ids.short(value)
    changed = text[:at] + other + text[at + 1 :]
    if changed != text:
        assert ids.from_short(changed) != value


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "A" * 21,
        "A" * 23,
        "A" * 22 + "==",
        "A" * 21 + "B",  # trailing bits that are not zero
        "A" * 21 + "+",
        "A" * 20 + "/A",
        "A" * 21 + "\n",
        "é" * 22,
        "A" * 20 + "==",
        "00000000-0000-7000-8000-000000000001",
    ],
)
def test_a_text_that_is_not_the_canonical_short_form_is_none(wrong: str) -> None:
    assert ids.from_short(wrong) is None
