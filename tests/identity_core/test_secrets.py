"""Random secrets and the text forms of tokens (identity_core.secrets)."""

import hashlib
import hmac
from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity_core import base64url, secrets
from identity_core.secrets import AccessToken, AuthorizationCode, RefreshToken, SessionCookie

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
TENANT = UUID("00000000-0000-7000-8000-000000000001")
OTHER_TENANT = UUID("00000000-0000-7000-8000-000000000002")
FAMILY = UUID("01890000-0000-7000-8000-00000000abcd")
SALT = "AAAAAAAAAAA"
SECRET_22 = base64url.encode(bytes(range(16)))
SECRET_43 = base64url.encode(bytes(range(32)))

REFRESH = secrets.mint_refresh(KEY, 7, TENANT, 0x2ABC, FAMILY, 41, SALT)


def verify_refresh(text: str) -> RefreshToken | None:
    return secrets.verify_refresh({7: KEY, 8: OTHER_KEY}, TENANT, text)


Parse = Callable[[str], object]
FORMS: list[tuple[str, Parse]] = [
    (SessionCookie(0x0FFF, FAMILY, SECRET_22).encode(), SessionCookie.parse),
    (AuthorizationCode(0x3FFF, FAMILY, SECRET_22).encode(), AuthorizationCode.parse),
    (AccessToken(0, SECRET_43).encode(), AccessToken.parse),
    (REFRESH, verify_refresh),
    ("gk_" + SECRET_43, secrets.parse_client_secret),
    ("gm_" + SECRET_43, secrets.parse_source_token),
]
each_form = pytest.mark.parametrize(("text", "parse"), FORMS, ids=[text[:2] for text, _ in FORMS])


def test_random_tokens_have_the_length_of_their_bits_and_never_repeat() -> None:
    assert [len(secrets.random_token(bits)) for bits in (64, 128, 256)] == [11, 22, 43]
    assert len({secrets.random_token() for _ in range(1_000)}) == 1_000


@pytest.mark.parametrize("bits", [0, 8, 63, 130])
def test_a_random_token_of_too_few_or_broken_bits_is_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        secrets.random_token(bits)


def test_secrets_are_compared_whatever_text_they_are() -> None:
    assert secrets.same("é\ud800", "é\ud800")
    assert not secrets.same("é", "e")
    assert secrets.same(b"a", "a")
    assert not secrets.same("", "a")


def test_a_stored_hash_is_the_sha256_of_the_text() -> None:
    assert secrets.sha256("ga_x") == hashlib.sha256(b"ga_x").digest()
    assert len(secrets.sha256("\ud800")) == 32


def test_a_hash_tag_is_the_first_14_bits_of_a_keyed_hash() -> None:
    digest = hmac.digest(KEY, b"tag" + TENANT.bytes + b"alice", "sha256")
    bits = "".join(f"{byte:08b}" for byte in digest)
    assert secrets.hash_tag(KEY, TENANT, "alice") == int(bits[:14], 2)


def test_hash_tags_differ_by_key_tenant_and_name() -> None:
    names = [str(number) for number in range(100)]
    first = [secrets.hash_tag(KEY, TENANT, name) for name in names]
    assert all(0 <= tag < secrets.TAGS for tag in first)
    assert len(set(first)) > 90
    assert first != [secrets.hash_tag(OTHER_KEY, TENANT, name) for name in names]
    assert first != [secrets.hash_tag(KEY, OTHER_TENANT, name) for name in names]


def test_a_tag_is_four_hexadecimal_digits_up_to_3fff() -> None:
    assert (secrets.tag_text(0), secrets.tag_text(0x3FFF)) == ("0000", "3fff")
    assert secrets.parse_tag("3fff") == 0x3FFF
    for wrong in ("4000", "ffff", "3FFF", "3ff", "03fff", " 3ff", "+3ff", "0x3f", "३fff"):
        assert secrets.parse_tag(wrong) is None
    for number in (-1, 0x4000):
        with pytest.raises(ValueError, match="16383"):
            secrets.tag_text(number)


