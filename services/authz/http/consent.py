"""The page that asks whether a client may have what it asked for (OIDC Core §3.1.2.4)."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from authz.http.error_page import malformed_page, page, with_pages_for_faults
from authz.http.forms import Submission, shown, submitted
from authz.http.journey import Journey, journey_of, page_address, proceed
from authz.http.visit import Visit
from authz.interaction import NOTHING, with_consent
from authz.login_ports import Live
from authz.protocol.consent import in_words

_DECISIONS: Final = {"allow": True, "deny": False}
_DESTINATION: Final = re.compile(r"https?://([^/?]+).*|([^:]+:).*")


@with_pages_for_faults
async def show_consent(request: Request) -> Response:
    """GET /consent. Three round trips and one statement."""
    visit = Visit.of(request)
    live = await shown(visit, "consent")
    if isinstance(live, Response):
        return live
    journey = await journey_of(visit, live)
    return journey if isinstance(journey, Response) else await _consent_page(journey, live)


@with_pages_for_faults
async def post_consent(request: Request) -> Response:
    """POST /consent: `decision` is `allow` or `deny`; anything else is neither."""
    sent = await submitted(request, "consent")
    if isinstance(sent, Response):
        return sent
    allowed = _DECISIONS.get(sent.form.get("decision", ""))
    if allowed is None:
        return malformed_page(sent.journey.visit)
    return await _decide(sent, allowed=allowed)


async def _decide(sent: Submission, *, allowed: bool) -> Response:
    journey, visit = sent.journey, sent.journey.visit
    progress = sent.live.interaction.progress
    session = await visit.session(journey.client.id)
    if session is None or session.facts.id != progress.session_id:
        # Whoever was asked is not signed in any more: their answer is nobody's.
        return await proceed(journey, NOTHING)
    subject, scopes = str(session.facts.user_id), journey.request.scopes
    if allowed:
        audit = visit.audit("consent.allow", subject, client_id=journey.client.id, scopes=list(scopes))
        await visit.login.consents.allow(visit.tenant.id, session.facts.user_id, journey.client.id, scopes, audit)
    else:
        await visit.login.logins.record(
            visit.audit("consent.deny", subject, client_id=journey.client.id, scopes=list(scopes))
        )
    return await proceed(journey, with_consent(progress, allowed=allowed))


async def _consent_page(journey: Journey, live: Live) -> Response:
    visit, client = journey.visit, journey.client
    session = await visit.session(client.id)
    if session is None or session.facts.id != live.interaction.progress.session_id:
        return await proceed(journey, NOTHING)
    subject = await visit.login.consents.subject(visit.tenant.id, session.facts.user_id, client.id)
    if subject is None:
        return await proceed(journey, NOTHING)
    values = {
        "action": page_address(visit, live),
        "interaction": live.id,
        "step": live.step,
        "client": client.name,
        "username": subject.username,
        "scopes": in_words(journey.request.scopes),
        "destination": _destination(journey.request.redirect_uri),
        "policy_uri": client.metadata.get("policy_uri"),
        "tos_uri": client.metadata.get("tos_uri"),
        "restart": journey.restart,
    }
    return page(visit, "consent", values, leads_to=journey.leads_to)


def _destination(redirect_uri: str) -> str:
    """Where the person will be sent, as they can recognise it: host and port, or an app's scheme."""
    match = _DESTINATION.fullmatch(redirect_uri)
    return (match[1] or match[2]) if match else redirect_uri
