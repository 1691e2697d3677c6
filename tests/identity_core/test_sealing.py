"""Secrets at rest (identity_core.sealing)."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity_core.sealing import Sealer, SealError, parse_keys, sealed_with

OLD, NEW = bytes(32), bytes(range(32))
SEALER = Sealer({"new": NEW, "old": OLD}, "new")
AAD = b"user 1, credential 2"
B64_NEW = base64.b64encode(NEW).decode()
B64_OLD = base64.b64encode(OLD).decode()


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_what_was_sealed_opens_with_the_same_data(plaintext: bytes, aad: bytes) -> None:
    assert SEALER.unseal(SEALER.seal(plaintext, aad), aad) == plaintext


def test_one_secret_sealed_twice_gives_two_blobs_that_do_not_show_it() -> None:
    first, second = SEALER.seal(b"the secret", AAD), SEALER.seal(b"the secret", AAD)
    assert first != second
    assert b"secret" not in first


def test_a_blob_moved_to_another_row_does_not_open() -> None:
    blob = SEALER.seal(b"secret", AAD)
    with pytest.raises(SealError):
        SEALER.unseal(blob, b"user 2, credential 2")


def test_every_changed_bit_and_every_cut_is_a_seal_error() -> None:
    blob = SEALER.seal(b"secret", AAD)
    for at in range(len(blob)):
        for bit in range(8):
            changed = blob[:at] + bytes([blob[at] ^ 1 << bit]) + blob[at + 1 :]
            with pytest.raises(SealError):
                SEALER.unseal(changed, AAD)
        with pytest.raises(SealError):
            SEALER.unseal(blob[:at], AAD)
    with pytest.raises(SealError):
        SEALER.unseal(blob + b"\0", AAD)


@given(st.binary(max_size=100))
def test_no_bytes_raise_anything_but_a_seal_error(blob: bytes) -> None:
    with pytest.raises(SealError):
        SEALER.unseal(b"\x01" + blob, AAD)


def test_a_secret_of_the_previous_key_still_opens_and_tells_its_key() -> None:
    blob = Sealer({"old": OLD}, "old").seal(b"secret", AAD)
    assert sealed_with(blob) == "old"
    assert SEALER.unseal(blob, AAD) == b"secret"
    assert sealed_with(SEALER.seal(b"secret", AAD)) == SEALER.current == "new"
    with pytest.raises(SealError, match="not configured"):
        Sealer({"new": NEW}, "new").unseal(blob, AAD)


def test_a_blob_that_names_another_key_does_not_open_under_it() -> None:
    same_key_twice = Sealer({"one": NEW, "two": NEW}, "one")
    blob = same_key_twice.seal(b"secret", AAD)
    with pytest.raises(SealError):
        same_key_twice.unseal(blob.replace(b"one", b"two", 1), AAD)


def test_the_first_key_of_a_setting_is_the_current_one() -> None:
    keys, current = parse_keys(f"2026-07:{B64_NEW}, 2026-01:{B64_OLD}")
    assert current == "2026-07"
    assert keys == {"2026-07": NEW, "2026-01": OLD}
    assert Sealer.from_setting(f"a:{B64_NEW}").current == "a"


def test_a_key_may_be_given_in_either_alphabet_and_without_padding() -> None:
    key = bytes([255]) * 32
    standard = base64.b64encode(key).decode()
    for text in (standard, standard.rstrip("="), base64.urlsafe_b64encode(key).decode()):
        assert parse_keys(f"a:{text}") == ({"a": key}, "a")


@pytest.mark.parametrize(
    "setting",
    [
        "",
        "a",
        f":{B64_NEW}",
        B64_NEW,
        "a:",
        "a:not base64!",
        "a:" + base64.b64encode(bytes(31)).decode(),
        "a:" + base64.b64encode(bytes(33)).decode(),
        f"a:{B64_NEW},a:{B64_OLD}",
        f"a:{B64_NEW},",
        f"a b:{B64_NEW}",
        f"{'a' * 65}:{B64_NEW}",
    ],
)
def test_row_50_a_wrong_setting_is_a_sentence_that_does_not_show_a_key(setting: str) -> None:
    with pytest.raises(ValueError, match=r"\.$") as caught:
        parse_keys(setting)
    assert B64_NEW not in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "current"), [({"a": bytes(16)}, "a"), ({"a": b""}, "a"), ({"a": NEW}, "b"), ({"ä": NEW}, "ä")]
)
def test_a_sealer_is_not_made_from_unfit_keys(keys: dict[str, bytes], current: str) -> None:
    with pytest.raises(ValueError, match=r"key"):
        Sealer(keys, current)