@each_form
def test_a_token_comes_back_as_it_was_made(text: str, parse: Parse) -> None:
    parsed = parse(text)
    assert parsed is not None
    assert (parsed if isinstance(parsed, str) else parsed.encode()) == text  # type: ignore[attr-defined]


@each_form
def test_row_36_every_truncation_and_extension_of_a_token_is_refused(text: str, parse: Parse) -> None:
    for length in range(len(text)):
        assert parse(text[:length]) is None
        assert parse(text[length:] if length else "") is None
    for extra in ("A", "=", "==", " ", "\n", "\0", "."):
        assert parse(text + extra) is None
        assert parse(extra + text) is None


@each_form
def test_row_36_every_bit_flip_of_a_token_is_refused_or_is_another_token(text: str, parse: Parse) -> None:
    original = parse(text)
    for at, character in enumerate(text):
        for bit in range(8):
            flipped = text[:at] + chr(ord(character) ^ 1 << bit) + text[at + 1 :]
            parsed = parse(flipped)
            assert parsed is None or parsed != original


@each_form
def test_a_token_of_another_kind_is_refused(text: str, parse: Parse) -> None:
    for other, _ in FORMS:
        if other[:3] != text[:3]:
            assert parse(other) is None
            assert parse(text[:3].upper() + text[3:]) is None


@given(st.text(max_size=120))
def test_no_text_makes_a_parser_raise(text: str) -> None:
    for made, parse in FORMS:
        assert parse(text) is None
        parse(made[:3] + text)


def test_each_bit_flip_of_a_refresh_token_fails_its_mac() -> None:
    for at, character in enumerate(REFRESH):
        for bit in range(8):
            assert verify_refresh(REFRESH[:at] + chr(ord(character) ^ 1 << bit) + REFRESH[at + 1 :]) is None


def test_a_refresh_token_is_made_the_same_from_the_same_fields_and_tells_them_again() -> None:
    assert secrets.mint_refresh(KEY, 7, TENANT, 0x2ABC, FAMILY, 41, SALT) == REFRESH
    token = verify_refresh(REFRESH)
    assert token is not None
    assert (token.key_id, token.tag, token.family_id, token.generation, token.salt) == (
        7,
        0x2ABC,
        FAMILY,
        41,
        SALT,
    )
    assert len(REFRESH) == 91


def test_every_field_of_a_refresh_token_is_under_its_mac() -> None:
    other_salt = base64url.encode(bytes(7) + b"\x01")
    other_family = UUID(int=FAMILY.int + 1)
    macs = {
        secrets.mint_refresh(*fields)[-43:]
        for fields in (
            (KEY, 7, TENANT, 0x2ABC, FAMILY, 41, SALT),
            (OTHER_KEY, 7, TENANT, 0x2ABC, FAMILY, 41, SALT),
            (KEY, 8, TENANT, 0x2ABC, FAMILY, 41, SALT),
            (KEY, 7, OTHER_TENANT, 0x2ABC, FAMILY, 41, SALT),
            (KEY, 7, TENANT, 0x2ABD, FAMILY, 41, SALT),
            (KEY, 7, TENANT, 0x2ABC, other_family, 41, SALT),
            (KEY, 7, TENANT, 0x2ABC, FAMILY, 42, SALT),
            (KEY, 7, TENANT, 0x2ABC, FAMILY, 41, other_salt),
        )
    }
    assert len(macs) == 8


def test_a_refresh_token_of_another_tenant_or_an_unknown_key_is_refused() -> None:
    assert secrets.verify_refresh({7: KEY}, OTHER_TENANT, REFRESH) is None
    assert secrets.verify_refresh({8: KEY}, TENANT, REFRESH) is None
    assert secrets.verify_refresh({7: OTHER_KEY}, TENANT, REFRESH) is None
    assert secrets.verify_refresh({}, TENANT, REFRESH) is None


