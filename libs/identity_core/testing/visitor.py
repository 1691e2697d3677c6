"""A person without a browser: cookies, redirects, forms by the ids of their fields, and an authenticator app."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Self
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pyotp

from identity_core.testing.stack import House

_STEP_S = 30
_MOST_REDIRECTS = 15


class Authenticator:
    """A person's authenticator app: never the same step twice, never one that the server would not take."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self._last = 0

    async def code(self) -> str:
        """The code of this step, or of the next one when this one is used; a third within a step waits."""
        while True:
            now = int(time.time()) // _STEP_S
            step = max(now, self._last + 1)
            if step <= now + 1:
                self._last = step
                return pyotp.TOTP(self.secret).generate_otp(step)
            await asyncio.sleep(0.5)


@dataclass
class Page:
    """One answer. `left` says that the person has left the provider for `url`, which was not called."""

    url: str
    status: int
    headers: httpx.Headers
    text: str
    left: bool = False
    action: str | None = None
    fields: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    heading: str = ""

    @property
    def path(self) -> str:
        """The path of the address."""
        return urlsplit(self.url).path

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the address; one that comes twice fails."""
        given = parse_qs(urlsplit(self.url).query, keep_blank_values=True)
        assert all(len(values) == 1 for values in given.values()), f"a parameter twice: {sorted(given)}"
        return {name: values[0] for name, values in given.items()}


class _Reader(HTMLParser):
    """Fills a page's form, heading and the texts of elements with an id."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._open: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        identifier = given.get("id", "")
        if tag == "form":
            self._page.action = given["action"]
        elif tag == "input":
            self._page.fields[given["name"]] = given.get("value", "")
            self._page.names[identifier] = given["name"]
        elif tag == "button":
            self._page.buttons[identifier] = (given.get("name", ""), given.get("value", ""))
        elif tag == "h1":
            self._open.append((tag, ""))
        elif identifier and tag in ("code", "p", "span"):
            self._open.append((tag, identifier))

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1][0] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open:
            return
        name = self._open[-1][1]
        if name:
            self._page.texts[name] = self._page.texts.get(name, "") + data
        else:
            self._page.heading = (self._page.heading + data).strip()


class Visitor:
    """A browser without script: cookies, redirects within the provider, forms by the ids of their fields.

    `address` is said in X-Forwarded-For, so that a house which trusts its callers counts each visitor apart; `headers`
    go with every request.
    """

    def __init__(self, house: House, *, address: str = "127.0.0.1", headers: Mapping[str, str] | None = None) -> None:
        self._origin = house.issuer
        agent = {"X-Forwarded-For": address, "User-Agent": "Visitor (X11; Linux) Firefox/140"}
        self._http = house.http(headers=agent | dict(headers or {}))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._http.aclose()

    @property
    def cookies(self) -> httpx.Cookies:
        """What the provider has set."""
        return self._http.cookies

    async def open(self, url: str, **options: Any) -> Page:
        """GET, following redirects for as long as they stay at the provider."""
        return await self._follow(await self._http.get(urljoin(self._origin, url), **options))

    async def submit(self, page: Page, button: str, **typed: str) -> Page:
        """Type into the fields with these ids (`_` for `-`) and press the button with this id."""
        return await self._follow(await self.send(page, button, **typed))

    async def send(self, page: Page, button: str, **typed: str) -> httpx.Response:
        """The same, without following where the answer leads."""
        data = dict(page.fields)
        for identifier, value in typed.items():
            data[page.names[identifier.replace("_", "-")]] = value
        name, value = page.buttons[button]
        data |= {name: value} if name else {}
        assert page.action is not None, f"no form on {page.path}"
        headers = {"Origin": self._origin, "Sec-Fetch-Site": "same-origin"}
        return await self._http.post(urljoin(page.url, page.action), data=data, headers=headers)

    async def sign_in(self, page: Page, username: str, password: str, authenticator: Authenticator | None) -> Page:
        """From the page "Sign in" through the code, if one is asked for; wherever that ends."""
        page = await self.sign_in_until_code(page, username, password)
        if "totp-submit" in page.buttons:
            assert authenticator is not None, "a code is asked for"
            page = await self.submit(page, "totp-submit", totp_code=await authenticator.code())
        return page

    async def sign_in_until_code(self, page: Page, username: str, password: str) -> Page:
        """From the page "Sign in" to whatever comes after the password."""
        assert page.heading == "Sign in", f"{page.status} {page.heading!r} at {page.path}"
        return await self.submit(page, "login-submit", username=username, password=password)

    async def enroll(self, page: Page) -> tuple[Page, Authenticator]:
        """Set up an authenticator with the key the page shows; where that ends, and the authenticator."""
        assert "enroll-submit" in page.buttons, f"{page.status} {page.heading!r} at {page.path}"
        authenticator = Authenticator(page.texts["enroll-secret"].replace(" ", ""))
        return await self.submit(page, "enroll-submit", enroll_code=await authenticator.code()), authenticator

    async def _follow(self, answer: httpx.Response) -> Page:
        for _ in range(_MOST_REDIRECTS):
            if not answer.is_redirect:
                break
            assert answer.status_code == 303, f"{answer.status_code} keeps a form's contents (RFC 9700 §4.12)"
            url = urljoin(str(answer.url), answer.headers["location"])
            if not url.startswith(self._origin + "/"):
                return Page(url, answer.status_code, answer.headers, "", left=True)
            answer = await self._http.get(url)
        page = Page(str(answer.url), answer.status_code, answer.headers, answer.text)
        if answer.headers.get("content-type", "").startswith("text/html"):
            _Reader(page).feed(answer.text)
        return page
