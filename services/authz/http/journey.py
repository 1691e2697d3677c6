"""From "what comes next" to an answer: the same road for the authorization request and for every form after it.

`proceed` reads what is true now, asks `next_step`, does it, and answers with a redirect: to the next page, or to the
client with a code or an error. It is the only maker of authorization codes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from starlette.responses import Response

from authz import interaction as rules
from authz.factors.password import account_key
from authz.factors.totp import begin_enrollment
from authz.http.abuse import device_of, interaction_limits, network_of
from authz.http.error_page import error_page, stale_page, throttled_page
from authz.http.visit import Visit
from authz.interaction import ClientFacts, Evidence, Progress, Step, SubjectFacts, acr_of, next_step
from authz.login_ports import Interaction, Live, OpenCookie, Opening, Place, Refused
from authz.ports import CodeRecord
from authz.protocol.authorization_request import AuthorizationRequest, parameters_of, with_parameters
from authz.protocol.client_metadata import Client
from authz.protocol.errors import OAuthError
from authz.protocol.form_action import leads_to
from authz.protocol.redirect_uri import is_registered
from authz.protocol.scope import OFFLINE_ACCESS, allowed_scopes
from identity_core.contracts.stamps import Binding, Stamps
from identity_core.ratelimit import Limited
from identity_core.secrets import derive_sid
from identity_core.telemetry import inject

PATHS: Final[Mapping[Place, str]] = {
    "login": "/login",
    "totp": "/login/totp",
    "enroll": "/enroll/totp",
    "consent": "/consent",
}
AUTHORIZE: Final = "/authorize"


@dataclass(frozen=True)
class Journey:
    """One sign-in on its way: who visits, for which client, what was asked, and its interaction if it has one yet."""

    visit: Visit
    client: Client
    request: AuthorizationRequest
    live: Live | None = None

    def to_client(self, parameters: Mapping[str, str | None]) -> Response:
        """The answer by redirect: `parameters`, the state unchanged, and always `iss` (RFC 9207 §2)."""
        return to_client(self.visit, self.request.redirect_uri, self.request.state, parameters)

    @property
    def mfa_required(self) -> bool:
        """The tenant's policy: `mfa` is `required` unless it says `optional`."""
        return bool(self.visit.tenant.policy.get("mfa", "required") != "optional")

    @property
    def leads_to(self) -> tuple[str, ...]:
        """Where a form that ends at the client may lead, for the page's policy."""
        home = self.client.metadata.get("client_uri")
        return leads_to(self.request.redirect_uri, *self.client.redirect_uris, *((home,) if home else ()))

    @property
    def restart(self) -> str:
        """The address that begins this sign-in again, for another account."""
        return with_parameters(self.visit.path(AUTHORIZE), parameters_of(self.request, prompt="login"))


def to_client(visit: Visit, redirect_uri: str, state: str | None, parameters: Mapping[str, str | None]) -> Response:
    """303 to the client with `parameters`, `state` and `iss`."""
    answer = {**parameters, "state": state, "iss": visit.tenant.issuer}
    return visit.see_other(with_parameters(redirect_uri, answer.items()))


def page_address(visit: Visit, live: Live) -> str:
    """Where an interaction is."""
    return with_parameters(visit.path(PATHS[live.interaction.place]), [("interaction", live.id)])


async def journey_of(visit: Visit, live: Live) -> Journey | Response:
    """The journey of an interaction, judged by what the client is now (CVE-2026-3009): one that was switched off or
    changed its redirect URIs meanwhile receives nothing."""
    asked = live.interaction.request
    client = await visit.resources.clients.get(visit.tenant.id, asked.client_id)
    if client is None or not is_registered(client.redirect_uris, asked.redirect_uri, client.application_type):
        await visit.login.interactions.close(visit.tenant.id, live.id)
        return error_page(visit, 400, "This request cannot be answered.", "The application is not known here any more.")
    return Journey(visit, client, replace(asked, scopes=allowed_scopes(asked.scopes, client.user_scopes)), live)


async def proceed(journey: Journey, progress: Progress) -> Response:
    """Do what comes next and answer. Two reads of the session and one statement, then what the step itself costs."""
    visit, client_id = journey.visit, journey.client.id
    session = await visit.session(client_id)
    step = await _step(journey, progress, session)
    evidence = progress.evidence
    if isinstance(step, rules.Open) and evidence is not None:
        opened = await _open(journey, evidence, session)
        if isinstance(opened, Refused):
            return await _not_opened(journey, opened, evidence)
        session, progress = opened, rules.with_session(opened.cookie.session_id)
        visit.keep_session(opened)
        visit.keep_known(account_key(evidence.username))
        step = await _step(journey, progress, session)
    match step:
        case rules.Factor(enroll=enroll):
            return await _ask_factor(journey, progress, enroll=enroll)
        case rules.Consent() if session is not None:
            return await _go_to(journey, rules.going_on_with(progress, session.cookie.session_id), "consent")
        case rules.Done() if session is not None:
            return await _answer_code(journey, session)
        case rules.Fail(error=error):
            return await fail(journey, error)
        case _:
            return await _go_to(journey, rules.NOTHING, "login")


async def begin_again(journey: Journey, evidence: Evidence) -> Response:
    """What was proven has been revoked since (revocation rule 3): it is as if nobody had come."""
    visit, subject = journey.visit, str(evidence.user_id)
    await visit.login.logins.record(visit.audit("login", subject, refused="ended", client_id=journey.client.id))
    return await _go_to(journey, rules.NOTHING, "login")


