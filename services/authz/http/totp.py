"""The pages for one-time passwords: typing a code, and setting up an authenticator first.

A POST costs three round trips to Redis (two from a known browser) and two statements until the verdict. Both pages are
reached only behind a right password, and nothing but a right code leads on. A password that was revoked meanwhile is
none: the sign-in begins again and no authenticator is kept.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from authz.factors.password import account_key
from authz.factors.totp import Enrollment, check_code, confirm_enrollment, secret_of
from authz.http.abuse import code_limits, taken
from authz.http.error_page import expired_page, page, throttled_page, with_pages_for_faults
from authz.http.forms import Submission, shown, submitted
from authz.http.journey import Journey, begin_again, journey_of, page_address, proceed
from authz.http.visit import Visit
from authz.interaction import Evidence, with_otp
from authz.login_ports import Live
from identity_core import totp
from identity_core.ratelimit import Limited

WRONG_CODE = "That code is not right, or it was used before. Wait for the next one and try again."


@with_pages_for_faults
async def show_totp(request: Request) -> Response:
    """GET /login/totp. One round trip."""
    visit = Visit.of(request)
    live = await shown(visit, "totp")
    if isinstance(live, Response):
        return live
    journey = await journey_of(visit, live)
    return journey if isinstance(journey, Response) else _totp_page(journey, live, None)


@with_pages_for_faults
async def post_totp(request: Request) -> Response:
    """POST /login/totp."""
    sent = await submitted(request, "totp")
    if isinstance(sent, Response):
        return sent
    visit, evidence = sent.journey.visit, sent.live.interaction.progress.evidence
    if evidence is None:
        return expired_page(visit)
    limited = await _throttle(sent, evidence)
    if limited is not None:
        return limited
    now_ms = visit.resources.clock.now_ms()
    verdict = await check_code(
        visit.login.credentials,
        visit.resources.sealer,
        visit.tenant.id,
        evidence,
        sent.form.get("code", ""),
        now_ms / 1000,
    )
    if verdict == "ended":
        return await begin_again(sent.journey, evidence)
    if verdict == "wrong":
        await _record_refusal(sent, evidence)
        return _totp_page(sent.journey, sent.live, WRONG_CODE)
    return await proceed(sent.journey, with_otp(sent.live.interaction.progress, now_ms))


@with_pages_for_faults
async def show_enroll(request: Request) -> Response:
    """GET /enroll/totp. One round trip."""
    visit = Visit.of(request)
    live = await shown(visit, "enroll")
    if isinstance(live, Response):
        return live
    journey = await journey_of(visit, live)
    return journey if isinstance(journey, Response) else _enroll_page(journey, live, None)


@with_pages_for_faults
async def post_enroll(request: Request) -> Response:
    """POST /enroll/totp."""
    sent = await submitted(request, "enroll")
    if isinstance(sent, Response):
        return sent
    visit, progress = sent.journey.visit, sent.live.interaction.progress
    evidence, enrolling = progress.evidence, progress.enrolling
    if evidence is None or enrolling is None:
        return expired_page(visit)
    limited = await _throttle(sent, evidence)
    if limited is not None:
        return limited
    now_ms = visit.resources.clock.now_ms()
    verdict = await confirm_enrollment(
        visit.login.credentials,
        visit.resources.sealer,
        visit.tenant.id,
        evidence,
        Enrollment(*enrolling),
        sent.form.get("code", ""),
        now_ms / 1000,
        visit.audit("totp.enroll", str(evidence.user_id), client_id=sent.journey.client.id),
    )
    if verdict == "ended":
        return await begin_again(sent.journey, evidence)
    if verdict == "wrong":
        await _record_refusal(sent, evidence)
        return _enroll_page(sent.journey, sent.live, WRONG_CODE)
    return await proceed(sent.journey, with_otp(progress, now_ms))


async def _throttle(sent: Submission, evidence: Evidence) -> Response | None:
    visit = sent.journey.visit
    known = visit.known(account_key(evidence.username))
    limits = code_limits(evidence.user_id, visit.address, known)
    limited = await taken(visit.resources.limiter, visit.tenant.id, limits)
    return throttled_page(visit, limited, page_address(visit, sent.live)) if isinstance(limited, Limited) else None


async def _record_refusal(sent: Submission, evidence: Evidence) -> None:
    visit, client_id = sent.journey.visit, sent.journey.client.id
    await visit.login.logins.record(
        visit.audit("login", str(evidence.user_id), refused="code", client_id=client_id, factor="otp")
    )


def _totp_page(journey: Journey, live: Live, error: str | None) -> Response:
    visit, evidence = journey.visit, live.interaction.progress.evidence
    if evidence is None:
        return expired_page(visit)
    values = {
        "action": page_address(visit, live),
        "interaction": live.id,
        "step": live.step,
        "username": evidence.username,
        "restart": journey.restart,
        "error": error,
    }
    return page(visit, "totp", values, leads_to=journey.leads_to)


def _enroll_page(journey: Journey, live: Live, error: str | None) -> Response:
    visit, progress = journey.visit, live.interaction.progress
    evidence, enrolling = progress.evidence, progress.enrolling
    if evidence is None or enrolling is None:
        return expired_page(visit)
    secret = secret_of(visit.resources.sealer, visit.tenant.id, evidence.user_id, Enrollment(*enrolling))
    otpauth = totp.provisioning_uri(secret, account=evidence.username, issuer=visit.tenant.name)
    values = {
        "action": page_address(visit, live),
        "interaction": live.id,
        "step": live.step,
        "username": evidence.username,
        "secret": totp.secret_text(secret),
        "otpauth": otpauth,
        "error": error,
    }
    return page(visit, "enroll", values, leads_to=journey.leads_to)
