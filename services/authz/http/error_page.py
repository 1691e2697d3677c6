"""Pages as responses: the strict policy on each of them, and the one page for everything that went wrong.

Whatever a store does, a person sees a page with a way on: 503 with Retry-After where a store is away or hashing is
busy, 429 with Retry-After where too much was tried; never a stack, a store's name or a submitted value.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import wraps
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response

from authz.http.visit import Visit
from authz.protocol.form_action import form_action
from identity_core.passwords import Overloaded
from identity_core.ratelimit import Limited
from identity_core.sealing import SealError
from identity_core.web.headers import policy
from identity_core.web.unavailable import Unavailable, as_unavailable

Handler = Callable[[Request], Awaitable[Response]]

BACK_TO_APPLICATION: Final = (
    "Go back to the application and try again. If it keeps happening, tell the people who run it."
)
_RELOAD: Final = "Please wait a moment, then reload this page."

log = structlog.get_logger("authz.login")


def page(
    visit: Visit,
    name: str,
    values: Mapping[str, object],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    leads_to: Iterable[str] = (),
) -> Response:
    """The page `name`. `leads_to`: addresses of the client that its form may end at."""
    body = visit.login.pages.render(name, {"tenant": visit.tenant.name, "base": visit.tenant.path, **values})
    response = Response(body, status, headers, "text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = policy(
        style_src="'self'", img_src="'self' data:", form_action=form_action(leads_to)
    )
    # Not `no-referrer`: with it browsers send `Origin: null` with our own forms.
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    return visit.finish(response)


def error_page(
    visit: Visit,
    status: int,
    what: str,
    why: str,
    *,
    way_on: tuple[str, str] | None = None,
    advice: str = BACK_TO_APPLICATION,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """`what` happened and `why`, in our own words; `way_on` is (address, label), else `advice` says what to do."""
    values = {
        "what": what,
        "why": why,
        "way_on": way_on[0] if way_on else None,
        "way_on_text": way_on[1] if way_on else "",
        "advice": advice,
        "code": code,
    }
    return page(visit, "error", values, status=status, headers=headers)


def expired_page(visit: Visit) -> Response:
    """The interaction is unknown, over, or another browser's: all the same to whoever asks."""
    return error_page(
        visit,
        400,
        "This sign-in is over.",
        "It took too long, was finished already, or was begun in another browser.",
        advice="Go back to the application and sign in from there.",
    )


def stale_page(visit: Visit, way_on: str) -> Response:
    """A page was sent twice, or an old one was sent again."""
    return error_page(
        visit,
        409,
        "This page was used already.",
        "Your sign-in went on in the meantime.",
        way_on=(way_on, "Go on with it"),
    )


def foreign_form_page(visit: Visit) -> Response:
    """A form of ours was sent by somebody else's page."""
    return error_page(visit, 403, "This form did not come from here.", "Another page tried to send it.")


def malformed_page(visit: Visit, status: int = 400) -> Response:
    """The form or the address is not readable."""
    return error_page(visit, status, "This request cannot be read.", "Something in it is missing or damaged.")


def throttled_page(visit: Visit, limited: Limited, way_on: str) -> Response:
    """429 with Retry-After."""
    wait = limited.retry_after_s
    again = f"{wait} seconds" if wait < 120 else f"{-(-wait // 60)} minutes"
    return error_page(
        visit,
        429,
        "Too many attempts.",
        f"To keep accounts safe, please wait {again} before you try again.",
        way_on=(way_on, "Try again"),
        headers={"Retry-After": str(wait)},
    )


def unavailable_page(visit: Visit, retry_after_s: int) -> Response:
    """503 with Retry-After."""
    return error_page(
        visit,
        503,
        "We cannot answer right now.",
        "This is on our side and usually passes within seconds.",
        advice=_RELOAD,
        headers={"Retry-After": str(retry_after_s)},
    )


def with_pages_for_faults(handler: Handler) -> Handler:
    """The handler; stores away, busy hashing and secrets that do not open become pages."""

    @wraps(handler)
    async def guarded(request: Request) -> Response:
        try:
            with ExitStack() as request.state.rest:
                return await handler(request)
        except Overloaded as busy:
            fault = Unavailable(busy.retry_after_s, "password hashing at its limit")
        except SealError:
            fault = Unavailable(30, "a sealed secret does not open")
        except Exception as error:
            found = as_unavailable(error)
            if found is None:
                raise
            fault = found
        log.warning("login.unavailable", path=request.scope["path"], reason=fault.reason)
        return unavailable_page(Visit.of(request), fault.retry_after)

    return guarded
