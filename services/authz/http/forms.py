"""What every form of a sign-in begins with: who sent it, which interaction it belongs to, and taking its step."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from authz.http.error_page import expired_page, foreign_form_page, malformed_page, stale_page
from authz.http.journey import Journey, journey_of, page_address
from authz.http.visit import Visit
from authz.login_ports import Live, Place, Stale
from identity_core.web.forms import Form, FormFault, form_without_duplicates, query_without_duplicates

_MAX_FORM = 16 * 1024
_MAX_STEP_DIGITS = 6


@dataclass(frozen=True)
class Submission:
    """A form whose step has been taken. `live.step` is the number of the page that answers it."""

    journey: Journey
    live: Live
    form: Form


async def shown(visit: Visit, place: Place) -> Live | Response:
    """The interaction a page is asked for; a redirect when it is somewhere else by now. One round trip."""
    query = query_without_duplicates(visit.request.scope["query_string"])
    browser = visit.browser()
    if isinstance(query, FormFault) or browser is None:
        return expired_page(visit)
    live = await visit.login.interactions.read(visit.tenant.id, query.get("interaction", ""), browser)
    if live is None:
        return expired_page(visit)
    visit.continue_trace(live.interaction.traceparent)
    return live if live.interaction.place == place else visit.see_other(page_address(visit, live))


async def submitted(request: Request, place: Place) -> Submission | Response:
    """The form of `place`, with its step taken: of two equal ones only one goes on. One round trip.

    Nothing is looked at before the step is taken, and the step is taken only by the browser the interaction belongs
    to, on the page it is at.
    """
    visit = Visit.of(request)
    if visit.from_another_site:
        return foreign_form_page(visit)
    form = await form_without_duplicates(request, limit=_MAX_FORM)
    if isinstance(form, FormFault):
        return malformed_page(visit, form.status)
    browser, step = visit.browser(), form.get("step", "")
    if not step.isascii() or not step.isdigit() or len(step) > _MAX_STEP_DIGITS:
        return malformed_page(visit)
    if browser is None:
        return expired_page(visit)
    taken = await visit.login.interactions.take(visit.tenant.id, form.get("interaction", ""), browser, int(step))
    if taken is None:
        return expired_page(visit)
    if isinstance(taken, Stale):
        return stale_page(visit, page_address(visit, taken.live))
    visit.continue_trace(taken.interaction.traceparent)
    if taken.interaction.place != place:
        return stale_page(visit, page_address(visit, taken))
    journey = await journey_of(visit, taken)
    return journey if isinstance(journey, Response) else Submission(journey, taken, form)
