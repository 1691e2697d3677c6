"""Client metadata: what is stored always satisfies every rule."""

from typing import Any
from uuid import UUID

import pytest
from authlib.oauth2.rfc7591 import ClientMetadataClaims
from authlib.oidc.registration import ClientMetadataClaims as OidcClientMetadataClaims
from hypothesis import given
from hypothesis import strategies as st

from authz.grants import GRANTS
from authz.protocol.client_metadata import AUTH_METHODS, GRANT_TYPES, client_from, register_metadata
from authz.protocol.errors import OAuthError
from authz.protocol.scope import MACHINE_SCOPES
from identity_core.testing.spec import spec

WEB = {"redirect_uris": ["https://rp.example/cb"]}
PUBLIC = {**WEB, "token_endpoint_auth_method": "none"}


def accepted(document: dict[str, Any]) -> dict[str, Any]:
    stored = register_metadata(document)
    assert isinstance(stored, dict), stored
    return stored


@spec("RFC 7591 §2")
def test_what_is_left_out_gets_its_default() -> None:
    stored = accepted(WEB)
    assert stored["token_endpoint_auth_method"] == "client_secret_basic"
    assert stored["grant_types"] == ["authorization_code"]
    assert stored["response_types"] == ["code"]
    assert stored["application_type"] == "web"
    assert stored["id_token_signed_response_alg"] == "RS256"
    assert stored["access_token_format"] == "jwt"
    assert stored["require_pkce"] is False
    assert stored["scope"] == "openid profile email address phone"


def test_a_client_without_a_secret_must_use_pkce() -> None:
    assert accepted(PUBLIC)["require_pkce"] is True
    assert isinstance(register_metadata({**PUBLIC, "require_pkce": False}), OAuthError)
    assert accepted({**WEB, "require_pkce": True})["require_pkce"] is True


def test_unknown_members_are_left_out() -> None:
    assert "roles" not in accepted({**WEB, "roles": ["admin"], "tenant": "x", "first_party": True, "sub": "1"})


def test_offline_access_is_a_default_of_clients_that_refresh() -> None:
    assert "offline_access" in accepted({**WEB, "grant_types": ["authorization_code", "refresh_token"]})["scope"]
    assert "offline_access" not in accepted(WEB)["scope"]


WRONG: list[tuple[str, Any]] = [
    ("redirect_uris", []),
    ("redirect_uris", "https://rp.example/cb"),
    ("redirect_uris", [1]),
    ("redirect_uris", ["https://rp.example/cb", "https://rp.example/cb"]),
    ("redirect_uris", ["http://rp.example/cb"]),
    ("redirect_uris", ["https://rp.example/cb#x"]),
    ("redirect_uris", ["com.example.app:/cb"]),
    ("redirect_uris", ["https://rp.example/cb?code=x"]),
    ("redirect_uris", [f"https://rp.example/{n}" for n in range(51)]),
    ("post_logout_redirect_uris", ["javascript:alert(1)"]),
    ("post_logout_redirect_uris", ["https://rp.example/#"]),
    ("token_endpoint_auth_method", "private_key_jwt"),
    ("token_endpoint_auth_method", ["none"]),
    ("token_endpoint_auth_method", "NONE"),
    ("grant_types", ["password"]),
    ("grant_types", ["implicit"]),
    ("grant_types", "authorization_code"),
    ("grant_types", ["authorization_code", "authorization_code"]),
    ("grant_types", ["refresh_token"]),
    ("grant_types", [["authorization_code"]]),
    ("response_types", ["token"]),
    ("response_types", ["code id_token"]),
    ("response_types", []),
    ("application_type", "service"),
    ("subject_type", "pairwise"),
    ("id_token_signed_response_alg", "none"),
    ("id_token_signed_response_alg", "HS256"),
    ("id_token_encrypted_response_alg", "RSA-OAEP"),
    ("userinfo_signed_response_alg", "RS256"),
    ("request_object_signing_alg", "none"),
    ("access_token_format", "saml"),
    ("require_pkce", "true"),
    ("require_pkce", 1),
    ("scope", ["openid"]),
    ("scope", 'a"b'),
    ("scope", " openid"),
    ("client_name", ""),
    ("client_name", "x" * 201),
    ("client_name", "Bank\u202egpj"),
    ("client_name", "two\nlines"),
    ("client_name", 5),
    ("logo_uri", "JaVaScRiPt:alert(1)"),
    ("client_uri", "data:text/html,x"),
    ("policy_uri", "http://rp.example/policy"),
    ("tos_uri", "//rp.example"),
    ("jwks_uri", "file:///etc/passwd"),
    ("initiate_login_uri", "ftp://x"),
    ("jwks", []),
    ("jwks", {"keys": "none"}),
    ("contacts", "me@example.org"),
    ("contacts", [""]),
    ("default_max_age", -1),
    ("default_max_age", True),
    ("default_max_age", 1.5),
    ("require_auth_time", "yes"),
]


