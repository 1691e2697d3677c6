"""What comes next: no order of requests reaches the answer without each proof (rows 52 and 53)."""

from dataclasses import dataclass, replace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.interaction import (
    ACR_MFA,
    ACR_PASSWORD,
    NOTHING,
    OTP,
    PASSWORD,
    ClientFacts,
    Consent,
    Done,
    Evidence,
    Factor,
    Fail,
    Login,
    Open,
    Progress,
    SessionFacts,
    SubjectFacts,
    acr_of,
    going_on_with,
    next_step,
    with_consent,
    with_otp,
    with_password,
    with_session,
)
from authz.protocol.authorization_request import AuthorizationRequest
from authz.protocol.consent import in_words, needs_consent
from identity_core.testing.spec import spec

ADA, BOB = UUID(int=1), UUID(int=2)
SESSION, OTHER = UUID(int=11), UUID(int=12)
REQUEST = AuthorizationRequest("c", "https://c.example/cb", True, ("openid",))
FIRST_PARTY, THIRD_PARTY = ClientFacts(True, True), ClientFacts(False, True)
HELD = SessionFacts(SESSION, ADA, auth_time_ms=1_000, amr=(PASSWORD, OTP), now_ms=61_000)
PERSON = SubjectFacts(active=True, has_totp=True, remembered=frozenset({"openid"}))


def step(
    request: AuthorizationRequest = REQUEST,
    progress: Progress = NOTHING,
    session: SessionFacts | None = HELD,
    client: ClientFacts = FIRST_PARTY,
    subject: SubjectFacts | None = PERSON,
    mfa_required: bool = True,
) -> object:
    return next_step(request, progress, session, client, subject, mfa_required=mfa_required)


def asking(*prompts: str, **changes: object) -> AuthorizationRequest:
    return replace(REQUEST, prompts=frozenset(prompts), **changes)  # type: ignore[arg-type]


def evidence(has_totp: bool = True) -> Evidence:
    return Evidence(ADA, "ada", 0, 0, (PASSWORD,), has_totp, 1_000)


@spec("OIDC Core §3.1.2.3")
def test_a_session_answers_and_its_absence_asks() -> None:
    assert step() == Done()
    assert step(session=None, subject=None) == Login()


@spec("OIDC Core §3.1.2.1", "OIDC Core §3.1.2.6")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"session": None, "subject": None}, "login_required"),
        ({"request": asking("none", max_age=59)}, "login_required"),
        ({"request": asking("none", hint_subject=str(BOB))}, "login_required"),
        ({"session": replace(HELD, amr=(PASSWORD,))}, "login_required"),
        ({"subject": replace(PERSON, active=False)}, "login_required"),
        ({"subject": None}, "login_required"),
        ({"client": THIRD_PARTY, "subject": replace(PERSON, remembered=None)}, "consent_required"),
        ({"client": ClientFacts(False, False)}, "consent_required"),
    ],
)
def test_silence_is_kept_by_an_error(changes: dict[str, object], error: str) -> None:
    answer = step(**{"request": asking("none"), **changes})  # type: ignore[arg-type]
    assert isinstance(answer, Fail)
    assert answer.error.error == error


@spec("OIDC Core §3.1.2.1")
def test_silence_with_everything_in_place_is_answered() -> None:
    assert step(asking("none")) == Done()
    assert step(asking("none", max_age=60, hint_subject=str(ADA)), client=THIRD_PARTY) == Done()


@spec("OIDC Core §3.1.2.1")
@pytest.mark.parametrize(
    "request_", [asking("login"), asking(max_age=59), asking(max_age=0), asking(hint_subject=str(BOB))]
)
def test_a_session_that_is_not_what_was_asked_for_asks_again(request_: AuthorizationRequest) -> None:
    assert step(request_) == Login()
    if request_.hint_subject is None:
        assert step(request_, with_session(SESSION)) == Done()


@spec("OIDC Core §3.1.2.1")
def test_signing_in_as_another_person_than_the_hint_names_is_an_error() -> None:
    answer = step(asking(hint_subject=str(BOB)), with_session(SESSION))
    assert isinstance(answer, Fail)
    assert answer.error.error == "login_required"


