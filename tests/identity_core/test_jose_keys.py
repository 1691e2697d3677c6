"""Keys, their JWKs and thumbprints, and signing (identity_core.jose.keys, identity_core.jose.signing)."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from identity_core import base64url, jose
from identity_core.jose.algorithms import BY_NAME
from identity_core.testing.keys import public_keys, signing_key
from identity_core.testing.spec import spec
from tests.identity_core.jose_forging import AUDIENCE, CLAIMS, ISSUER, NOW, check

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "jose_rfc.json").read_text())
KEYS = [signing_key(alg) for alg in jose.SIGNING_ALGORITHMS]
# joserfc reminds that RFC 9864 renames EdDSA; relying parties know the old name.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
each_key = pytest.mark.parametrize("key", KEYS, ids=lambda key: key.alg)


@spec("RFC 7515 Appendix A.2", "RFC 7515 Appendix A.3")
@pytest.mark.parametrize("row", VECTORS["jws"], ids=lambda row: row["alg"])
def test_the_signed_examples_of_the_rfc_verify(row: dict[str, Any]) -> None:
    key = jose.PublicKey("example", row["alg"], row["jwk"])
    rules: dict[str, Any] = {"typ": frozenset({""}), "issuer": "joe", "audience": None}
    answer = jose.verify(row["token"], {"example": key}, now=1_300_819_379, **rules)
    assert isinstance(answer, jose.VerifiedClaims)
    assert answer.claims["http://example.com/is_root"] is True
    late = jose.verify(row["token"], {"example": key}, now=1_300_819_385, **rules)
    assert late == jose.Refusal(jose.Reason.EXPIRED)


@spec("RFC 8037 Appendix A.4")
def test_the_ed25519_example_of_the_rfc_verifies() -> None:
    vector = VECTORS["ed25519"]
    key = jose.PublicKey("example", "EdDSA", vector["jwk"])
    signature = base64url.decode(vector["signature"])
    assert signature is not None
    assert BY_NAME["EdDSA"].verify(vector["message"].encode(), signature, key.native)
    assert not BY_NAME["EdDSA"].verify(vector["message"].encode() + b"x", signature, key.native)


@spec("RFC 7638 §3.1", "RFC 8037 Appendix A.3")
@pytest.mark.parametrize("row", VECTORS["thumbprints"], ids=lambda row: row["jwk"]["kty"])
def test_the_thumbprints_are_those_of_the_rfcs(row: dict[str, Any]) -> None:
    assert jose.thumbprint(row["jwk"]) == row["thumbprint"]


@spec("OIDC Core §3.1.3.6")
def test_the_token_hash_is_that_of_the_specification() -> None:
    vector = VECTORS["at_hash"]
    assert jose.at_hash(vector["access_token"], vector["alg"]) == vector["at_hash"]
    assert jose.at_hash(vector["access_token"], "ES256") == vector["at_hash"]
    assert len(jose.at_hash(vector["access_token"], "EdDSA")) == 43  # half of SHA-512


@each_key
def test_a_new_key_is_known_by_its_thumbprint(key: jose.SigningKey) -> None:
    assert key.kid == key.public.kid == jose.thumbprint(key.public.jwk)
    assert len(key.kid) == 43


@each_key
def test_joserfc_verifies_what_is_signed_here(key: jose.SigningKey) -> None:
    token = jose.sign(key, CLAIMS, "at+jwt")
    decoded = jwt.decode(token, import_key(dict(key.public.jwk)), algorithms=[key.alg])
    assert decoded.claims == CLAIMS
    assert decoded.header == {"alg": key.alg, "kid": key.kid, "typ": "at+jwt"}


@each_key
def test_what_joserfc_signs_is_verified_here(key: jose.SigningKey) -> None:
    pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    classes: dict[str, Any] = {"RS256": RSAKey, "ES256": ECKey, "EdDSA": OKPKey}
    native = classes[key.alg].import_key(pem)
    header = {"alg": key.alg, "kid": key.kid, "typ": "at+jwt"}
    token = jwt.encode(header, CLAIMS, native, algorithms=[key.alg])
    assert isinstance(check(token, keys=public_keys(key)), jose.VerifiedClaims)


def test_joserfc_and_we_write_the_same_deterministic_tokens() -> None:
    for key in (signing_key("RS256"), signing_key("EdDSA")):
        header = {"alg": key.alg, "kid": key.kid, "typ": "at+jwt"}
        payload = json.dumps(CLAIMS, separators=(",", ":"))
        theirs = jws.serialize_compact(header, payload, key.native, algorithms=[key.alg])
        assert theirs == jose.sign(key, CLAIMS, "at+jwt")


TEXT = st.text(st.characters(codec="utf-8", min_codepoint=1))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcäz", max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text("abc ü", min_size=1, max_size=5), PLAIN, max_size=4))
@settings(max_examples=60)
def test_every_claim_that_is_signed_comes_back(extra: dict[str, Any]) -> None:
    claims = {**extra, **CLAIMS}
    answer = check(jose.sign(signing_key("EdDSA"), claims, "at+jwt"), keys=public_keys(signing_key("EdDSA")))
    assert isinstance(answer, jose.VerifiedClaims)
    assert answer.claims == claims


@spec("RFC 7518 §3.5")
def test_a_pss_signature_of_a_client_verifies_with_a_key_for_it() -> None:
    pair = signing_key("RS256")
    key = jose.PublicKey("client", "PS256", {name: pair.public.jwk[name] for name in ("kty", "n", "e")})
    token = jwt.encode({"alg": "PS256", "kid": "client", "typ": "at+jwt"}, CLAIMS, pair.native, algorithms=["PS256"])
    assert isinstance(check(token, keys={"client": key}), jose.VerifiedClaims)


@each_key
def test_a_private_key_survives_its_bytes(key: jose.SigningKey) -> None:
    loaded = jose.load_private(key.alg, key.kid, jose.private_bytes(key))
    assert loaded.public.jwk == key.public.jwk
    assert isinstance(check(jose.sign(loaded, CLAIMS, "at+jwt"), keys=public_keys(key)), jose.VerifiedClaims)


def test_private_bytes_load_only_as_the_key_they_are() -> None:
    raw = {key.alg: jose.private_bytes(key) for key in KEYS}
    p384 = ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    for alg in ("RS256", "ES256", "EdDSA"):
        for other, data in raw.items():
            if other != alg:
                with pytest.raises(ValueError, match="not one for"):
                    jose.load_private(alg, "kid", data)
        for data in (b"", b"x", raw[alg][:-1], p384):
            with pytest.raises(ValueError, match="private key"):
                jose.load_private(alg, "kid", data)


@pytest.mark.parametrize("alg", ["HS256", "none", "ES384", "PS256", "RSA1_5", ""])
def test_keys_are_made_for_three_algorithms_only(alg: str) -> None:
    with pytest.raises(ValueError, match="RS256, ES256, EdDSA"):
        jose.generate(alg)


def test_a_signing_key_must_fit_its_algorithm() -> None:
    with pytest.raises(ValueError, match="not one for ES256"):
        jose.SigningKey("kid", "ES256", ed25519.Ed25519PrivateKey.generate())
    with pytest.raises(ValueError, match="not one for ES256"):
        jose.SigningKey("kid", "ES256", ec.generate_private_key(ec.SECP384R1()))


@spec("RFC 7517 §5")
def test_a_published_key_set_has_public_members_only_and_can_be_imported_again() -> None:
    document = jose.public_jwks(key.public for key in KEYS)
    assert [jwk["kid"] for jwk in document["keys"]] == [key.kid for key in KEYS]
    for jwk in document["keys"]:
        assert set(jwk) <= {"kty", "use", "alg", "kid", "n", "e", "crv", "x", "y"}
        assert jwk["use"] == "sig"
    assert jose.import_jwks(json.loads(json.dumps(document))) == public_keys(*KEYS)


@spec("RFC 7517 §5")
def test_keys_of_a_set_that_cannot_be_used_are_left_out() -> None:
    rsa, ecdsa, okp = (dict(key.public.jwk) for key in KEYS)
    bare = {"kty": "OKP", "crv": "Ed25519", "x": okp["x"]}
    document = {
        "keys": [
            "text",
            {},
            {"kty": "future", "kid": "f"},
            {**rsa, "use": "enc", "kid": "enc"},
            {**rsa, "alg": "RS512", "kid": "512"},
            {**rsa, "alg": 256, "kid": "number"},
            {**ecdsa, "crv": "P-384", "kid": "p384"},
            {**ecdsa, "x": ecdsa["y"], "kid": "off the curve"},
            {**ecdsa, "kid": 5},
            {**ecdsa, "key_ops": ["sign"], "kid": "ops"},
            {**ecdsa, "key_ops": ["verify"], "kid": "good"},
            {**okp, "crv": "X25519", "kid": "x"},
            {**okp, "kid": "good"},
            bare,
        ]
    }
    keys = jose.import_jwks(document)
    assert {kid: key.alg for kid, key in keys.items()} == {"good": "ES256", jose.thumbprint(bare): "EdDSA"}
    assert set(jose.import_jwks(document, algorithms={"ES256"})) == {"good"}


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"keys": {}}, {"keys": "x"}, {"keys": [{}] * 65}, {"keys": [{"kty": "oct", "k": "AAAA"}]}],
)
def test_a_document_that_is_no_public_key_set_is_refused(document: Any) -> None:
    with pytest.raises(ValueError, match="JWK Set"):
        jose.import_jwks(document)


def test_a_set_with_a_private_key_is_refused_and_does_not_show_it() -> None:
    private = signing_key("ES256").native.as_dict(private=True)
    with pytest.raises(ValueError, match="private") as caught:
        jose.import_jwks({"keys": [private]})
    assert private["d"] not in str(caught.value)
    with pytest.raises(ValueError, match="private"):
        jose.PublicKey("kid", "ES256", private)


@pytest.mark.parametrize("jwk", [{}, {"kty": "oct", "k": "AAAA"}, {"kty": "EC"}, {"kty": "RSA", "n": 1, "e": 2}])
def test_a_damaged_key_has_no_thumbprint(jwk: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="JWK"):
        jose.thumbprint(jwk)


@each_key
def test_a_key_shows_no_private_part_in_its_repr(key: jose.SigningKey) -> None:
    assert repr(key) == f"SigningKey(kid='{key.kid}', alg='{key.alg}')"


def test_test_keys_are_made_once() -> None:
    assert signing_key("RS256") is signing_key("RS256")
    assert signing_key("ES256", "a").kid != signing_key("ES256", "b").kid


def test_each_key_verifies_only_its_own_tokens() -> None:
    everyone = public_keys(*KEYS)
    for key in KEYS:
        token = jose.sign(key, CLAIMS, "at+jwt")
        others = {kid: public for kid, public in everyone.items() if kid != key.kid}
        answer = jose.verify(token, others, typ=frozenset({"at+jwt"}), issuer=ISSUER, audience=AUDIENCE, now=NOW)
        assert answer == jose.Refusal(jose.Reason.UNKNOWN_KEY)
