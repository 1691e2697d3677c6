"""A sign-in, step by step: `next_step` is the only place that says what a person must still do. Pure.

What has been proven so far stands in `Progress`, which the server alone keeps; a browser holds nothing but the name of
the interaction. Every request asks `next_step` anew with what is true at that moment, so no order of requests reaches
`Done` without each proof, and a proof that died meanwhile starts the sign-in over (CVE-2026-18963, CVE-2026-49443).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from authz.protocol.authorization_request import AuthorizationRequest
from authz.protocol.consent import needs_consent
from authz.protocol.errors import OAuthError
from authz.protocol.prompt import must_sign_in_again

PASSWORD: Final = "pwd"
OTP: Final = "otp"

ACR_PASSWORD: Final = "urn:gatehouse:acr:pwd"
ACR_MFA: Final = "urn:gatehouse:acr:mfa"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What this interaction has proven of a person, before there is a session. `amr` as in RFC 8176.

    The epochs are stamps: read in the statement that read the password hash, and never read again. `has_totp`: whether
    a confirmed one-time password credential existed at that moment. `proven_ms`: when the last proof came.
    """

    user_id: UUID
    username: str
    user_epoch: int
    tenant_epoch: int
    amr: tuple[str, ...]
    has_totp: bool
    proven_ms: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an interaction has come.

    `session_id` is the session it goes on with, `fresh` whether this interaction opened it, `consent` what the person
    answered. `enrolling` is the sealed secret of a one-time password being set up, with the id it is bound to.
    """

    evidence: Evidence | None = None
    session_id: UUID | None = None
    fresh: bool = False
    consent: bool | None = None
    enrolling: tuple[UUID, bytes] | None = None


NOTHING: Final = Progress()


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A live session of this browser: read and judged a moment ago."""

    id: UUID
    user_id: UUID
    auth_time_ms: int
    amr: tuple[str, ...]
    now_ms: int


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """What a sign-in needs to know of the client. `identity_assured`: see `consent.needs_consent`."""

    first_party: bool
    identity_assured: bool


@dataclass(frozen=True, slots=True)
class SubjectFacts:
    """The person behind the session, as the database has them now; `remembered`: scopes allowed earlier to
    this client, None for never asked."""

    active: bool
    has_totp: bool
    remembered: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """Ask for user name and password."""


@dataclass(frozen=True, slots=True)
class Factor:
    """Ask for a code of the person's authenticator, or (`enroll`) have them set one up first."""

    enroll: bool


@dataclass(frozen=True, slots=True)
class Open:
    """Everything is proven: open the session."""


@dataclass(frozen=True, slots=True)
class Consent:
    """Ask whether the client may have these scopes."""

    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """Answer with a code."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer with an error."""

    error: OAuthError


Step = Login | Factor | Open | Consent | Done | Fail


def next_step(
    request: AuthorizationRequest,
    progress: Progress,
    session: SessionFacts | None,
    client: ClientFacts,
    subject: SubjectFacts | None,
    *,
    mfa_required: bool,
) -> Step:
    """What comes next. `session` and `subject` are this browser's now, or None; `mfa_required` the tenant's policy."""
    mfa_wanted = mfa_required or ACR_MFA in request.acr_values
    if progress.evidence is not None:
        return _after_password(progress.evidence, mfa_wanted=mfa_wanted)
    standing = _standing(request, progress, session, subject, mfa_wanted=mfa_wanted)
    if standing is None:
        return _refusal("login_required", "nobody is signed in") if request.silent else Login()
    holder, person = standing
    if request.hint_subject not in (None, str(holder.user_id)):
        return _other_person(request, progress)
    return _after_login(request, progress, client, person)


def acr_of(amr: tuple[str, ...]) -> str:
    """The authentication context class of what was proven, never a higher one (OIDC Core §2, CVE-2024-45042)."""
    return ACR_MFA if PASSWORD in amr and OTP in amr else ACR_PASSWORD


def with_password(evidence: Evidence) -> Progress:
    """The password was right: everything earlier in this interaction is forgotten."""
    return Progress(evidence=replace(evidence, amr=(PASSWORD,)))


def with_otp(progress: Progress, now_ms: int) -> Progress:
    """The code was right. Without a password before it nothing changes."""
    evidence = progress.evidence
    if evidence is None or PASSWORD not in evidence.amr:
        return progress
    proven = replace(evidence, amr=(*evidence.amr, OTP), has_totp=True, proven_ms=now_ms)
    return replace(progress, evidence=proven, enrolling=None)


def with_session(session_id: UUID) -> Progress:
    """The session is open; the evidence has become its stamps and is not needed again."""
    return Progress(session_id=session_id, fresh=True)


def going_on_with(progress: Progress, session_id: UUID) -> Progress:
    """The interaction goes on with the session there is: what is answered now is answered by this person."""
    return replace(progress, session_id=session_id)


def with_consent(progress: Progress, *, allowed: bool) -> Progress:
    """The person's answer. Without a session that they were asked in, nothing changes."""
    return progress if progress.session_id is None else replace(progress, consent=allowed)


def _after_password(evidence: Evidence, *, mfa_wanted: bool) -> Step:
    if OTP not in evidence.amr and (mfa_wanted or evidence.has_totp):
        return Factor(enroll=not evidence.has_totp)
    return Open()


def _standing(
    request: AuthorizationRequest,
    progress: Progress,
    session: SessionFacts | None,
    subject: SubjectFacts | None,
    *,
    mfa_wanted: bool,
) -> tuple[SessionFacts, SubjectFacts] | None:
    """The session and its person, if it is good enough for this request and the one this interaction goes on with."""
    if session is None or subject is None or not subject.active:
        return None
    if progress.session_id is not None and progress.session_id != session.id:
        return None
    if OTP not in session.amr and (mfa_wanted or subject.has_totp):
        return None
    if not progress.fresh and must_sign_in_again(
        request.prompts, request.max_age, session.auth_time_ms, session.now_ms
    ):
        return None
    return session, subject


def _other_person(request: AuthorizationRequest, progress: Progress) -> Step:
    """Somebody else than the ID token names is signed in (OIDC Core §3.1.2.1, id_token_hint)."""
    if request.silent or progress.fresh:
        return _refusal("login_required", "another person is signed in than id_token_hint names")
    return Login()


def _after_login(request: AuthorizationRequest, progress: Progress, client: ClientFacts, subject: SubjectFacts) -> Step:
    if progress.consent is False:
        return Fail(OAuthError("access_denied", "the person did not allow the request"))
    asked = progress.consent is None and needs_consent(
        frozenset(request.scopes),
        subject.remembered,
        first_party=client.first_party,
        identity_assured=client.identity_assured,
        asked_for=request.asks_consent,
    )
    if not asked:
        return Done()
    return _refusal("consent_required", "the person must be asked") if request.silent else Consent(request.scopes)


def _refusal(error: str, description: str) -> Fail:
    return Fail(OAuthError(error, description))
