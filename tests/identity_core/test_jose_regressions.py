"""What broke in other products' JOSE code must hold here. Rows are those of the list of published faults."""

import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from identity_core import base64url, jose
from identity_core.jose import Reason
from identity_core.jose.algorithms import BY_NAME
from identity_core.testing.keys import public_keys, signing_key
from identity_core.testing.spec import spec
from tests.identity_core.jose_forging import (
    AUDIENCE,
    CLAIMS,
    ISSUER,
    KEY,
    KEYS,
    check,
    claims,
    forge,
    header,
    reason,
)

RSA, ED = signing_key("RS256"), signing_key("EdDSA")
ALL_KEYS = public_keys(KEY, RSA, ED)


class Untouchable(Mapping[str, jose.PublicKey]):
    """Keys that may not be looked at: proves that a refusal came before any work on them."""

    def __getitem__(self, kid: str) -> jose.PublicKey:
        raise AssertionError("a key was looked up")

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("the keys were listed")

    def __len__(self) -> int:
        raise AssertionError("the keys were counted")


def with_hmac(head: dict[str, Any], secret: bytes, digest: str = "sha256") -> str:
    message = ".".join(base64url.encode(json.dumps(part).encode()) for part in (head, CLAIMS))
    return f"{message}.{base64url.encode(hmac.digest(secret, message.encode(), digest))}"


def public_forms(key: jose.SigningKey) -> list[bytes]:
    native = key.private.public_key()
    pem = native.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = native.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return [pem, pem.strip(), der, json.dumps(dict(key.public.jwk)).encode(), b""]


@spec("RFC 8725 §3.1")
@pytest.mark.parametrize("key", [KEY, RSA, ED], ids=lambda key: key.alg)
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512", "hs256"])
def test_row_40_a_token_signed_by_hmac_with_our_public_key_is_refused(key: jose.SigningKey, alg: str) -> None:
    for secret in public_forms(key):
        token = with_hmac(header(key, alg=alg), secret, f"sha{alg[-3:]}")
        assert reason(token, keys=ALL_KEYS) is Reason.ALGORITHM
        assert reason(with_hmac(header(key, alg=alg, kid=None), secret)) is Reason.ALGORITHM


@spec("RFC 8725 §3.2")
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, 0, ["none"]])
def test_row_41_alg_none_in_any_case_is_refused(alg: Any) -> None:
    for kid in (KEY.kid, None):
        signed = forge(header(alg=alg, kid=kid), CLAIMS)
        empty = signed.rpartition(".")[0] + "."
        assert reason(empty) is Reason.ALGORITHM
        assert reason(signed) is Reason.ALGORITHM


def test_row_41_an_empty_signature_is_refused() -> None:
    for key in (KEY, RSA, ED):
        unsigned = jose.sign(key, CLAIMS, "at+jwt").rpartition(".")[0]
        assert reason(unsigned + ".", keys=ALL_KEYS) is Reason.SIGNATURE
        assert reason(unsigned, keys=ALL_KEYS) is Reason.MALFORMED


@spec("RFC 8725 §3.10")
def test_row_42_a_key_offered_by_the_header_is_refused() -> None:
    theirs = signing_key("ES256", "attacker")
    for offered in (
        {"jwk": dict(theirs.public.jwk)},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIB"]},
        {"jwk": None},
    ):
        head = {**header(theirs, kid=KEY.kid), **offered}
        assert reason(forge(head, CLAIMS, theirs)) is Reason.FORBIDDEN_HEADER
        assert reason(forge({**header(), **offered}, CLAIMS)) is Reason.FORBIDDEN_HEADER
    assert reason(forge(header(theirs, kid=KEY.kid), CLAIMS, theirs)) is Reason.SIGNATURE
    assert reason(forge(header(theirs), CLAIMS, theirs), keys={}) is Reason.UNKNOWN_KEY


@spec("RFC 7515 §4.1.11")
@pytest.mark.parametrize("crit", [["exp"], ["unknown"], ["b64"], [], None, "exp"])
def test_row_43_every_crit_is_refused(crit: Any) -> None:
    head = {**header(), "crit": crit, "b64": False}
    assert reason(forge(head, CLAIMS)) is Reason.CRITICAL
    del head["b64"]
    assert reason(forge(head, CLAIMS)) is Reason.CRITICAL


@spec("RFC 8725 §3.1")
def test_row_44_a_header_with_another_alg_than_the_keys_is_refused() -> None:
    for signer in (KEY, RSA, ED):
        for alg in ("RS256", "PS256", "ES256", "EdDSA", "ES384", "RS512", "Ed25519"):
            token = forge(header(signer, alg=alg), CLAIMS, signer)
            expected = None if alg == signer.alg else Reason.ALGORITHM
            assert reason(token, keys=ALL_KEYS) is expected


def test_row_44_one_rsa_key_is_for_one_padding_only() -> None:
    for_pss = jose.PublicKey(RSA.kid, "PS256", {**RSA.public.jwk, "alg": "PS256"})
    keys = {RSA.kid: for_pss}
    assert reason(forge(header(RSA), CLAIMS, RSA), keys=keys) is Reason.ALGORITHM
    assert reason(forge(header(RSA, alg="PS256"), CLAIMS, RSA), keys=keys) is Reason.SIGNATURE


def test_row_45_a_flood_of_unknown_kids_leaves_the_known_keys_as_they_are() -> None:
    keys = dict(KEYS)
    for number in range(500):
        assert reason(forge(header(kid=f"kid{number}"), CLAIMS), keys=keys) is Reason.UNKNOWN_KEY
    assert keys == KEYS
    assert reason(jose.sign(KEY, CLAIMS, "at+jwt"), keys=keys) is None


