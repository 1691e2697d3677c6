"""The verdicts of the token endpoint as tables of wrongs: no store, no clock."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from authz.grants import GRANTS, authorization_code, choose, client_credentials, refresh_token
from authz.grants.asking import TokenRequest
from authz.grants.authorization_code import NewFamily
from authz.ports import CodeRecord, FamilyState, Replayed, Taken, Tenant
from authz.protocol.audience import ADMIN_API, OwnApis
from authz.protocol.client_metadata import Client, client_from, register_metadata
from authz.protocol.decision import Allow, Decision, Refuse
from authz.protocol.errors import OAuthError
from authz.protocol.pkce import s256
from identity_core.contracts.stamps import Binding, Stamps
from identity_core.secrets import RefreshToken
from identity_core.testing.spec import spec

TENANT = Tenant(UUID(int=1), "default", "Default", "https://op.example", "")
USER, SESSION, GRANT, FAMILY = UUID(int=2), UUID(int=3), UUID(int=4), UUID(int=5)
VERIFIER = "v" * 43
CALLBACK = "https://rp.example/cb"
APIS = OwnApis("https://scim.example", "https://sessions.example")
FRESH = NewFamily(FAMILY, "c2FsdHNhbHQ", 0)
RECORD = CodeRecord(
    tenant=TENANT.id,
    client_id="rp",
    redirect_uri=CALLBACK,
    redirect_uri_given=True,
    scopes=("openid", "profile"),
    user_id=USER,
    session_id=SESSION,
    binding=Binding(7, Stamps(1, 2, 3), SESSION, GRANT, False),
    code_challenge=s256(VERIFIER),
    nonce="n",
    auth_time=1_700_000_000,
    acr="pwd",
    amr=("pwd",),
    resource=("https://api.example",),
    sid="sid",
)
FORM = {"code": "x", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}


def client(**metadata: Any) -> Client:
    document = register_metadata(
        {"redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token"], **metadata}
    )
    assert isinstance(document, dict), document
    return client_from(TENANT.id, "rp", document, secret_hash=b"x", epoch=2, tenant_epoch=1)


def ask(form: dict[str, str], who: Client | None = None, resources: tuple[str, ...] = ()) -> TokenRequest:
    return TokenRequest(TENANT, who or client(), form, resources)


def redeem(
    form: dict[str, str] | None = None,
    record: CodeRecord | None = None,
    who: Client | None = None,
    resources: tuple[str, ...] = (),
) -> Decision:
    taken = Taken(GRANT, record or RECORD, 0)
    return authorization_code.decide(ask(FORM if form is None else form, who, resources), taken, FRESH)


def refused(decision: Decision) -> OAuthError:
    assert isinstance(decision, Refuse), decision
    return decision.error


# --- authorization_code


@spec("OIDC Core §3.1.3.3", "RFC 6749 §4.1.4")
def test_a_right_code_is_allowed_with_what_it_stands_for() -> None:
    decision = redeem()
    assert isinstance(decision, Allow)
    assert decision.evidence.binding == RECORD.binding
    assert decision.order.scopes == ("openid", "profile")
    assert decision.order.audience == ("https://api.example", TENANT.issuer)
    assert decision.order.nonce == "n"
    assert decision.order.id_token_alg == "RS256"
    assert decision.new_grant is not None
    assert decision.new_grant.family is not None
    assert decision.refresh is not None
    assert decision.refresh.generation == 0


@pytest.mark.parametrize(
    "form",
    [
        {},
        {**FORM, "redirect_uri": CALLBACK + "/"},
        {**FORM, "redirect_uri": "https://evil.example/cb"},
        {"code": "x", "code_verifier": VERIFIER},
        {"code": "x", "redirect_uri": CALLBACK},
        {**FORM, "code_verifier": "w" * 43},
        {**FORM, "code_verifier": "v" * 42},
    ],
)
def test_row_18_a_code_with_a_wrong_proof_is_refused_and_ends_nothing(form: dict[str, str]) -> None:
    decision = redeem(form)
    assert isinstance(decision, Refuse)
    assert decision.error.error == "invalid_grant"
    assert decision.ends is None


def test_row_19_both_downgrades_are_refused() -> None:
    bare = replace(RECORD, code_challenge=None)
    without = {"code": "x", "redirect_uri": CALLBACK}
    assert isinstance(redeem(without, bare), Allow)
    assert refused(redeem(FORM, bare)).cause == "pkce_downgrade"
    assert refused(redeem(without, bare, client(require_pkce=True))).cause == "pkce_missing"
    assert refused(redeem(without, bare, client(token_endpoint_auth_method="none"))).cause == "pkce_missing"


@spec("RFC 6749 §4.1.3")
def test_a_redirect_uri_that_was_not_given_need_not_be_repeated() -> None:
    implied = replace(RECORD, redirect_uri_given=False)
    assert isinstance(redeem({"code": "x", "code_verifier": VERIFIER}, implied), Allow)
    assert isinstance(redeem(FORM, implied), Allow)
    assert refused(redeem({**FORM, "redirect_uri": "https://evil.example"}, implied)).error == "invalid_grant"


@spec("RFC 6749 §4.1.2", "RFC 9700 §4.2.4")
def test_row_6_a_replayed_code_ends_its_grant() -> None:
    decision = authorization_code.decide(ask(FORM), Replayed(GRANT, RECORD, 0), FRESH)
    assert isinstance(decision, Refuse)
    assert decision.error.error == "invalid_grant"
    assert decision.ends is not None
    assert (decision.ends.grant_id, decision.ends.user_id, decision.ends.reason) == (GRANT, USER, "code_replay")


def test_row_20_a_code_of_another_client_is_refused_and_its_grant_ends() -> None:
    other = replace(client(), id="other")
    decision = redeem(who=other)
    assert isinstance(decision, Refuse)
    assert decision.error.error == "invalid_grant"
    assert decision.ends is not None
    assert decision.ends.reason == "code_of_other_client"
    assert (decision.ends.client_id, decision.ends.actor) == ("rp", "other")


def test_an_unknown_code_is_refused_and_ends_nothing() -> None:
    decision = authorization_code.decide(ask(FORM), None, FRESH)
    assert isinstance(decision, Refuse)
    assert decision.ends is None


def test_row_29_a_code_grants_no_more_than_the_client_may_have_now() -> None:
    greedy = replace(RECORD, scopes=("openid", "profile", "scim", "clients:write", "email"))
    decision = redeem(record=greedy, who=client(scope="openid profile scim clients:write"))
    assert isinstance(decision, Allow)
    assert decision.order.scopes == ("openid", "profile")


@spec("RFC 8707 §2.2")
def test_a_code_s_token_is_for_the_resources_of_its_request() -> None:
    decision = redeem(resources=("https://api.example",))
    assert isinstance(decision, Allow)
    assert refused(redeem(resources=("https://other.example",))).error == "invalid_target"


def test_without_openid_there_is_no_id_token_and_without_a_resource_the_audience_is_the_issuer() -> None:
    decision = redeem(record=replace(RECORD, scopes=("profile",), resource=()))
    assert isinstance(decision, Allow)
    assert decision.order.id_token_alg is None
    assert decision.order.audience == (TENANT.issuer,)


@pytest.mark.parametrize(
    ("grants", "offline"), [(["authorization_code"], False), (["authorization_code", "refresh_token"], True)]
)
def test_only_what_can_be_refreshed_outlives_its_session(grants: list[str], offline: bool) -> None:
    who = client(grant_types=grants, scope="openid offline_access")
    asked = replace(RECORD, scopes=("openid", "offline_access"), binding=replace(RECORD.binding, offline=True))
    decision = redeem(record=asked, who=who)
    assert isinstance(decision, Allow)
    assert decision.evidence.binding.offline is offline
    assert (decision.refresh is not None) is offline


# --- refresh_token

STATE = FamilyState(
    family_id=FAMILY,
    grant_id=GRANT,
    client_id="rp",
    user_id=USER,
    session_id=SESSION,
    binding=RECORD.binding,
    key_id=0,
    salt="c2FsdHNhbHQ",
    generation=5,
    scopes=("openid", "profile", "email"),
    auth_time=1_700_000_000,
    acr="pwd",
    amr=("pwd",),
    sid="sid",
    resource=(),
    created_at=0,
    expires_at=0,
    ended=False,
    alive=True,
    within_grace=True,
    moved=True,
)


def refresh(
    generation: int, state: FamilyState | None, scopes: tuple[str, ...] = (), who: Client | None = None, **form: str
) -> Decision:
    token = RefreshToken(0, 7, FAMILY, generation, "c2FsdHNhbHQ", "mac")
    return refresh_token.decide(ask(form, who), token, state, scopes)


@spec("RFC 6749 §6", "RFC 9700 §4.14.2")
def test_the_current_generation_receives_the_next() -> None:
    decision = refresh(5, STATE)
    assert isinstance(decision, Allow)
    assert decision.refresh is not None
    assert decision.refresh.generation == 6
    assert decision.order.nonce is None
    assert (decision.order.auth_time, decision.order.sid) == (STATE.auth_time, "sid")
    assert decision.new_grant is None


def test_the_previous_generation_receives_the_current_one_within_the_grace() -> None:
    decision = refresh(4, replace(STATE, moved=False))
    assert isinstance(decision, Allow)
    assert decision.refresh is not None
    assert decision.refresh.generation == 5


@pytest.mark.parametrize(
    ("generation", "within_grace"), [(4, False), (3, True), (3, False), (0, True), (6, True), (7, True)]
)
def test_row_6_every_other_generation_is_reuse_and_ends_the_grant(generation: int, within_grace: bool) -> None:
    decision = refresh(generation, replace(STATE, moved=False, within_grace=within_grace))
    assert isinstance(decision, Refuse)
    assert decision.error.error == "invalid_grant"
    assert decision.ends is not None
    assert decision.ends.reason == "refresh_reuse"


def test_row_20_a_refresh_token_of_another_client_is_refused_and_its_grant_ends() -> None:
    for state in (replace(STATE, moved=False), replace(STATE, moved=False, alive=False)):
        decision = refresh(5, state, who=replace(client(), id="other"))
        assert isinstance(decision, Refuse)
        assert decision.ends is not None
        assert decision.ends.reason == "refresh_of_other_client"


@pytest.mark.parametrize(
    "state",
    [
        None,
        replace(STATE, ended=True, alive=False, moved=False),
        replace(STATE, alive=False, moved=False),
        replace(STATE, moved=False),
    ],
)
def test_what_is_not_alive_or_not_taken_gets_nothing_and_ends_nothing(state: FamilyState | None) -> None:
    decision = refresh(5, state)
    assert isinstance(decision, Refuse)
    assert decision.error.error == "invalid_grant"
    assert decision.ends is None


def test_an_ended_family_says_nothing_about_reuse() -> None:
    decision = refresh(1, replace(STATE, ended=True, alive=False, moved=False))
    assert isinstance(decision, Refuse)
    assert decision.ends is None


def test_a_dead_family_gives_nothing_within_the_grace() -> None:
    assert refused(refresh(4, replace(STATE, moved=False, alive=False))).error == "invalid_grant"


def test_a_refresh_narrows_and_never_widens() -> None:
    decision = refresh(5, STATE, ("email",))
    assert isinstance(decision, Allow)
    assert decision.order.scopes == ("email",)
    assert decision.order.id_token_alg is None
    assert refused(refresh(5, replace(STATE, moved=False), ("openid", "phone"))).error == "invalid_scope"


def test_row_10_a_client_that_lost_a_scope_loses_it_at_the_next_refresh() -> None:
    decision = refresh(5, STATE, who=client(scope="openid"))
    assert isinstance(decision, Allow)
    assert decision.order.scopes == ("openid",)
    offline = replace(STATE, binding=replace(STATE.binding, offline=True), scopes=("openid", "offline_access"))
    assert refused(refresh(5, offline, who=client(scope="openid"))).cause == "refresh_dead"


# --- client_credentials


def machine(scope: str = "scim sessions:read", **metadata: Any) -> Client:
    return client(redirect_uris=[], grant_types=["client_credentials"], scope=scope, **metadata)


@spec("RFC 6749 §4.4", "RFC 9700 §4.15")
def test_a_client_gets_a_token_for_itself() -> None:
    decision = client_credentials.decide(ask({}, machine()), APIS, 9)
    assert isinstance(decision, Allow)
    assert decision.evidence.user_id is None
    assert decision.evidence.binding == Binding(9, Stamps(1, 2, 0))
    assert decision.order.scopes == ("scim", "sessions:read")
    assert decision.order.audience == (APIS.scim, APIS.sessions)
    assert decision.order.id_token_alg is None
    assert decision.refresh is None


@pytest.mark.parametrize(
    "scope", ["scim openid", "openid", "profile", "offline_access", "sessions:revoke", "other", " "]
)
def test_row_29_a_client_gets_only_scopes_it_has_for_itself(scope: str) -> None:
    who = machine("scim openid profile offline_access")
    assert refused(client_credentials.decide(ask({"scope": scope}, who), APIS, 9)).error == "invalid_scope"


@pytest.mark.parametrize(
    ("scope", "audience"),
    [
        ("scim", (APIS.scim,)),
        ("sessions:read sessions:revoke", (APIS.sessions,)),
        ("keys:rotate", (ADMIN_API,)),
        ("own:scope", (TENANT.issuer,)),
        ("", (TENANT.issuer,)),
    ],
)
def test_the_audience_follows_from_the_scopes(scope: str, audience: tuple[str, ...]) -> None:
    decision = client_credentials.decide(ask({}, machine(scope)), APIS, 9)
    assert isinstance(decision, Allow)
    assert decision.order.audience == audience


@spec("RFC 8707 §2")
@pytest.mark.parametrize(
    "resource", ["https://other.example", "scim", "https://scim.example#x", "https://scim.example/"]
)
def test_a_client_s_resource_is_one_of_our_apis(resource: str) -> None:
    request = ask({}, machine(), (resource,))
    assert refused(client_credentials.decide(request, APIS, 9)).error == "invalid_target"
    decision = client_credentials.decide(ask({}, machine(), (APIS.scim, APIS.scim, ADMIN_API)), APIS, 9)
    assert isinstance(decision, Allow)
    assert decision.order.audience == (APIS.scim, ADMIN_API)


def test_a_client_without_a_secret_has_no_tokens_of_its_own() -> None:
    public = replace(machine(), auth_method="none")
    assert refused(client_credentials.decide(ask({}, public), APIS, 9)).error == "unauthorized_client"


# --- the registry


@spec("RFC 6749 §5.2")
def test_a_client_uses_only_grant_types_it_registered() -> None:
    assert choose(None, client()) == OAuthError("invalid_request", "the grant_type is missing")
    for grant in GRANTS:
        chosen = choose(grant.name, client())
        expected = grant.name in client().grant_types
        assert (not isinstance(chosen, OAuthError)) is expected
    for name in ("password", "implicit", "", "AUTHORIZATION_CODE", "urn:ietf:params:oauth:grant-type:jwt-bearer"):
        outcome = choose(name, client())
        assert isinstance(outcome, OAuthError)
        assert outcome.error == "unsupported_grant_type"
