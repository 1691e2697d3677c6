"""The demo's pages: signed out, signed in, signing in and out. Four verbs on one relying party."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from fastapi import FastAPI
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import MutableHeaders
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatehouse.demo import tokens
from gatehouse.demo.relying_party import ProviderAway, Refused, RelyingParty, SignInFailed
from gatehouse.demo.settings import DemoSettings
from gatehouse.demo.visits import Visit, Visits
from identity_core.telemetry import Telemetry

_HERE = Path(__file__).parent
_RENEW_BEFORE_S = 10
COOKIE = "gatehouse_demo"


def create_app(
    settings: DemoSettings,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    telemetry: Telemetry | None = None,
) -> FastAPI:
    """The application. `transport` replaces the network towards the provider (tests)."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        if telemetry:  # here, because uvicorn ends the process with the very signal that stopped it
            telemetry.shutdown()

    options: dict[str, Any] = {"telemetry": telemetry.for_fastapi()} if telemetry else {}
    app = FastAPI(title="Gatehouse demo", openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan, **options)
    demo = Demo(settings, RelyingParty(settings, transport=transport), Visits())
    for path, endpoint, methods in (
        ("/", demo.home, ["GET"]),
        ("/login", demo.login, ["GET"]),
        ("/callback", demo.callback, ["GET"]),
        ("/refresh", demo.refresh, ["POST"]),
        ("/logout", demo.logout, ["POST"]),
        ("/signed-out", demo.signed_out, ["GET"]),
        ("/healthz", healthz, ["GET"]),
    ):
        app.add_route(path, endpoint, methods=methods)
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    app.add_middleware(
        SessionMiddleware,
        secret_key=settings.cookie_key,
        session_cookie=COOKIE,
        max_age=12 * 3600,
        same_site="lax",
        https_only=settings.base_url.startswith("https://"),
    )
    app.add_middleware(PageHeaders, provider=_origin(settings.issuer))
    return app


async def healthz(request: Request) -> Response:
    """Alive."""
    return JSONResponse({"status": "alive"})


class Demo:
    """The handlers. The browser's session holds `visit` and Authlib's state; tokens stay in `visits`."""

    def __init__(self, settings: DemoSettings, provider: RelyingParty, visits: Visits) -> None:
        self._settings = settings
        self._provider = provider
        self._visits = visits
        self._pages = Environment(
            loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined
        )

    async def home(self, request: Request) -> Response:
        """Who is signed in, asked of the provider each time: what was revoked there ends here at the next look."""
        visit = self._visits.get(request.session.get("visit"))
        if visit is None:
            return self._page("signed_out.html", notice=request.session.pop("notice", None))
        try:
            if visit.expires_at and visit.expires_at - _RENEW_BEFORE_S < time.time() and visit.refresh_token:
                visit = await self._provider.refresh(visit)
                self._visits.replace(request.session["visit"], visit)
            userinfo = await self._provider.userinfo(visit)
        except Refused as refusal:
            return self._sign_out_here(request, str(refusal))
        except ProviderAway:
            return self._away()
        return self._signed_in(visit, userinfo, request.session.pop("notice", None))

    async def login(self, request: Request) -> Response:
        """Off to the provider."""
        try:
            return await self._provider.begin(request)
        except ProviderAway:
            return self._away()

    async def callback(self, request: Request) -> Response:
        """Back from the provider: a new visit under a new id, whatever the browser had before."""
        try:
            visit = await self._provider.finish(request)
        except SignInFailed as failure:
            return self._page("error.html", status=400, message=str(failure))
        except ProviderAway:
            return self._away()
        self._visits.end(request.session.get("visit"))
        request.session.clear()
        request.session["visit"] = self._visits.begin(visit)
        return RedirectResponse("/", status_code=303)

    async def refresh(self, request: Request) -> Response:
        """New tokens, or signed out when they are refused."""
        visit = self._visits.get(request.session.get("visit"))
        if visit is None:
            return RedirectResponse("/", status_code=303)
        try:
            self._visits.replace(request.session["visit"], await self._provider.refresh(visit))
        except Refused as refusal:
            return self._sign_out_here(request, str(refusal))
        except ProviderAway:
            return self._away()
        request.session["notice"] = "The tokens are new."
        return RedirectResponse("/", status_code=303)

    async def logout(self, request: Request) -> Response:
        """Signed out here at once, then at the provider."""
        visit = self._visits.end(request.session.get("visit"))
        request.session.clear()
        if visit is None:
            return RedirectResponse("/", status_code=303)
        try:
            return await self._provider.leave(request, visit)
        except ProviderAway:
            return self._away()

    async def signed_out(self, request: Request) -> Response:
        """Back from the provider's logout; an answer nobody asked for changes nothing."""
        try:
            await self._provider.left(request)
            request.session["notice"] = "You are signed out, here and at the provider."
        except SignInFailed:
            pass
        return RedirectResponse("/", status_code=303)

    def _signed_in(self, visit: Visit, userinfo: dict[str, Any], notice: str | None) -> Response:
        now = datetime.now(UTC)
        claims = {name: value for name, value in userinfo.items() if name != "picture"}
        return self._page(
            "signed_in.html",
            notice=notice,
            name=userinfo.get("name") or userinfo.get("preferred_username") or visit.subject,
            email=userinfo.get("email", ""),
            picture=_web_address(userinfo.get("picture")),
            scopes=visit.scope.split(),
            claims=tokens.rows(claims, now),
            tokens=(
                tokens.view("ID token", visit.id_token, now),
                tokens.view("Access token", visit.access_token, now),
            ),
            refreshable=visit.refresh_token is not None,
        )

    def _sign_out_here(self, request: Request, reason: str) -> Response:
        self._visits.end(request.session.get("visit"))
        request.session.clear()
        request.session["notice"] = f"{reason} Please sign in again."
        return RedirectResponse("/", status_code=303)

    def _away(self) -> Response:
        return self._page("error.html", status=502, message="The provider does not answer. Try again in a moment.")

    def _page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        page = self._pages.get_template(template).render(issuer=self._settings.issuer, **values)
        return HTMLResponse(page, status_code=status)


class PageHeaders:
    """The security headers of every answer; nothing of a signed-in page is stored anywhere."""

    def __init__(self, app: ASGIApp, provider: str) -> None:
        self._app = app
        self._policy = (
            "default-src 'none'; style-src 'self'; img-src 'self' https: http:; "
            f"form-action 'self' {provider}; frame-ancestors 'none'; base-uri 'none'"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = self._policy
                headers["Referrer-Policy"] = "no-referrer"
                headers["X-Content-Type-Options"] = "nosniff"
                if not str(scope.get("path", "")).startswith("/static/"):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, with_headers)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _web_address(value: Any) -> str | None:
    """A picture is shown only from the web."""
    return value if isinstance(value, str) and value.startswith(("https://", "http://")) else None
