"""One key for every spelling of a user name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity_core.testing.spec import spec
from identity_core.usernames import username_key


@spec("RFC 7643 §4.1.1")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@Example.com", "ada@example.com"),
        ("ADA", "ada"),
        ("stra\u00dfe", "STRASSE"),
        ("\uff21\uff24\uff21", "ada"),  # full-width letters
        ("cafe\u0301", "caf\u00e9"),  # composed and decomposed
        ("  ada ", "ada"),  # white space that phones add
        ("\u212bngstr\u00f6m", "\u00e5ngstr\u00f6m"),  # the Ångström sign
    ],
)
def test_spellings_of_one_name_have_one_key(one: str, other: str) -> None:
    assert username_key(one) == username_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("ada", "adam"), ("ada", "\u0430d\u0430"), ("a.da", "ada"), ("a da", "ada")]
)
def test_different_names_have_different_keys(one: str, other: str) -> None:
    assert username_key(one) != username_key(other)


@given(st.text())
def test_the_key_of_a_key_is_itself(text: str) -> None:
    assert username_key(username_key(text)) == username_key(text)
