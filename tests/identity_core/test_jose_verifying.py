"""The rules of verification, each with its wrongs (identity_core.jose.verifying)."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity_core import base64url, jose
from identity_core.jose import Reason
from identity_core.testing.keys import public_keys, signing_key
from identity_core.testing.spec import spec
from tests.identity_core.jose_forging import (
    AUDIENCE,
    CLAIMS,
    KEY,
    KEYS,
    NOW,
    check,
    claims,
    forge,
    header,
    reason,
)

GOOD = jose.sign(KEY, CLAIMS, "at+jwt")


def signed(**changes: Any) -> str:
    return forge(header(), claims(**changes))


def test_a_good_token_tells_its_claims_and_how_they_were_checked() -> None:
    answer = check(GOOD)
    assert answer == jose.VerifiedClaims(
        claims=CLAIMS,
        kid=KEY.kid,
        alg="ES256",
        typ="at+jwt",
        audience=(AUDIENCE,),
        expires_at=NOW + 300,
        issued_at=NOW - 10,
    )
    assert isinstance(answer, jose.VerifiedClaims)
    assert answer.subject == "alice"


@spec("RFC 7515 §7.1")
@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "...", "a.b", GOOD + ".", "." + GOOD, GOOD + ".AA", GOOD + "=", GOOD + "\n", " " + GOOD],
)
def test_a_token_has_exactly_three_canonical_segments(token: str) -> None:
    assert reason(token) is Reason.MALFORMED


def test_every_character_of_a_token_counts() -> None:
    for at in range(len(GOOD)):
        for other in ("A", "B", "_", "=", "é", "."):
            changed = GOOD[:at] + other + GOOD[at + 1 :]
            if changed != GOOD:
                assert reason(changed) is not None
    for length in range(len(GOOD)):
        assert reason(GOOD[:length]) is not None


@spec("RFC 7515 §4")
@pytest.mark.parametrize(
    "head",
    [
        b'{"alg":"ES256","alg":"ES256","kid":"k","typ":"at+jwt"}',
        b'{"alg":"none","alg":"ES256"}',
        b'{"alg":"ES256","x":{"a":1,"a":2}}',
        b"[]",
        b"null",
        b'"ES256"',
        b"",
        b"{",
        b"{} {}",
        b'\xef\xbb\xbf{"alg":"ES256"}',
        b'{"alg":"ES256","x":"\xff"}',
        b'{"alg":"ES256","x":NaN}',
        json.dumps({"alg": "ES256"}).encode("utf-16"),
    ],
)
def test_a_header_that_is_not_one_plain_object_is_refused(head: bytes) -> None:
    assert reason(forge(head, CLAIMS)) is Reason.MALFORMED


@spec("RFC 7519 §4")
@pytest.mark.parametrize(
    "payload",
    [
        b'{"iss":"https://evil.example","iss":"https://id.example.org","exp":1800000300}',
        b'{"a":{"b":1,"b":1}}',
        b"[1]",
        b"1",
        b"",
        b"{]",
        b'{"exp":NaN}',
        b'{"exp":Infinity}',
        b'{"exp":-Infinity}',
        b'{"exp":1e999}',
        b'{"exp":99999999999999999999}',
        b'{"exp":' + b"9" * 5000 + b"}",
        b'{"sub":"\xc3\x28"}',
        b'{"sub":"\\ud800"}',
        b'{"sub":"\\u0000"}',
        b'{"a\\u0000":1}',
        b'{"a":[{"b":"x\\udfff"}]}',
        b'{"exp":1800000300,}',
        b"{'exp':1800000300}",
        b'{"exp":1800000300}\x00',
    ],
)
def test_a_payload_that_is_not_one_plain_object_is_refused(payload: bytes) -> None:
    assert reason(forge(header(), payload)) is Reason.MALFORMED
    assert jose.peek(forge(header(), payload)) == jose.Refusal(Reason.MALFORMED)


def test_escaped_text_that_can_be_stored_is_taken() -> None:
    payload = json.dumps(claims(name="Zoë \U0001f600 \\u0000")).encode()
    assert b"\\ud83d" in payload
    answer = check(forge(header(), payload))
    assert isinstance(answer, jose.VerifiedClaims)
    assert answer.claims["name"] == "Zoë \U0001f600 \\u0000"


@spec("RFC 8725 §3.11", "RFC 7515 §4.1.9")
@pytest.mark.parametrize(
    ("typ", "taken"),
    [
        ("at+jwt", True),
        ("AT+JWT", True),
        ("application/at+jwt", True),
        ("Application/AT+jwt", True),
        ("JWT", False),
        ("", False),
        (None, False),
        ("at+jwt ", False),
        ("x/at+jwt", False),
        (1, False),
        (["at+jwt"], False),
    ],
)
def test_the_type_must_be_the_expected_one(typ: Any, taken: bool) -> None:
    assert reason(forge(header(typ=typ), CLAIMS)) is (None if taken else Reason.TYPE)


def test_a_header_without_a_type_is_taken_only_where_that_is_said() -> None:
    untyped = forge(header(typ=None), CLAIMS)
    assert reason(untyped, typ=frozenset({"JWT", ""})) is None
    assert reason(untyped, typ=frozenset({"JWT"})) is Reason.TYPE
    assert reason(GOOD, typ=frozenset({""})) is Reason.TYPE
    assert reason(GOOD, typ=frozenset()) is Reason.TYPE
    assert reason(GOOD, typ=frozenset({"application/AT+JWT"})) is None


@spec("RFC 7515 §4.1.4")
def test_the_kid_chooses_the_key() -> None:
    other = signing_key("ES256", "other")
    both = public_keys(KEY, other)
    assert reason(jose.sign(other, CLAIMS, "at+jwt"), keys=both) is None
    assert reason(forge(header(kid=other.kid), CLAIMS), keys=both) is Reason.SIGNATURE
    assert reason(forge(header(kid="unknown"), CLAIMS), keys=both) is Reason.UNKNOWN_KEY
    assert reason(forge(header(kid=""), CLAIMS), keys=both) is Reason.UNKNOWN_KEY
    for kid in (1, ["x"], {"a": "b"}, True):
        assert reason(forge(header(kid=kid), CLAIMS), keys=both) is Reason.MALFORMED


@spec("OIDC Core §10.1")
def test_a_token_without_kid_is_taken_only_when_there_is_one_key() -> None:
    unnamed = forge(header(kid=None), CLAIMS)
    assert reason(unnamed) is None
    assert reason(unnamed, keys=public_keys(KEY, signing_key("ES256", "other"))) is Reason.UNKNOWN_KEY
    assert reason(unnamed, keys={}) is Reason.UNKNOWN_KEY
    assert reason(forge({**header(), "kid": None}, CLAIMS)) is Reason.MALFORMED


@spec("RFC 7519 §4.1.4")
@pytest.mark.parametrize(
    ("seconds_ago", "leeway", "expected"),
    [
        (-1, 0, None),
        (0, 0, Reason.EXPIRED),
        (0, 5, None),
        (4.9, 5, None),
        (5, 5, Reason.EXPIRED),
        (86_400, 5, Reason.EXPIRED),
    ],
)
def test_a_token_ends_at_exp_and_the_leeway(seconds_ago: float, leeway: float, expected: Reason | None) -> None:
    assert reason(signed(exp=int(NOW)), now=NOW + seconds_ago, leeway=leeway) is expected


@spec("OIDC RP-Initiated Logout §2")
def test_an_expired_token_is_taken_as_a_hint_if_all_else_is_right() -> None:
    old = signed(exp=int(NOW) - 86_400, iat=int(NOW) - 90_000)
    assert reason(old) is Reason.EXPIRED
    assert reason(old, allow_expired=True) is None
    assert reason(signed(exp=None), allow_expired=True) is Reason.CLAIM
    assert reason(signed(exp=1, iss="x"), allow_expired=True) is Reason.ISSUER
    assert reason(signed(exp=1, nbf=int(NOW) + 60), allow_expired=True) is Reason.NOT_YET_VALID
    assert reason(old[:-9] + "AAAAAAAAA", allow_expired=True) in (Reason.SIGNATURE, Reason.MALFORMED)


@spec("RFC 7519 §4.1.5", "RFC 7519 §4.1.6")
@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_from_the_future_is_not_yet_valid(name: str) -> None:
    assert reason(signed(**{name: NOW + 5})) is None
    assert reason(signed(**{name: NOW + 5.5})) is Reason.NOT_YET_VALID
    assert reason(signed(**{name: NOW + 0.5}), leeway=0) is Reason.NOT_YET_VALID
    assert reason(signed(**{name: None})) is None


@spec("RFC 7519 §2")
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["1800000300", True, False, [], {}, -1, 253_402_300_800, 1e300, "", [1]])
def test_a_date_that_is_no_number_of_seconds_is_refused(name: str, value: Any) -> None:
    assert reason(signed(**{name: value})) is Reason.CLAIM


def test_a_date_that_is_null_is_refused() -> None:
    for name in ("exp", "nbf", "iat"):
        assert reason(forge(header(), {**CLAIMS, name: None})) is Reason.CLAIM


def test_a_token_without_an_end_is_refused() -> None:
    assert reason(signed(exp=None)) is Reason.CLAIM


@spec("RFC 7519 §4.1.3")
def test_the_audience_is_one_string_or_a_list_of_strings() -> None:
    assert reason(signed(aud=AUDIENCE)) is None
    assert reason(signed(aud=["x", AUDIENCE])) is None
    assert reason(signed(aud=["x"]), audience=frozenset({"x", "y"})) is None
    assert reason(signed(aud=["z"]), audience=frozenset({"x", "y"})) is Reason.AUDIENCE
    assert reason(signed(), audience=frozenset()) is Reason.AUDIENCE
    for wrong in ({AUDIENCE: 1}, [AUDIENCE, 1], 1, True, [[AUDIENCE]]):
        assert reason(signed(aud=wrong)) is Reason.CLAIM
        assert reason(signed(aud=wrong), audience=None) is Reason.CLAIM


def test_without_an_expected_audience_the_caller_is_told_what_it_is() -> None:
    for aud, told in ((None, ()), ("x", ("x",)), (["x", "y"], ("x", "y"))):
        answer = check(signed(aud=aud), audience=None)
        assert isinstance(answer, jose.VerifiedClaims)
        assert answer.audience == told


@pytest.mark.parametrize("name", ["sub", "jti"])
@pytest.mark.parametrize("value", [1, True, [], {"a": 1}])
def test_subject_and_token_id_are_text(name: str, value: Any) -> None:
    assert reason(signed(**{name: value})) is Reason.CLAIM


def test_a_token_of_exactly_16_kib_is_judged_and_not_refused_for_its_size() -> None:
    pad = jose.MAX_TOKEN_BYTES - len(signed(pad=""))
    token = signed(pad="x" * (pad * 3 // 4 - 2))
    assert jose.MAX_TOKEN_BYTES - 8 < len(token) <= jose.MAX_TOKEN_BYTES
    assert reason(token) is None


def test_peeking_shows_what_a_token_says_without_believing_it() -> None:
    stranger = signing_key("ES256", "stranger")
    seen = jose.peek(jose.sign(stranger, {"iss": "client"}, "JWT"))
    assert isinstance(seen, jose.Unverified)
    assert (seen.header["kid"], seen.claims) == (stranger.kid, {"iss": "client"})
    for token in ("", "a.b.c", "x" * 20_000, forge({**header(), "crit": ["x"]}, CLAIMS)):
        assert isinstance(jose.peek(token), jose.Refusal)


def test_neither_verified_nor_unverified_claims_show_in_a_repr() -> None:
    assert "alice" not in repr(check(GOOD))
    assert "alice" not in repr(jose.peek(GOOD))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "b64", "iss", "aud", "exp", "nbf", "iat", "sub", "jti"])


@given(st.text(max_size=200))
@settings(max_examples=150)
def test_no_text_makes_verify_raise(token: str) -> None:
    assert reason(token) is not None
    assert isinstance(jose.peek(token), jose.Refusal)


@given(st.lists(st.binary(max_size=60), min_size=3, max_size=3))
@settings(max_examples=150)
def test_no_bytes_in_the_segments_make_verify_raise(parts: list[bytes]) -> None:
    assert reason(".".join(base64url.encode(part) for part in parts)) is not None


@given(st.dictionaries(NAMES, JSON, max_size=4), st.dictionaries(NAMES, JSON, max_size=4), st.booleans())
@settings(max_examples=300)
def test_no_header_and_no_claims_make_verify_raise(head: dict[str, Any], body: dict[str, Any], hint: bool) -> None:
    token = forge({**header(), **head}, {**CLAIMS, **body})
    answer = check(token, allow_expired=hint)
    assert isinstance(answer, jose.VerifiedClaims | jose.Refusal)
    assert isinstance(jose.peek(token), jose.Unverified | jose.Refusal)


@given(st.binary(max_size=100))
@settings(max_examples=100)
def test_no_signature_but_the_true_one_is_taken(signature: bytes) -> None:
    message, _, true = GOOD.rpartition(".")
    forged = base64url.encode(signature)
    if forged != true:
        assert reason(f"{message}.{forged}", keys=KEYS) is Reason.SIGNATURE
