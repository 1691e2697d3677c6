"""The page for user name and password.

A POST costs three round trips to Redis (two from a known browser), one statement and one hash until the verdict,
whoever is asked about.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from authz.factors.password import account_key, check_password
from authz.http.abuse import password_limits, taken
from authz.http.error_page import page, throttled_page, with_pages_for_faults
from authz.http.forms import Submission, shown, submitted
from authz.http.journey import Journey, journey_of, page_address, proceed
from authz.http.visit import Visit
from authz.interaction import with_password
from authz.login_ports import Live
from identity_core.ratelimit import Limited

# One sentence for an unknown name, an inactive account and a wrong password.
WRONG = "That user name and password do not match. Try again."


@with_pages_for_faults
async def show_login(request: Request) -> Response:
    """GET /login. One round trip."""
    visit = Visit.of(request)
    live = await shown(visit, "login")
    if isinstance(live, Response):
        return live
    journey = await journey_of(visit, live)
    if isinstance(journey, Response):
        return journey
    return _login_page(journey, live, journey.request.login_hint or "", None)


@with_pages_for_faults
async def post_login(request: Request) -> Response:
    """POST /login."""
    sent = await submitted(request, "login")
    if isinstance(sent, Response):
        return sent
    journey, visit = sent.journey, sent.journey.visit
    username = sent.form.get("username", "")
    account = account_key(username)
    limits = password_limits(account, visit.address, visit.known(account))
    limited = await taken(visit.resources.limiter, visit.tenant.id, limits)
    if isinstance(limited, Limited):
        return throttled_page(visit, limited, page_address(visit, sent.live))
    answer = await check_password(
        visit.login.credentials,
        visit.resources.hasher,
        visit.tenant.id,
        username,
        sent.form.get("password", ""),
        visit.resources.clock.now_ms(),
    )
    if answer.evidence is None:
        subject = str(answer.user_id) if answer.user_id else None
        return await _refuse(sent, username, subject)
    return await proceed(journey, with_password(answer.evidence))


async def _refuse(sent: Submission, username: str, subject: str | None) -> Response:
    visit, client_id = sent.journey.visit, sent.journey.client.id
    await visit.login.logins.record(
        visit.audit("login", subject, refused="password", client_id=client_id, factor="pwd")
    )
    return _login_page(sent.journey, sent.live, username, WRONG)


def _login_page(journey: Journey, live: Live, username: str, error: str | None) -> Response:
    visit = journey.visit
    values = {
        "action": page_address(visit, live),
        "interaction": live.id,
        "step": live.step,
        "client": journey.client.name,
        "username": username,
        "error": error,
    }
    # With a second factor to come this form ends here, and the page that takes the password names nobody else.
    return page(visit, "login", values, leads_to=() if journey.mfa_required else journey.leads_to)
