"""The form of an authorization request: tables of rights and wrongs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.protocol.audience import ADMIN_API, OwnApis
from authz.protocol.authorization_request import (
    AnswerAddress,
    AuthorizationRequest,
    RequestRules,
    parameters_of,
    parse_answer_address,
    parse_request,
    with_parameters,
)
from authz.protocol.errors import OAuthError
from authz.protocol.prompt import must_sign_in_again, parse_max_age, parse_prompt
from identity_core.testing.spec import spec

CALLBACK = "https://client.example/cb"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
APIS = OwnApis("https://scim.example/v2", "https://sessions.example")
RULES = RequestRules(frozenset({"openid", "profile", "email"}), require_pkce=True, apis=APIS)
OPEN_RULES = RequestRules(frozenset({"openid"}), require_pkce=False, apis=APIS, default_max_age=60)
GOOD = {
    "client_id": "c",
    "response_type": "code",
    "scope": "openid profile",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


def parsed(
    rules: RequestRules = RULES, resources: tuple[str, ...] = (), /, **changes: str | None
) -> AuthorizationRequest | OAuthError:
    params = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return parse_request(params, resources, AnswerAddress(CALLBACK, True), rules)


def good(
    rules: RequestRules = RULES, resources: tuple[str, ...] = (), /, **changes: str | None
) -> AuthorizationRequest:
    request = parsed(rules, resources, **changes)
    assert isinstance(request, AuthorizationRequest), request
    return request


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": "none"}, "unsupported_response_type"),
        ({"response_type": "Code"}, "unsupported_response_type"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "query.jwt"}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge": CHALLENGE[:-1]}, "invalid_request"),
        ({"code_challenge": CHALLENGE + "A"}, "invalid_request"),
        ({"code_challenge": "+" + CHALLENGE[1:]}, "invalid_request"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "urn:x"}, "request_uri_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "none none consent"}, "invalid_request"),
        ({"prompt": "create"}, "invalid_request"),
        ({"prompt": "Login"}, "invalid_request"),
        ({"prompt": "login  consent"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "1.5"}, "invalid_request"),
        ({"max_age": "1e3"}, "invalid_request"),
        ({"max_age": "٣"}, "invalid_request"),
        ({"max_age": "99999999999"}, "invalid_request"),
        ({"scope": "openid  profile"}, "invalid_scope"),
        ({"scope": 'open"id'}, "invalid_scope"),
        ({"state": "x" * 4097}, "invalid_request"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name(changes: dict[str, str | None], error: str) -> None:
    refusal = parsed(**changes)
    assert isinstance(refusal, OAuthError)
    assert refusal.error == error


@spec("OIDC Core §3.1.2.1", "RFC 6749 §3.1")
@pytest.mark.parametrize(
    "changes",
    [
        {"extra": "foobar"},
        {"display": "popup"},
        {"display": "touch"},
        {"ui_locales": "se"},
        {"claims_locales": "se"},
        {"acr_values": "1 2"},
        {"claims": '{"userinfo":{"name":{"essential":true}}}'},
        {"login_hint": "ada"},
        {"response_mode": "query"},
        {"nonce": None},
        {"scope": None},
        {"scope": "profile"},
        {"state": "s" * 4096},
    ],
)
def test_what_is_allowed_or_unknown_is_no_error(changes: dict[str, str | None]) -> None:
    good(**changes)


@spec("RFC 6749 §3.3", "OIDC Core §3.1.2.1")
def test_scopes_are_cut_to_what_the_client_may_have_in_the_order_asked() -> None:
    assert good(scope="email scim openid users:write").scopes == ("email", "openid")


@spec("RFC 9700 §2.1.1", "RFC 7636 §4.4.1")
def test_a_client_that_need_not_use_pkce_may_still_use_it() -> None:
    without = good(OPEN_RULES, code_challenge=None, code_challenge_method=None)
    assert (without.code_challenge, good(OPEN_RULES).code_challenge) == (None, CHALLENGE)
    assert isinstance(parsed(OPEN_RULES, code_challenge_method="plain"), OAuthError)


@spec("OIDC Registration §2")
def test_the_default_max_age_of_the_client_counts_where_the_request_has_none() -> None:
    assert (good(OPEN_RULES).max_age, good(OPEN_RULES, max_age="5").max_age, good().max_age) == (60, 5, None)


@spec("RFC 8707 §2")
def test_resources_are_kept_once_each_and_must_be_absolute_without_fragment() -> None:
    two = ("https://api.example/a", "https://api.example/b", "https://api.example/a")
    assert good(RULES, two).resource == two[:2]
    for wrong in ("api.example", "https://api.example/#x", ""):
        refusal = parsed(RULES, (wrong,))
        assert isinstance(refusal, OAuthError)
        assert refusal.error == "invalid_target"


@spec("RFC 6749 §3.1.2.3", "OIDC Core §3.1.2.1")
@pytest.mark.parametrize(
    ("params", "registered", "expected"),
    [
        ({"redirect_uri": CALLBACK}, (CALLBACK,), AnswerAddress(CALLBACK, True)),
        ({"scope": "profile"}, (CALLBACK,), AnswerAddress(CALLBACK, False)),
        ({"scope": "openid"}, (CALLBACK,), None),
        ({}, (CALLBACK, CALLBACK + "2"), None),
        ({"redirect_uri": CALLBACK + "/"}, (CALLBACK,), None),
        ({"redirect_uri": CALLBACK}, (), None),
    ],
)
def test_the_answer_goes_to_a_registered_address_or_nowhere(
    params: dict[str, str], registered: tuple[str, ...], expected: AnswerAddress | None
) -> None:
    address = parse_answer_address(params, registered, "web")
    assert address == expected if expected else isinstance(address, OAuthError)


@spec("RFC 6749 §3.1.2")
@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://c.example/cb", "https://c.example/cb?state=a%26b"),
        ("https://c.example/cb?x=1", "https://c.example/cb?x=1&state=a%26b"),
        ("https://c.example/cb?", "https://c.example/cb?state=a%26b"),
        ("com.example.app:/cb", "com.example.app:/cb?state=a%26b"),
    ],
)
def test_parameters_are_added_to_the_query_there_is(uri: str, expected: str) -> None:
    assert with_parameters(uri, [("state", "a&b"), ("nothing", None)]) == expected


def test_a_request_written_as_parameters_reads_as_the_same_request() -> None:
    request = good(
        RULES,
        ("https://api.example/a",),
        state="s +&=",
        nonce="n",
        prompt="consent login",
        max_age="7",
        login_hint="ada",
        acr_values="a b",
        redirect_uri=CALLBACK,
    )
    pairs = [(name, value) for name, value in parameters_of(request) if value is not None]
    again = parse_request(
        {name: value for name, value in pairs if name != "resource"},
        [value for name, value in pairs if name == "resource"],
        AnswerAddress(CALLBACK, True),
        RULES,
    )
    assert again == request
    assert dict(parameters_of(request, prompt="login"))["prompt"] == "login"


@spec("OIDC Core §3.1.2.1")
def test_choosing_an_account_is_signing_in_again() -> None:
    assert parse_prompt("select_account consent") == frozenset({"login", "consent"})
    assert parse_prompt("none") == frozenset({"none"})
    assert parse_prompt(None) == frozenset()


@spec("OIDC Core §3.1.2.1")
@pytest.mark.parametrize(
    ("prompts", "max_age", "age_ms", "expected"),
    [
        ((), None, 10**9, False),
        (("login",), None, 0, True),
        ((), 0, 0, True),
        ((), 1, 1000, False),
        ((), 1, 1001, True),
        ((), 10_000, 9_999_000, False),
        (("consent",), None, 0, False),
    ],
)
def test_a_sign_in_is_too_old_by_prompt_or_by_max_age(
    prompts: tuple[str, ...], max_age: int | None, age_ms: int, expected: bool
) -> None:
    assert must_sign_in_again(frozenset(prompts), max_age, 5_000, 5_000 + age_ms) is expected


@given(st.text(max_size=12))
def test_max_age_is_a_whole_number_or_refused(text: str) -> None:
    age = parse_max_age(text)
    assert isinstance(age, OAuthError) or (age is not None and str(age) == (text.lstrip("0") or "0"))


@spec("RFC 8707 §2")
@pytest.mark.parametrize("resource", [APIS.scim, APIS.sessions, ADMIN_API])
def test_no_person_grants_access_to_our_own_apis(resource: str) -> None:
    for resources in ((resource,), ("https://api.example", resource)):
        refusal = parsed(RULES, resources)
        assert isinstance(refusal, OAuthError)
        assert refusal.error == "invalid_target"
    assert good(RULES, ("https://api.example", resource + "/x")).resource == ("https://api.example", resource + "/x")
