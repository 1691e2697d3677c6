"""One request of a browser: its tenant, its cookies, and whether it may have been sent by another site."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from authz.http.abuse import address_of, network_of
from authz.login_ports import LoginResources, OpenCookie, login_of
from authz.ports import Tenant
from authz.protocol.cookies import (
    browser_cookie_name,
    clear_cookie,
    known_cookie_name,
    read_cookie,
    session_cookie_name,
    set_cookie,
)
from authz.protocol.known_browser import LIFETIME_S, known_browser, mark_browser
from authz.resources import Resources, resources_of, tenant_of
from identity_core import secrets
from identity_core.audit import AuditRow
from identity_core.secrets import SessionCookie
from identity_core.telemetry import continued_span

_BROWSER_SECRET_CHARS = 22


@dataclass(frozen=True)
class Visit:
    """What every handler of a page begins with. `set_cookies` collects the Set-Cookie headers of the answer."""

    request: Request
    resources: Resources
    login: LoginResources
    tenant: Tenant
    https: bool
    set_cookies: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, request: Request) -> Visit:
        """The visit of a request."""
        resources = resources_of(request)
        https = resources.settings.issuer.startswith("https://")
        return cls(request, resources, login_of(request), tenant_of(request), https)

    def continue_trace(self, traceparent: str | None) -> None:
        """Let the rest of this request belong to the sign-in's trace, until its handler ends."""
        rest: ExitStack | None = getattr(self.request.state, "rest", None)
        if rest is not None:
            rest.enter_context(continued_span(f"sign-in {self.request.url.path}", traceparent))

    def path(self, path: str) -> str:
        """A path of ours below the tenant's prefix."""
        return f"{self.tenant.path}{path}"

    @property
    def address(self) -> str:
        """The client's address."""
        return address_of(self.request)

    @property
    def from_another_site(self) -> bool:
        """Whether a form here was sent by a page that is not ours (CSRF).

        Sec-Fetch-Site is the browser's own word and cannot be forged by a page; Origin is asked where it is missing.
        A client that sends neither is no browser: it holds the cookies only if they are its own.
        """
        site = self.request.headers.get("sec-fetch-site")
        if site is not None:
            return site != "same-origin"
        origin = self.request.headers.get("origin")
        return origin is not None and origin != _origin(self.resources.settings.issuer)

    def browser(self) -> bytes | None:
        """The SHA-256 of this browser's secret, None when it has none yet."""
        name = browser_cookie_name(self.tenant.slug, https=self.https)
        secret = read_cookie(self.request.headers.getlist("cookie"), name)
        return secrets.sha256(secret) if secret and len(secret) == _BROWSER_SECRET_CHARS else None

    def browser_or_new(self) -> bytes:
        """The same; a browser without a secret is given one with the answer."""
        known = self.browser()
        if known is not None:
            return known
        secret = secrets.random_token(128)
        name = browser_cookie_name(self.tenant.slug, https=self.https)
        self.set_cookies.append(set_cookie(name, secret, https=self.https))
        return secrets.sha256(secret)

    async def session(self, client_id: str | None) -> OpenCookie | None:
        """This browser's session, if it lives. Two round trips to Redis, none without a well-formed cookie."""
        name = session_cookie_name(self.tenant.slug, https=self.https)
        text = read_cookie(self.request.headers.getlist("cookie"), name)
        cookie = SessionCookie.parse(text) if text else None
        return None if cookie is None else await self.login.logins.current(self.tenant.id, cookie, client_id)

    def keep_session(self, session: OpenCookie) -> None:
        """Send the session's cookie with the answer."""
        name = session_cookie_name(self.tenant.slug, https=self.https)
        self.set_cookies.append(set_cookie(name, session.cookie.encode(), https=self.https))

    def known(self, account: str) -> str | None:
        """The id of this browser, if `account` (its canonical key) has signed in with it before; else None."""
        name = known_cookie_name(self.tenant.slug, https=self.https)
        text = read_cookie(self.request.headers.getlist("cookie"), name)
        key, now_s = self.resources.settings.tag_key, self.resources.clock.now_ms() // 1000
        return None if text is None else known_browser(key, self.tenant.id, account, text, now_s)

    def keep_known(self, account: str) -> None:
        """Mark the browser, with the answer, as one in which `account` has signed in. It outlives the sign-out."""
        name = known_cookie_name(self.tenant.slug, https=self.https)
        key, now_s = self.resources.settings.tag_key, self.resources.clock.now_ms() // 1000
        mark = mark_browser(key, self.tenant.id, account, now_s, known=self.known(account))
        self.set_cookies.append(set_cookie(name, mark, https=self.https, max_age_s=LIFETIME_S))

    def forget_cookies(self) -> None:
        """Remove the session's and the browser's own cookie with the answer."""
        for name_of in (session_cookie_name, browser_cookie_name):
            self.set_cookies.append(clear_cookie(name_of(self.tenant.slug, https=self.https), https=self.https))

    def see_other(self, location: str) -> Response:
        """303, never 307: a form's contents go nowhere else (RFC 9700 §4.12)."""
        return self.finish(RedirectResponse(location, 303, {"Cache-Control": "no-store"}))

    def finish(self, response: Response) -> Response:
        """The response with the visit's cookies."""
        for value in self.set_cookies:
            response.headers.append("Set-Cookie", value)
        return response

    def pseudonym(self, subject: str) -> str:
        """A person's name in audit rows."""
        return secrets.pseudonym(self.resources.settings.tag_key, self.tenant.id, subject)

    def audit(
        self,
        action: str,
        subject: str | None,
        *,
        refused: str | None = None,
        client_id: str | None = None,
        **detail: object,
    ) -> AuditRow:
        """An audit row about a person here, who stands in it by pseudonym alone; `refused` is the reason when what
        they tried was refused."""
        name = self.pseudonym(subject) if subject else None
        return AuditRow(
            tenant=self.tenant.id,
            action=action,
            outcome="refused" if refused else "success",
            actor_kind="user",
            actor=name or "unknown",
            subject_pseudonym=name,
            client_id=client_id,
            network=network_of(self.address),
            reason=refused,
            detail=detail,
        )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