@spec("RFC 7591 §3.2.2")
@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_member_is_refused(name: str, value: Any) -> None:
    refusal = register_metadata({**WEB, name: value})
    assert isinstance(refusal, OAuthError)
    assert refusal.error in ("invalid_redirect_uri", "invalid_client_metadata")
    assert refusal.description.isascii()


@pytest.mark.parametrize("document", [None, [], "x", 1, [WEB]])
def test_what_is_no_object_is_refused(document: object) -> None:
    assert isinstance(register_metadata(document), OAuthError)


def test_members_must_fit_each_other() -> None:
    for document in (
        {"grant_types": ["client_credentials"], "token_endpoint_auth_method": "none"},
        {"grant_types": ["client_credentials"], "response_types": ["code"]},
        {**WEB, "jwks": {"keys": []}, "jwks_uri": "https://rp.example/jwks"},
        {"grant_types": ["authorization_code"]},
    ):
        assert isinstance(register_metadata(document), OAuthError)


def test_native_applications_may_have_private_use_schemes() -> None:
    accepted({**PUBLIC, "application_type": "native", "redirect_uris": ["com.example.app:/cb"]})


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=8), st.lists(st.text(max_size=8), max_size=3),
    st.sampled_from([*AUTH_METHODS, "web", "native", "jwt", "opaque", "RS256", "code", "public"]),
    st.lists(st.sampled_from([*GRANT_TYPES, "code", "https://rp.example/cb", "http://127.0.0.1/"]), max_size=3),
)  # fmt: skip
_MEMBERS = st.sampled_from(
    ["redirect_uris", "token_endpoint_auth_method", "grant_types", "response_types", "application_type", "require_pkce",
     "scope", "access_token_format", "id_token_signed_response_alg", "client_name", "default_max_age"]
)  # fmt: skip


@given(st.dictionaries(_MEMBERS, _VALUES, max_size=6))
def test_row_31_a_stored_client_always_satisfies_the_policy(document: dict[str, Any]) -> None:
    stored = register_metadata(document)
    if isinstance(stored, OAuthError):
        return
    # Judged again it is the same: nothing passes that an update would refuse, nor grows by being updated.
    assert register_metadata(stored) == stored
    client = client_from(UUID(int=1), "rp", stored)
    assert client.require_pkce or not client.public
    assert client.redirect_uris or "authorization_code" not in client.grant_types
    assert not (client.public and "client_credentials" in client.grant_types)
    assert set(client.user_scopes).isdisjoint(MACHINE_SCOPES)
    # Authlib's own validation is a second judge of the form.
    ClientMetadataClaims(dict(stored), {}).validate()
    OidcClientMetadataClaims(dict(stored), {}).validate()


def test_the_grant_types_are_those_of_the_registry() -> None:
    assert tuple(grant.name for grant in GRANTS) == GRANT_TYPES
