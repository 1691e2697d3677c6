"""The demo as a relying party: what it believes, what it refuses, and how it lets go.

The provider here is one that may misbehave, which the real one (tests/gatehouse/test_orchestrator_house.py) will not.
"""

import base64
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gatehouse.demo import tokens
from gatehouse.demo.app import COOKIE, create_app
from gatehouse.demo.settings import DemoSettings
from gatehouse.demo.visits import Visit, Visits
from identity_core import jose
from identity_core.settings import load
from identity_core.testing.spec import spec

ISSUER = "http://localhost:8000"
DEMO = "http://127.0.0.1:8010"
SETTINGS = load(
    DemoSettings,
    {
        "GATEHOUSE_DEMO_URL": DEMO,
        "GATEHOUSE_DEMO_ISSUER": ISSUER,
        "GATEHOUSE_DEMO_CLIENT_ID": "web",
        "GATEHOUSE_DEMO_CLIENT_SECRET": "demo-secret-123",
        "GATEHOUSE_DEMO_COOKIE_KEY": "k" * 43,
    },
)


@dataclass
class Provider:
    """Answers as it is told: `claims` and `userinfo` are what it says, `refuses` what it no longer does."""

    key: Any = field(default_factory=lambda: jose.generate("ES256"))
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=lambda: {"sub": "ada", "name": "Ada <Lovelace>"})
    refuses: set[str] = field(default_factory=set)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    seconds: int = 300
    issuer: str = ISSUER
    nonce: str = ""
    signs_with: Any = None
    broken: set[str] = field(default_factory=set)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.metadata),
                Route("/jwks", self.jwks),
                Route("/token", self.token, methods=["POST"]),
                Route("/userinfo", self.user),
            ]
        )

    async def metadata(self, request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{ISSUER}/authorize",
                "token_endpoint": f"{ISSUER}/token",
                "userinfo_endpoint": f"{ISSUER}/userinfo",
                "jwks_uri": f"{ISSUER}/jwks",
                "end_session_endpoint": f"{ISSUER}/logout",
                "id_token_signing_alg_values_supported": ["ES256"],
            }
        )

    async def jwks(self, request: Request) -> Response:
        return JSONResponse(jose.public_jwks([self.key.public]))

    async def token(self, request: Request) -> Response:
        if "/token" in self.broken:
            return Response("oops", status_code=503)
        form = dict(parse_qsl((await request.body()).decode()))
        self.asked.append((form["grant_type"], form))
        if form["grant_type"] in self.refuses:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": "ada", "aud": "web", "iat": now, "exp": now + 300}
        if form["grant_type"] == "authorization_code":
            claims["nonce"] = self.nonce
        return JSONResponse(
            {
                "access_token": f"opaque-{len(self.asked)}",
                "refresh_token": f"refresh-{len(self.asked)}",
                "token_type": "Bearer",
                "expires_in": self.seconds,
                "scope": "openid profile",
                "id_token": jose.sign(self.signs_with or self.key, claims | self.claims, typ="JWT"),
            }
        )

    async def user(self, request: Request) -> Response:
        if "/userinfo" in self.broken:
            return Response("oops", status_code=503)
        self.asked.append(("userinfo", {"authorization": request.headers["authorization"]}))
        if "userinfo" in self.refuses:
            return JSONResponse({"error": "invalid_token"}, status_code=401)
        return JSONResponse(self.userinfo)


class Site:
    """The demo in one browser; `other()` is another browser at the same demo."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._app = create_app(SETTINGS, transport=httpx.ASGITransport(provider.app()))
        self.browser = self.other()

    def other(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url=DEMO)

    async def begin(self, browser: httpx.AsyncClient | None = None) -> dict[str, str]:
        """Press the button; answers the authorization request's parameters."""
        answer = await (browser or self.browser).get("/login")
        assert answer.status_code == 302
        sent = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
        self.provider.nonce = sent["nonce"]
        return sent

    async def come_back(self, state: str, browser: httpx.AsyncClient | None = None, **more: str) -> httpx.Response:
        return await (browser or self.browser).get("/callback", params={"code": "c", "state": state, **more})

    async def sign_in(self) -> None:
        answer = await self.come_back((await self.begin())["state"])
        assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site(Provider())
    yield site
    await site.browser.aclose()