@pytest.mark.parametrize(
    ("has_totp", "mfa_required", "acr_values", "expected"),
    [
        (True, True, (), Factor(enroll=False)),
        (True, False, (), Factor(enroll=False)),
        (False, True, (), Factor(enroll=True)),
        (False, False, (), Open()),
        (False, False, (ACR_MFA,), Factor(enroll=True)),
        (False, False, (ACR_PASSWORD,), Open()),
    ],
)
def test_a_password_leads_to_the_second_factor_wherever_there_is_one_or_must_be(
    has_totp: bool, mfa_required: bool, acr_values: tuple[str, ...], expected: object
) -> None:
    progress = with_password(evidence(has_totp))
    request = replace(REQUEST, acr_values=acr_values)
    assert step(request, progress, None, subject=None, mfa_required=mfa_required) == expected
    # A live session beside it changes nothing.
    assert step(request, progress, mfa_required=mfa_required) == expected
    assert step(request, with_otp(progress, 2_000), None, subject=None, mfa_required=mfa_required) == Open()


def test_a_session_of_a_password_alone_is_not_enough_once_more_is_wanted() -> None:
    weak = replace(HELD, amr=(PASSWORD,))
    assert step(session=weak, subject=replace(PERSON, has_totp=False), mfa_required=False) == Done()
    assert step(session=weak, subject=replace(PERSON, has_totp=False)) == Login()
    assert step(session=weak, mfa_required=False) == Login()
    stepped = replace(REQUEST, acr_values=(ACR_MFA,))
    assert step(stepped, session=weak, subject=replace(PERSON, has_totp=False), mfa_required=False) == Login()


@spec("OIDC Core §3.1.2.4")
def test_consent_is_asked_once_and_its_answer_is_final() -> None:
    fresh = replace(PERSON, remembered=None)
    assert step(client=THIRD_PARTY, subject=fresh) == Consent(("openid",))
    asked = going_on_with(NOTHING, SESSION)
    assert step(progress=with_consent(asked, allowed=True), client=THIRD_PARTY, subject=fresh) == Done()
    denied = step(progress=with_consent(asked, allowed=False), client=THIRD_PARTY, subject=fresh)
    assert isinstance(denied, Fail)
    assert denied.error.error == "access_denied"


def test_an_answer_given_in_one_session_counts_in_no_other() -> None:
    allowed = with_consent(going_on_with(NOTHING, SESSION), allowed=True)
    other = replace(HELD, id=OTHER, user_id=BOB)
    assert step(progress=allowed, session=other, client=THIRD_PARTY) == Login()
    assert with_consent(NOTHING, allowed=True) == NOTHING


def test_a_code_without_a_password_proves_nothing() -> None:
    assert with_otp(NOTHING, 5) == NOTHING
    assert with_otp(Progress(evidence=replace(evidence(), amr=())), 5) == Progress(evidence=replace(evidence(), amr=()))


def test_the_class_is_never_higher_than_the_proof() -> None:
    assert acr_of((PASSWORD,)) == acr_of((OTP,)) == acr_of(()) == ACR_PASSWORD
    assert acr_of((PASSWORD, OTP)) == ACR_MFA


@spec("RFC 8252 §8.6", "OIDC Core §3.1.2.4")
@pytest.mark.parametrize(
    ("scopes", "remembered", "first_party", "identity_assured", "asked_for", "expected"),
    [
        ({"openid"}, None, False, True, False, True),
        ({"openid"}, {"openid"}, False, True, False, False),
        ({"openid"}, {"openid", "email"}, False, True, False, False),
        ({"openid", "email"}, {"openid"}, False, True, False, True),
        ({"openid"}, {"openid"}, False, False, False, True),
        ({"openid"}, None, True, True, False, False),
        ({"openid"}, None, True, False, False, True),
        ({"openid"}, {"openid"}, True, False, False, True),
        ({"openid"}, {"openid"}, True, True, True, True),
        (set(), None, False, True, False, True),
        (set(), set(), False, True, False, False),
    ],
)
def test_row_35_consent_is_asked_of_everyone_but_the_known_and_the_assured(
    scopes: set[str],
    remembered: set[str] | None,
    first_party: bool,
    identity_assured: bool,
    asked_for: bool,
    expected: bool,
) -> None:
    asked = needs_consent(
        scopes, remembered, first_party=first_party, identity_assured=identity_assured, asked_for=asked_for
    )
    assert asked is expected


