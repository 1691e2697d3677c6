"""The error page for what fails before a handler of ours runs, wherever a person is looking at the answer."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from authz.login_ports import LoginResources
from identity_core.web.headers import policy
from identity_core.web.problems import Failure

_WORDS: Final = {
    404: ("There is nothing here.", "The address may be old or mistyped."),
    405: ("This page cannot be opened like that.", "It was asked for in a way it does not know."),
    413: ("That was too much at once.", "What was sent is larger than this page takes."),
    503: ("We cannot answer right now.", "This is on our side and usually passes within seconds."),
}
_OURS: Final = ("This did not work.", "The fault is on our side.")
_THEIRS: Final = ("This request cannot be read.", "Something in it is missing or damaged.")
_ADVICE: Final = "Go back to the application and try again. If it keeps happening, tell the people who run it."


def wants_page(scope: Scope) -> bool:
    """Whether a browser is showing the answer to a person: only they name text/html in Accept."""
    return "text/html" in Headers(scope=scope).get("accept", "")


def failure_page(scope: Scope, failure: Failure) -> Response | None:
    """The page, or None while the service is not up. Says nothing of the cause but what its status says."""
    login: LoginResources | None = getattr(scope["app"].state, "login", None)
    if login is None:
        return None
    what, why = _WORDS.get(failure.status, _OURS if failure.status >= 500 else _THEIRS)
    values = {
        "tenant": "Gatehouse",
        "base": "",
        "what": what,
        "why": why,
        "advice": _ADVICE,
        "way_on": None,
        "way_on_text": "",
        "code": None,
    }
    body = login.pages.render("error", values)
    response = Response(body, failure.status, dict(failure.headers), "text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = policy(style_src="'self'", img_src="'self' data:")
    response.headers["Cache-Control"] = "no-store"
    return response