@spec("RFC 7636 §4.3")
async def test_a_sign_in_begins_with_state_nonce_and_pkce(site: Site) -> None:
    sent = await site.begin()
    assert sent["code_challenge_method"] == "S256"
    assert sent["redirect_uri"] == f"{DEMO}/callback"
    assert {"state", "nonce", "code_challenge"} <= set(sent)
    assert "traceparent" not in sent


async def test_who_signed_in_is_shown_and_escaped(site: Site) -> None:
    await site.sign_in()
    page = await site.browser.get("/")
    assert "Ada &lt;Lovelace&gt;" in page.text
    assert "<Lovelace>" not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert "form-action 'self' http://localhost:8000" in page.headers["content-security-policy"]


async def test_no_token_is_in_the_cookie_and_the_visit_begins_with_a_new_id(site: Site) -> None:
    await site.begin()
    before = site.browser.cookies[COOKIE]
    await site.sign_in()
    cookie = site.browser.cookies[COOKIE]
    assert cookie != before
    assert len(cookie) < 200
    content = base64.b64decode(cookie.split(".")[0] + "==")
    assert content.startswith(b'{"visit"')
    assert b"opaque" not in content


@spec("RFC 6749 §10.12")
async def test_the_answer_to_another_browsers_request_is_refused(site: Site) -> None:
    state = (await site.begin())["state"]
    async with site.other() as other:
        await site.begin(other)
        answer = await site.come_back(state, other)
        assert answer.status_code == 400
        assert "another browser" in answer.text
        assert "Hello, stranger." in (await other.get("/")).text
    assert not any(grant == "authorization_code" for grant, _ in site.provider.asked)


async def test_an_answer_is_good_once(site: Site) -> None:
    state = (await site.begin())["state"]
    assert (await site.come_back(state)).status_code == 303
    assert (await site.come_back(state)).status_code == 400


@spec("RFC 9207 §2.4")
async def test_the_answer_of_another_issuer_is_refused(site: Site) -> None:
    state = (await site.begin())["state"]
    assert (await site.come_back(state, iss="https://evil.example")).status_code == 400
    assert (await site.come_back(state, iss=ISSUER)).status_code == 303


@spec("OIDC Core §3.1.3.7")
@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"aud": "another"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"sub": None},
    ],
)
async def test_an_id_token_that_is_not_for_us_now_signs_nobody_in(site: Site, claims: dict[str, Any]) -> None:
    state = (await site.begin())["state"]
    site.provider.claims = claims
    answer = await site.come_back(state)
    assert answer.status_code == 400
    assert "Hello, stranger." in (await site.browser.get("/")).text


async def test_an_id_token_of_another_key_signs_nobody_in(site: Site) -> None:
    state = (await site.begin())["state"]
    site.provider.signs_with = jose.generate("ES256", kid=site.provider.key.kid)
    assert (await site.come_back(state)).status_code == 400
    assert "Hello, stranger." in (await site.browser.get("/")).text


@spec("RFC 6749 §4.1.2.1")
async def test_a_refusal_of_the_person_is_told_and_signs_nobody_in(site: Site) -> None:
    await site.begin()
    answer = await site.browser.get("/callback", params={"error": "access_denied"})
    assert answer.status_code == 400
    assert "nobody is signed in" in answer.text


async def test_a_refresh_brings_new_tokens(site: Site) -> None:
    await site.sign_in()
    assert (await site.browser.post("/refresh")).status_code == 303
    assert "The tokens are new." in (await site.browser.get("/")).text
    assert site.provider.asked[-1][1]["authorization"] == "Bearer opaque-2"
    await site.browser.post("/refresh")
    assert site.provider.asked[-1][1]["refresh_token"] == "refresh-2"


async def test_tokens_about_to_expire_are_refreshed_before_they_are_used(site: Site) -> None:
    site.provider.seconds = 5
    await site.sign_in()
    site.provider.seconds = 300
    await site.browser.get("/")
    assert [grant for grant, _ in site.provider.asked] == ["authorization_code", "refresh_token", "userinfo"]


@pytest.mark.parametrize("what", ["refresh_token", "userinfo"])
async def test_tokens_that_are_refused_sign_the_person_out(site: Site, what: str) -> None:
    await site.sign_in()
    site.provider.refuses = {what}
    answer = await (site.browser.post("/refresh") if what == "refresh_token" else site.browser.get("/"))
    assert answer.status_code == 303
    page = (await site.browser.get("/")).text
    assert "Please sign in again." in page
    assert "Hello, stranger." in page
    site.provider.refuses = set()
    assert "Hello, stranger." in (await site.browser.get("/")).text


