"""Access and ID tokens as values: what they say, and how one is read back."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from authz.protocol.access_token import TYPE, TokenFacts, facts_of, read_jwt, subject_of, token_claims, user_of
from authz.protocol.id_token import IdTokenFacts, id_token_claims
from identity_core import jose
from identity_core.contracts.stamps import Binding, Stamps
from identity_core.testing.keys import public_keys, signing_key
from identity_core.testing.spec import spec

ISSUER = "https://op.example"
KEY = signing_key("ES256")
KEYS = public_keys(KEY)
BINDING = Binding(7, Stamps(1, 2, 3), UUID(int=3), UUID(int=4), True)
FACTS = TokenFacts(
    issuer=ISSUER,
    subject=str(UUID(int=2)),
    client_id="rp",
    audience=("https://api.example", ISSUER),
    scopes=("openid", "email"),
    issued_at=1000,
    expires_at=1300,
    jti=str(UUID(int=9)),
    auth_time=990,
    acr="pwd",
    amr=("pwd", "otp"),
    sid="sid",
)


def token(claims: dict[str, Any] | None = None, typ: str = TYPE, key: jose.SigningKey = KEY) -> str:
    return jose.sign(key, token_claims(FACTS) | {"gh": BINDING.to_claim()} | (claims or {}), typ)


@spec("RFC 9068 §2.2")
def test_an_access_token_says_what_the_profile_asks_for() -> None:
    claims = token_claims(FACTS)
    assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti", "auth_time", "acr", "amr", "scope"} <= set(claims)
    assert token_claims(replace(FACTS, audience=(ISSUER,)))["aud"] == ISSUER
    bare = token_claims(replace(FACTS, scopes=(), auth_time=None, acr=None, amr=(), sid=None))
    assert set(bare) == {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"}


def test_what_is_written_is_read_back() -> None:
    assert facts_of(token_claims(FACTS)) == FACTS
    read = read_jwt(token(), KEYS, issuer=ISSUER, now=1100)
    assert read is not None
    assert (read.facts, read.binding) == (FACTS, BINDING)


@spec("RFC 9068 §4")
@pytest.mark.parametrize(
    ("claims", "typ"),
    [
        ({}, "JWT"),
        ({}, "logout+jwt"),
        ({}, "at+jwtx"),
        ({"iss": "https://op.example/t/other"}, TYPE),
        ({"iss": "https://op.exampl"}, TYPE),
        ({"gh": None}, TYPE),
        ({"gh": "1.0007.1.2.3.-.-"}, TYPE),
        ({"gh": 7}, TYPE),
        ({"client_id": None}, TYPE),
        ({"client_id": ""}, TYPE),
        ({"sub": None}, TYPE),
        ({"jti": None}, TYPE),
        ({"jti": 5}, TYPE),
        ({"scope": ["openid"]}, TYPE),
        ({"aud": []}, TYPE),
        ({"aud": None}, TYPE),
        ({"exp": 1000}, TYPE),
        ({"exp": "never"}, TYPE),
        ({"exp": None}, TYPE),
        ({"iat": 5000}, TYPE),
        ({"iat": None}, TYPE),
        ({"nbf": 5000}, TYPE),
    ],
)
def test_a_token_that_is_not_wholly_right_is_none(claims: dict[str, Any], typ: str) -> None:
    assert read_jwt(token(claims, typ), KEYS, issuer=ISSUER, now=1100) is None


def test_a_token_of_another_key_or_time_is_none() -> None:
    assert read_jwt(token(key=signing_key("ES256", "other")), KEYS, issuer=ISSUER, now=1100) is None
    assert read_jwt(token(key=signing_key("RS256")), KEYS, issuer=ISSUER, now=1100) is None
    assert read_jwt(token(), KEYS, issuer=ISSUER, now=1310) is None
    assert read_jwt(token(), {}, issuer=ISSUER, now=1100) is None


@spec("RFC 9700 §4.15")
def test_a_client_s_subject_is_never_a_person() -> None:
    user = UUID(int=2)
    assert user_of(subject_of(user, "rp")) == user
    assert subject_of(None, str(user)) == f"client:{user}"
    assert user_of(subject_of(None, str(user))) is None
    assert user_of("somebody") is None


ID = IdTokenFacts(ISSUER, str(UUID(int=2)), "rp", 1000, 1300, 990, "pwd", ("pwd",), "sid", "n")


@spec("OIDC Core §2", "OIDC Core §3.1.3.6")
@pytest.mark.parametrize("alg", jose.SIGNING_ALGORITHMS)
def test_an_id_token_tells_of_the_sign_in_and_no_profile(alg: str) -> None:
    claims = id_token_claims(ID, "the access token", alg)
    assert claims["at_hash"] == jose.at_hash("the access token", alg)
    assert set(claims) == {
        "iss", "sub", "aud", "iat", "exp", "auth_time", "at_hash", "nonce", "acr", "amr", "sid",
    }  # fmt: skip
    assert claims["aud"] == "rp"


def test_an_id_token_has_no_empty_claims() -> None:
    claims = id_token_claims(replace(ID, nonce=None, acr="", amr=(), sid=None), "x", "RS256")
    assert not {"nonce", "acr", "amr", "sid", "azp"} & set(claims)


def test_an_id_token_is_no_access_token() -> None:
    id_token = jose.sign(KEY, id_token_claims(ID, "x", "ES256") | {"gh": BINDING.to_claim()}, "JWT")
    assert read_jwt(id_token, KEYS, issuer=ISSUER, now=1100) is None
