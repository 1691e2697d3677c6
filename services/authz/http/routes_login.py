"""Every route of the sign-in; `app.py` serves them at the root and below `/t/{slug}`."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from authz.http.authorize import authorize, authorize_post
from authz.http.consent import post_consent, show_consent
from authz.http.error_page import Handler, error_page, with_pages_for_faults
from authz.http.journey import AUTHORIZE, PATHS
from authz.http.login import post_login, show_login
from authz.http.logout import LOGOUT, SIGNED_OUT, logout, logout_post, signed_out
from authz.http.tenancy import TenantRoute
from authz.http.totp import post_enroll, post_totp, show_enroll, show_totp
from authz.http.visit import Visit
from authz.login_ports import login_of

# The name changes with the content, so a cached copy is never wrong.
_FOR_EVER: Final = "public, max-age=31536000, immutable"

_HANDLERS: Final[tuple[tuple[str, Handler, Handler | None], ...]] = (
    (AUTHORIZE, authorize, authorize_post),
    (PATHS["login"], show_login, post_login),
    (PATHS["totp"], show_totp, post_totp),
    (PATHS["enroll"], show_enroll, post_enroll),
    (PATHS["consent"], show_consent, post_consent),
    (LOGOUT, logout, logout_post),
    (SIGNED_OUT, signed_out, None),
)


def login_routes() -> list[TenantRoute]:
    """The routes; a handler for GET serves HEAD too. No CORS anywhere here (RFC 9700 §2.6)."""
    routes = [TenantRoute("/static/{name}", static, methods=["GET"]), TenantRoute("/error", error, methods=["GET"])]
    for path, get, post in _HANDLERS:
        if post is None:
            routes.append(TenantRoute(path, get, methods=["GET"]))
        else:
            routes.append(TenantRoute(path, _either(get, post), methods=["GET", "POST"]))
    return routes


def _either(get: Handler, post: Handler) -> Handler:
    """One route for both, so that a 405 names every method there is (RFC 9110 §15.5.6)."""

    async def handle(request: Request) -> Response:
        return await (post if request.method == "POST" else get)(request)

    return handle


async def static(request: Request) -> Response:
    """GET /static/{name}: the stylesheet and the icon."""
    file = login_of(request).pages.static(request.path_params["name"])
    if file is None:
        return PlainTextResponse("Not Found", 404)
    return Response(file.body, 200, {"Cache-Control": _FOR_EVER}, file.media_type)


@with_pages_for_faults
async def error(request: Request) -> Response:
    """GET /error: for whoever arrives without a request of their own."""
    return error_page(
        Visit.of(request), 400, "This page cannot be opened by itself.", "It belongs to a sign-in that is not there."
    )