@spec("OIDC Core §12.2")
async def test_a_refreshed_id_token_of_another_person_signs_out(site: Site) -> None:
    await site.sign_in()
    site.provider.claims = {"sub": "eve"}
    await site.browser.post("/refresh")
    assert "another person" in (await site.browser.get("/")).text


@spec("OIDC Core §5.3.2")
async def test_userinfo_of_another_person_signs_out(site: Site) -> None:
    await site.sign_in()
    site.provider.userinfo = {"sub": "eve"}
    await site.browser.get("/")
    assert "another person" in (await site.browser.get("/")).text


@spec("OIDC RP-Initiated Logout §2")
async def test_signing_out_ends_it_here_first_and_then_at_the_provider(site: Site) -> None:
    await site.sign_in()
    answer = await site.browser.post("/logout")
    assert answer.status_code == 303
    target = urlsplit(answer.headers["location"])
    sent = {name: values[0] for name, values in parse_qs(target.query).items()}
    assert f"{target.scheme}://{target.netloc}{target.path}" == f"{ISSUER}/logout"
    assert sent["post_logout_redirect_uri"] == f"{DEMO}/signed-out"
    assert sent["client_id"] == "web"
    assert sent["id_token_hint"].count(".") == 2
    assert "Hello, stranger." in (await site.browser.get("/")).text
    await site.browser.get("/signed-out", params={"state": sent["state"]})
    assert "here and at the provider" in (await site.browser.get("/")).text


async def test_a_sign_out_answer_nobody_asked_for_says_nothing(site: Site) -> None:
    await site.browser.get("/signed-out", params={"state": "made-up"})
    assert "signed out" not in (await site.browser.get("/")).text


async def test_signing_out_needs_a_post(site: Site) -> None:
    await site.sign_in()
    assert (await site.browser.get("/logout")).status_code == 405
    assert "Ada" in (await site.browser.get("/")).text


@spec("OIDC Discovery §4.3")
async def test_another_issuers_metadata_is_not_used() -> None:
    site = Site(Provider(issuer="https://evil.example"))
    answer = await site.browser.get("/login")
    assert answer.status_code == 502
    await site.browser.aclose()


@pytest.mark.parametrize("path", ["/token", "/userinfo"])
async def test_a_provider_that_is_away_is_told_and_nobody_is_signed_out(site: Site, path: str) -> None:
    await site.sign_in()
    site.provider.broken = {path}
    answer = await (site.browser.post("/refresh") if path == "/token" else site.browser.get("/"))
    assert answer.status_code == 502
    site.provider.broken = set()
    assert "Ada" in (await site.browser.get("/")).text


async def test_the_demo_says_that_it_is_alive(site: Site) -> None:
    assert (await site.browser.get("/healthz")).json() == {"status": "alive"}
    assert (await site.browser.get("/static/ada.svg")).headers["content-type"].startswith("image/svg+xml")


NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("offset", "words"),
    [(300, "in 5 minutes"), (-1, "1 second ago"), (-7200, "2 hours ago"), (0, "now"), (90_000, "in 1 day")],
)
def test_times_are_told_in_words(offset: int, words: str) -> None:
    [claim] = tokens.rows({"exp": int(NOW.timestamp()) + offset}, NOW)
    assert words in claim.value


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "e30.e30", "..", "W10.W10.x"])
def test_what_is_no_jwt_is_shown_as_opaque(token: str) -> None:
    shown = tokens.view("Access token", token, NOW)
    assert shown.kind.startswith("opaque")
    assert shown.raw == token


def test_a_visit_ends_after_twelve_hours_and_the_oldest_of_too_many_goes() -> None:
    now = [0.0]
    visits = Visits(lambda: now[0])
    visit = Visit("ada", {}, "i", "a", None, 0, "")
    first = visits.begin(visit)
    assert visits.get(first) == visit
    now[0] = 12 * 3600.0
    assert visits.get(first) is None
    ids = [visits.begin(visit) for _ in range(1001)]
    assert visits.get(ids[0]) is None
    assert visits.get(ids[1]) == visit
    assert visits.get(None) is None


def test_a_visit_does_not_show_its_tokens() -> None:
    assert "secret-token" not in repr(Visit("ada", {}, "secret-token", "secret-token", "secret-token", 0, ""))