@given(st.integers(0, secrets.MAX_GENERATION), st.integers(0, 255), st.integers(0, secrets.TAGS - 1))
def test_every_generation_key_id_and_tag_comes_back(generation: int, key_id: int, tag: int) -> None:
    text = secrets.mint_refresh(KEY, key_id, TENANT, tag, FAMILY, generation, SALT)
    token = secrets.verify_refresh({key_id: KEY}, TENANT, text)
    assert token is not None
    assert (token.generation, token.key_id, token.tag) == (generation, key_id, tag)


@pytest.mark.parametrize(
    ("key_id", "tag", "generation", "salt"),
    [
        (-1, 0, 0, SALT),
        (256, 0, 0, SALT),
        (0, -1, 0, SALT),
        (0, 0x4000, 0, SALT),
        (0, 0, -1, SALT),
        (0, 0, secrets.MAX_GENERATION + 1, SALT),
        (0, 0, 0, "AAAAAAAAAA"),
        (0, 0, 0, "AAAAAAAAAAB"),
        (0, 0, 0, SECRET_22),
    ],
)
def test_a_refresh_token_is_not_minted_from_fields_that_do_not_fit(
    key_id: int, tag: int, generation: int, salt: str
) -> None:
    with pytest.raises(ValueError, match=r"range|salt"):
        secrets.mint_refresh(KEY, key_id, TENANT, tag, FAMILY, generation, salt)


@pytest.mark.parametrize("short", [b"", b"secret", bytes(31)])
def test_row_50_an_empty_or_short_mac_key_is_refused(short: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        secrets.hash_tag(short, TENANT, "alice")
    with pytest.raises(ValueError, match="32 bytes"):
        secrets.derive_sid(short, TENANT, FAMILY, "client")
    with pytest.raises(ValueError, match="32 bytes"):
        secrets.mint_refresh(short, 0, TENANT, 0, FAMILY, 0, SALT)
    with pytest.raises(ValueError, match="32 bytes"):
        secrets.verify_refresh({7: short}, TENANT, REFRESH)


def test_new_client_secrets_and_source_tokens_have_their_form() -> None:
    assert secrets.parse_client_secret(secrets.client_secret()) is not None
    assert secrets.parse_source_token(secrets.source_token()) is not None
    assert secrets.client_secret() != secrets.client_secret()


def test_a_sid_is_stable_for_a_client_and_tells_nothing_to_another() -> None:
    sid = secrets.derive_sid(KEY, TENANT, FAMILY, "shop")
    assert len(sid) == 22
    assert sid == secrets.derive_sid(KEY, TENANT, FAMILY, "shop")
    others = [
        secrets.derive_sid(KEY, TENANT, FAMILY, "mail"),
        secrets.derive_sid(KEY, OTHER_TENANT, FAMILY, "shop"),
        secrets.derive_sid(OTHER_KEY, TENANT, FAMILY, "shop"),
        secrets.derive_sid(KEY, TENANT, UUID(int=FAMILY.int + 1), "shop"),
    ]
    assert len({sid, *others}) == 5


def test_a_pseudonym_is_stable_in_its_tenant_and_differs_from_every_other_keyed_value() -> None:
    name = secrets.pseudonym(KEY, TENANT, "alice")
    assert len(name) == 22
    assert name == secrets.pseudonym(KEY, TENANT, "alice")
    assert name != secrets.pseudonym(KEY, OTHER_TENANT, "alice")
    assert name != secrets.pseudonym(OTHER_KEY, TENANT, "alice")


def test_no_secret_shows_in_a_repr() -> None:
    for value in (
        SessionCookie(0, FAMILY, SECRET_22),
        AuthorizationCode(0, FAMILY, SECRET_22),
        AccessToken(0, SECRET_43),
    ):
        assert value.secret not in repr(value)
    assert REFRESH[-43:] not in repr(verify_refresh(REFRESH))
