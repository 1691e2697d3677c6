"""Scopes: read strictly, narrowed and never widened."""

from typing import Any

import pytest

from authz.protocol.errors import OAuthError
from authz.protocol.scope import (
    CLAIMS,
    CLAIMS_BY_SCOPE,
    allowed_scopes,
    claims_for,
    narrowed,
    parse_scope,
    scope_text,
)
from identity_core.testing.spec import spec


@spec("RFC 6749 §3.3")
def test_scopes_are_read_in_order_and_once() -> None:
    assert parse_scope("openid profile openid x:y.z/1") == ("openid", "profile", "x:y.z/1")
    assert parse_scope(None) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " openid",
        "openid ",
        "openid  profile",
        "openid\tprofile",
        'a"b',
        "a\\b",
        "ä",
        "a\x00",
        "a" * 101,
        "a " * 51,
    ],
)
def test_a_malformed_scope_is_refused(text: str) -> None:
    refusal = parse_scope(text)
    assert isinstance(refusal, OAuthError)
    assert refusal.error == "invalid_scope"


@spec("RFC 6749 §6")
def test_a_refreshed_scope_is_a_part_of_what_was_granted() -> None:
    granted = ("openid", "profile", "email")
    assert narrowed((), granted) == granted
    assert narrowed(("email", "openid"), granted) == ("openid", "email")
    assert isinstance(narrowed(("openid", "scim"), granted), OAuthError)


def test_row_29_what_is_not_allowed_is_not_granted() -> None:
    assert allowed_scopes(("scim", "openid", "admin"), ("openid", "profile")) == ("openid",)


@spec("OIDC Core §5.4")
def test_each_scope_opens_its_claims_only() -> None:
    everything = {name: f"the {name}" for name in CLAIMS} | {"roles": ["admin"], "password": "x"}
    assert set(claims_for(("openid",), everything)) == set()
    assert set(claims_for(("openid", "email"), everything)) == {"email", "email_verified"}
    assert set(claims_for(("profile",), everything)) == set(CLAIMS_BY_SCOPE["profile"])
    assert set(claims_for(tuple(CLAIMS_BY_SCOPE), everything)) == set(CLAIMS) - {"sub"}


@spec("OIDC Core §5.3.2")
def test_empty_and_null_claims_are_left_out_and_false_is_not() -> None:
    claims: dict[str, Any] = {
        "email": None,
        "email_verified": False,
        "name": " ",
        "phone_number": "",
        "address": {},
        "updated_at": 0,
    }
    assert claims_for(("email", "profile", "phone", "address"), claims) == {"email_verified": False, "updated_at": 0}


def test_scopes_are_written_with_single_spaces() -> None:
    assert scope_text(("openid", "email")) == "openid email"