def test_a_scope_without_words_is_shown_by_its_name() -> None:
    assert [line.title for line in in_words(("email", "urn:x"))] == ["See your e-mail address", "urn:x"]


@dataclass
class Server:
    """A model of the handlers: each submission counts only on the page it belongs to, as `submitted` sees to."""

    request: AuthorizationRequest
    client: ClientFacts
    mfa_required: bool
    has_totp: bool
    progress: Progress = NOTHING
    session: SessionFacts | None = None
    remembered: frozenset[str] | None = None
    proofs: frozenset[str] = frozenset()
    allowed: bool = False
    stamp: int = 0
    epoch: int = 0

    def step(self) -> object:
        subject = SubjectFacts(True, self.has_totp, self.remembered) if self.session else None
        return next_step(
            self.request, self.progress, self.session, self.client, subject, mfa_required=self.mfa_required
        )

    def post(self, action: str) -> None:
        at = self.step()
        match action, at:
            case "password", Login():
                self.proofs, self.stamp = frozenset({PASSWORD}), self.epoch
                self.progress = with_password(Evidence(ADA, "ada", 0, 0, (PASSWORD,), self.has_totp, 5_000))
            case "code", Factor(enroll=False):
                self.proofs |= {OTP}
                self.progress = with_otp(self.progress, 6_000)
            case "enroll", Factor(enroll=True):
                self.proofs |= {OTP}
                self.has_totp = True
                self.progress = with_otp(self.progress, 6_000)
            case "allow", Consent():
                self.allowed = True
                self.progress = with_consent(self.progress, allowed=True)
            case "deny", Consent():
                self.progress = with_consent(self.progress, allowed=False)
            case "revoke", _:
                self.session, self.proofs, self.allowed = None, frozenset(), False
                self.epoch += 1
        self.settle()

    def settle(self) -> None:
        at = self.step()
        if isinstance(at, Open):
            found = self.progress.evidence
            assert found is not None
            # The session store refuses evidence whose stamps are older than the epoch (revocation rule 3).
            alive = self.stamp == self.epoch
            self.session = SessionFacts(SESSION, ADA, 6_000, found.amr, 6_000) if alive else None
            self.progress = with_session(SESSION) if alive else NOTHING
            at = self.step()
        if isinstance(at, Consent):
            self.progress = going_on_with(self.progress, SESSION)
        if isinstance(at, Login):
            self.progress, self.allowed = NOTHING, False


ACTIONS = st.sampled_from(
    ["password", "wrong password", "empty", "code", "wrong code", "enroll", "allow", "deny", "revoke", "reload"]
)


@settings(max_examples=400, deadline=None)
@given(
    actions=st.lists(ACTIONS, max_size=14),
    mfa_required=st.booleans(),
    has_totp=st.booleans(),
    first_party=st.booleans(),
    identity_assured=st.booleans(),
    prompts=st.sampled_from([(), ("login",), ("consent",), ("login", "consent")]),
)
def test_row_52_no_order_of_submissions_reaches_the_answer_without_each_proof(
    actions: list[str],
    mfa_required: bool,
    has_totp: bool,
    first_party: bool,
    identity_assured: bool,
    prompts: tuple[str, ...],
) -> None:
    server = Server(asking(*prompts), ClientFacts(first_party, identity_assured), mfa_required, has_totp)
    for action in actions:
        before = server.progress, server.session
        server.post(action)
        if action in ("wrong password", "empty", "wrong code", "reload"):
            # Row 53: what proves nothing advances nothing.
            assert (server.progress, server.session) == before
        if isinstance(server.step(), Done):
            assert PASSWORD in server.proofs
            assert OTP in server.proofs or not (mfa_required or has_totp)
            assert server.allowed or (first_party and identity_assured and "consent" not in prompts)
            return