async def fail(journey: Journey, error: OAuthError) -> Response:
    """The error by redirect; the interaction is over."""
    await _close(journey)
    return journey.to_client(error.parameters())


async def _step(journey: Journey, progress: Progress, session: OpenCookie | None) -> Step:
    facts: SubjectFacts | None = None
    if session is not None and progress.evidence is None:
        subject = await journey.visit.login.consents.subject(
            journey.visit.tenant.id, session.facts.user_id, journey.client.id
        )
        facts = subject.facts if subject else None
    client = ClientFacts(journey.client.first_party, _identity_assured(journey))
    return next_step(
        journey.request,
        progress,
        session.facts if session else None,
        client,
        facts,
        mfa_required=journey.mfa_required,
    )


def _identity_assured(journey: Journey) -> bool:
    """The client has a secret, or its answer goes to an https address that is its own (RFC 8252 §7.2, §8.6)."""
    return not journey.client.public or journey.request.redirect_uri.startswith("https://")


async def _open(journey: Journey, evidence: Evidence, previous: OpenCookie | None) -> OpenCookie | Refused:
    visit, subject = journey.visit, str(evidence.user_id)
    audit = visit.audit("login", subject, client_id=journey.client.id, amr=list(evidence.amr))
    return await visit.login.logins.open(
        Opening(
            tenant=visit.tenant.id,
            evidence=evidence,
            client_id=journey.client.id,
            acr=acr_of(evidence.amr),
            auth_time_ms=evidence.proven_ms,
            device=device_of(visit.request.headers.get("user-agent", "")),
            network=network_of(visit.address),
            previous=previous,
            audit=audit,
        )
    )


async def _not_opened(journey: Journey, refused: Refused, evidence: Evidence) -> Response:
    if refused.reason == "ended":
        return await begin_again(journey, evidence)
    visit, subject = journey.visit, str(evidence.user_id)
    await visit.login.logins.record(visit.audit("login", subject, refused="limit", client_id=journey.client.id))
    await _close(journey)
    return error_page(
        visit,
        403,
        "You are signed in in too many places.",
        "Sign out somewhere else first, or ask an administrator to end a session.",
        way_on=(journey.restart, "Try again"),
    )


async def _ask_factor(journey: Journey, progress: Progress, *, enroll: bool) -> Response:
    if not enroll or progress.evidence is None:
        return await _go_to(journey, replace(progress, enrolling=None), "totp")
    if progress.enrolling is None:
        visit = journey.visit
        new = begin_enrollment(visit.resources.sealer, visit.tenant.id, progress.evidence.user_id)
        progress = replace(progress, enrolling=(new.id, new.sealed))
    return await _go_to(journey, progress, "enroll")


async def _go_to(journey: Journey, progress: Progress, place: Place) -> Response:
    """Write where the interaction is, beginning it if need be, and send the browser there. One or two round trips."""
    visit, live = journey.visit, journey.live
    traceparent = inject() if live is None else live.interaction.traceparent
    there = Interaction(journey.request, progress, place, traceparent)
    interactions = visit.login.interactions
    if live is None:
        limited = await visit.resources.limiter.take(visit.tenant.id, *interaction_limits(visit.address))
        if isinstance(limited, Limited):
            again = with_parameters(visit.path(AUTHORIZE), parameters_of(journey.request))
            return throttled_page(visit, limited, again)
        name = await interactions.create(visit.tenant.id, visit.browser_or_new(), there)
        return visit.see_other(with_parameters(visit.path(PATHS[place]), [("interaction", name)]))
    moved = replace(live, interaction=there)
    if not await interactions.put(visit.tenant.id, live, there):
        return stale_page(visit, page_address(visit, moved))
    return visit.see_other(page_address(visit, moved))


async def _answer_code(journey: Journey, session: OpenCookie) -> Response:
    """The code, with the stamps of the evidence. One round trip for code and touch, one to end the interaction."""
    visit, facts, tag = journey.visit, session.facts, session.cookie.tag
    put = visit.resources.codes.put(_code_record(journey, session))
    touch = visit.resources.store.touch(visit.tenant.id, tag, facts.id, facts.user_id)
    code, _ = await asyncio.gather(put, touch)
    await _close(journey)
    return journey.to_client({"code": code})


def _code_record(journey: Journey, session: OpenCookie) -> CodeRecord:
    visit, client, asked = journey.visit, journey.client, journey.request
    # The older of two readings of one epoch: what was raised between them ends the code.
    stamps = Stamps(tenant=min(session.tenant_epoch, client.tenant_epoch), client=client.epoch, user=session.user_epoch)
    sid = derive_sid(visit.resources.settings.tag_key, visit.tenant.id, session.facts.id, client.id)
    return CodeRecord(
        tenant=visit.tenant.id,
        client_id=client.id,
        redirect_uri=asked.redirect_uri,
        redirect_uri_given=asked.redirect_uri_given,
        scopes=asked.scopes,
        user_id=session.facts.user_id,
        session_id=session.facts.id,
        binding=Binding(session.cookie.tag, stamps, session.facts.id, offline=OFFLINE_ACCESS in asked.scopes),
        code_challenge=asked.code_challenge,
        nonce=asked.nonce,
        auth_time=session.facts.auth_time_ms // 1000,
        acr=session.acr,
        amr=session.facts.amr,
        resource=asked.resource,
        sid=sid,
        traceparent=inject(),
    )


async def _close(journey: Journey) -> None:
    if journey.live is not None:
        await journey.visit.login.interactions.close(journey.visit.tenant.id, journey.live.id)
