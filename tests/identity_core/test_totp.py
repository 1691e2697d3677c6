"""Time-based one-time passwords (identity_core.totp)."""

import json
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity_core import totp
from identity_core.testing.spec import spec

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "totp_rfc6238.json").read_text())
SECRET = b"12345678901234567890"
NOW = 1_111_111_111.0
STEP = totp.step_at(NOW)


@spec("RFC 6238 Appendix B")
@pytest.mark.parametrize("row", VECTORS["codes"], ids=lambda row: str(row["time"]))
@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256", "SHA512"])
def test_the_codes_are_those_of_the_rfc(row: dict[str, object], algorithm: totp.Algorithm) -> None:
    secret = VECTORS["secrets"][algorithm].encode()
    step = totp.step_at(float(str(row["time"])))
    assert totp.code_at(secret, step, digits=8, algorithm=algorithm) == row[algorithm]


@spec("RFC 6238 §5.2")
@pytest.mark.parametrize(("steps_away", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_matches_at_most_one_step_from_now(steps_away: int, taken: bool) -> None:
    code = totp.code_at(SECRET, STEP + steps_away)
    assert totp.matching_step(SECRET, code, NOW) == (STEP + steps_away if taken else None)


def test_without_a_window_only_the_present_step_matches() -> None:
    assert totp.matching_step(SECRET, totp.code_at(SECRET, STEP), NOW, window=0) == STEP
    assert totp.matching_step(SECRET, totp.code_at(SECRET, STEP - 1), NOW, window=0) is None


def test_a_step_lasts_from_its_first_second_to_just_before_the_next() -> None:
    assert [totp.step_at(second) for second in (0, 29.999, 30, 59.9, 60)] == [0, 0, 1, 1, 2]


def test_the_first_step_of_time_has_no_step_before_it() -> None:
    assert totp.matching_step(SECRET, totp.code_at(SECRET, 0), 3.0) == 0


def test_a_code_may_be_typed_with_spaces() -> None:
    code = totp.code_at(SECRET, STEP)
    assert totp.matching_step(SECRET, f" {code[:3]} {code[3:]} ", NOW) == STEP


@pytest.mark.parametrize("zero", ["٠", "۰", "０", "०", "𝟎"])
def test_digits_of_other_scripts_are_refused(zero: str) -> None:
    code = totp.code_at(SECRET, STEP)
    foreign = "".join(chr(ord(zero) + int(digit)) for digit in code)
    assert totp.matching_step(SECRET, foreign, NOW) is None
    assert totp.matching_step(SECRET, code[:5] + foreign[5], NOW) is None


@pytest.mark.parametrize("wrong", ["", "      ", "05047", "0050471", "05047a", "-50471", "+50471", "05047\n", "5.0471"])
def test_a_code_that_is_not_six_digits_matches_nothing(wrong: str) -> None:
    assert totp.matching_step(SECRET, wrong, NOW) is None


@given(st.text(max_size=20))
@settings(max_examples=50)
def test_no_text_makes_the_check_raise(code: str) -> None:
    assert totp.matching_step(SECRET, code, NOW) in (None, STEP - 1, STEP, STEP + 1)


def test_a_malformed_code_does_not_match_a_step_whose_code_is_all_zeros() -> None:
    secret, step = bytes(20), 137_605
    assert totp.code_at(secret, step) == "000000"
    assert totp.matching_step(secret, "000000", step * 30.0) == step
    assert totp.matching_step(secret, "wrong", step * 30.0) is None


@spec("RFC 6238 §5.2")
def test_only_a_step_later_than_the_last_taken_is_accepted() -> None:
    assert totp.accept_step(10, None)
    assert totp.accept_step(11, 10)
    assert not totp.accept_step(10, 10)
    assert not totp.accept_step(9, 10)


@spec("RFC 4226 §4")
@pytest.mark.parametrize("length", [0, 10, 14, 19])
def test_row_65_a_secret_under_160_bits_is_refused(length: int) -> None:
    for use in (
        lambda: totp.code_at(bytes(length), 1),
        lambda: totp.matching_step(bytes(length), "123456", NOW),
        lambda: totp.provisioning_uri(bytes(length), account="alice", issuer="Gatehouse"),
        lambda: totp.secret_text(bytes(length)),
    ):
        with pytest.raises(ValueError, match="160 bits"):
            use()


def test_new_secrets_have_160_bits_and_differ() -> None:
    assert len(totp.new_secret()) == 20
    assert totp.new_secret() != totp.new_secret()


@pytest.mark.parametrize("window", [-1, 2, 10])
def test_a_wider_window_than_one_step_is_refused(window: int) -> None:
    with pytest.raises(ValueError, match="window"):
        totp.matching_step(SECRET, "123456", NOW, window)


def test_the_provisioning_uri_names_issuer_account_and_secret() -> None:
    uri = totp.provisioning_uri(SECRET, account="alice@example.org", issuer="Gate: house & co")
    parts = urlsplit(uri)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/Gate  house & co:alice@example.org"
    query = parse_qs(parts.query)
    assert query == {"secret": ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"], "issuer": ["Gate  house & co"]}
    assert totp.secret_text(SECRET) == query["secret"][0]