@spec("RFC 7519 §4.1.1")
@pytest.mark.parametrize(
    "issuer",
    [
        ISSUER[:-1],
        ISSUER[1:],
        ISSUER + "/",
        ISSUER + ".evil.example",
        ISSUER.upper(),
        "",
        [ISSUER],
        {ISSUER: ISSUER},
        True,
        0,
        None,
    ],
)
def test_row_46_an_issuer_is_compared_as_a_whole(issuer: Any) -> None:
    assert reason(jose.sign(KEY, claims(iss=issuer), "at+jwt")) is Reason.ISSUER


@spec("RFC 7519 §4.1.3")
@pytest.mark.parametrize("audience", [AUDIENCE[:-1], AUDIENCE + "/", [], ["x", AUDIENCE.upper()], "", None])
def test_row_46_an_audience_is_a_whole_member(audience: Any) -> None:
    assert reason(jose.sign(KEY, claims(aud=audience), "at+jwt")) is Reason.AUDIENCE


@spec("OIDC Core §3.1.3.6")
@pytest.mark.parametrize("alg", ["none", "HS256", "ES384", "RS1", "", "rs256"])
def test_row_47_a_token_hash_for_an_unknown_alg_is_an_error_and_no_success(alg: str) -> None:
    with pytest.raises(ValueError, match="no token hash"):
        jose.at_hash("token", alg)


def test_row_48_nothing_but_four_asymmetric_signatures_is_on_the_allow_list() -> None:
    assert set(BY_NAME) == jose.ALGORITHMS == {"RS256", "PS256", "ES256", "EdDSA"}
    for alg in ("RSA1_5", "RSA-OAEP", "dir", "PBES2-HS256+A128KW", "HS256", "none"):
        assert reason(forge(header(alg=alg), CLAIMS)) is Reason.ALGORITHM
        with pytest.raises(ValueError, match="must be for one of"):
            jose.PublicKey("kid", alg, KEY.public.jwk)


@pytest.mark.parametrize(
    "token",
    [
        "A" * (jose.MAX_TOKEN_BYTES + 1),
        "." * (jose.MAX_TOKEN_BYTES + 1),
        "A" * 8000 + "." + "A" * 8000 + "." + "A" * 8000,
        "é" * 100_000,
    ],
    ids=["one", "dots", "segments", "letters"],
)
def test_row_49_a_token_over_16_kib_is_refused_before_anything(token: str) -> None:
    assert reason(token, keys=Untouchable()) is Reason.TOO_LARGE
    assert jose.peek(token) == jose.Refusal(Reason.TOO_LARGE)


@pytest.mark.parametrize(
    "extra",
    [
        {"zip": "DEF"},
        {"p2c": 2_000_000_000},
        {"p2s": "c2FsdA"},
        {"enc": "A256GCM"},
        {"epk": {}},
        {"zip": None},
    ],
)
def test_row_49_compression_and_encryption_headers_are_refused_before_any_key(extra: dict[str, Any]) -> None:
    assert reason(forge({**header(), **extra}, CLAIMS), keys=Untouchable()) is Reason.FORBIDDEN_HEADER


def test_row_49_an_encrypted_token_is_not_even_a_token_here() -> None:
    head = base64url.encode(json.dumps({"alg": "RSA1_5", "enc": "A128CBC-HS256"}).encode())
    assert reason(f"{head}.a.b.c.d", keys=Untouchable()) is Reason.MALFORMED


def test_row_49_deep_nesting_and_many_dots_are_refused_before_any_key() -> None:
    deep = base64url.encode(b'{"a":' + b"[" * 11_000)
    assert reason(f"{deep}.e30.AA", keys=Untouchable()) is Reason.MALFORMED
    assert reason("." * 10_000, keys=Untouchable()) is Reason.MALFORMED


def test_row_49_a_payload_is_not_read_before_its_signature_is_right() -> None:
    token = forge(header(), b"[" * 11_000)
    tampered = token[:-8] + ("AAAAAAAA" if not token.endswith("AAAAAAAA") else "BBBBBBBA")
    assert reason(tampered) is Reason.SIGNATURE
    assert reason(token) is Reason.MALFORMED


@spec("RFC 8725 §3.5")
@pytest.mark.filterwarnings("ignore:Key size should be")
def test_row_50_empty_short_and_symmetric_keys_are_refused_at_load() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    numbers = weak.public_key().public_numbers()
    short = {
        "kty": "RSA",
        "n": base64url.encode(numbers.n.to_bytes(128, "big")),
        "e": "AQAB",
    }
    for alg, jwk in (
        ("RS256", short),
        ("RS256", {**RSA.public.jwk, "e": "AQ"}),
        ("RS256", {"kty": "RSA", "n": "", "e": "AQAB"}),
        ("RS256", {"kty": "RSA", "n": "A" * 20_000, "e": "AQAB"}),
        ("ES256", {"kty": "oct", "k": ""}),
        ("ES256", {"kty": "oct", "k": "c2VjcmV0"}),
        ("EdDSA", {"kty": "OKP", "crv": "Ed25519", "x": ""}),
    ):
        with pytest.raises(ValueError, match=r"\.$"):
            jose.PublicKey("kid", alg, jwk)
    with pytest.raises(ValueError, match="2048"):
        jose.SigningKey("kid", "RS256", weak)


def test_a_good_token_of_each_key_is_taken() -> None:
    for key in (KEY, RSA, ED):
        answer = check(jose.sign(key, CLAIMS, "at+jwt"), keys=ALL_KEYS)
        assert isinstance(answer, jose.VerifiedClaims)
        assert answer.claims == CLAIMS
