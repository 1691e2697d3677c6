"""A browser small enough to read: cookies, redirects, forms by the ids of their fields. No script, as our pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx
from starlette.types import ASGIApp

ORIGIN = "http://localhost:8000"


@dataclass
class Page:
    """What a browser sees: the last answer of our own origin, or the address it was sent away to."""

    url: str
    status: int
    headers: httpx.Headers
    text: str
    fields: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)
    action: str | None = None
    heading: str = ""
    alert: str = ""
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the address."""
        pairs = parse_qsl(urlsplit(self.url).query, keep_blank_values=True)
        assert len({name for name, _ in pairs}) == len(pairs), f"a parameter twice in {self.url}"
        return dict(pairs)

    @property
    def away(self) -> bool:
        """Whether the browser has left us for a client."""
        return not self.url.startswith(ORIGIN)


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._inside: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._page.action = given["action"]
        elif tag == "input":
            self._page.fields[given["name"]] = given.get("value", "")
            if "id" in given:
                self._page.names[given["id"]] = given["name"]
        elif tag == "button":
            self._page.buttons[given["id"]] = (given.get("name", ""), given.get("value", ""))
        if tag == "h1":
            self._inside.append((tag, "heading"))
        elif given.get("role") == "alert":
            self._inside.append((tag, "alert"))
        elif tag == "code" and "id" in given:
            self._inside.append((tag, given["id"]))

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1][0] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        for _, name in self._inside:
            if name in ("heading", "alert"):
                setattr(self._page, name, (getattr(self._page, name) + data).strip())
            else:
                self._page.texts[name] = self._page.texts.get(name, "") + data


class Browser:
    """One browser with its own cookies, at one address."""

    def __init__(self, app: ASGIApp, address: str = "127.0.0.1") -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=True, client=(address, 1234))
        self.http = httpx.AsyncClient(transport=transport, base_url=ORIGIN)
        self.cookies: dict[str, str] = {}
        self.set_cookie_headers: list[str] = []
        self.headers = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/145.0"}

    async def send(self, method: str, url: str, **options: object) -> httpx.Response:
        """One request with our cookies; the answer's cookies are kept. Redirects are not followed."""
        headers = {**self.headers, **dict(options.pop("headers", {}))}  # type: ignore[call-overload]
        if self.cookies and "cookie" not in headers:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = await self.http.request(method, url, headers=headers, **options)  # type: ignore[arg-type]
        self.http.cookies.clear()
        for value in answer.headers.get_list("set-cookie"):
            self.set_cookie_headers.append(value)
            name, _, rest = value.partition("=")
            content = rest.partition(";")[0]
            if content:
                self.cookies[name] = content
            else:
                self.cookies.pop(name, None)
        return answer

    async def get(self, url: str, **options: object) -> Page:
        """GET and follow redirects until a page of ours or a client's address."""
        return await self._follow(url, await self.send("GET", url, **options))

    async def post(self, url: str, data: dict[str, str], **options: object) -> Page:
        """POST a form and follow redirects."""
        headers = {"origin": ORIGIN, "sec-fetch-site": "same-origin", **dict(options.pop("headers", {}))}  # type: ignore[call-overload]
        answer = await self.send("POST", url, data=data, headers=headers, **options)
        return await self._follow(url, answer)

    async def submit(self, page: Page, button: str, **typed: str) -> Page:
        """Fill the fields with these ids (`_` for `-`) and press the button."""
        data = dict(page.fields)
        for identifier, value in typed.items():
            data[page.names[identifier.replace("_", "-")]] = value
        name, value = page.buttons[button]
        if name:
            data[name] = value
        assert page.action is not None
        return await self.post(page.action, data)

    async def _follow(self, url: str, answer: httpx.Response) -> Page:
        for _ in range(10):
            if answer.status_code not in (301, 302, 303, 307, 308):
                break
            assert answer.status_code == 303, answer.status_code
            url = urljoin(urljoin(ORIGIN, url), answer.headers["location"])
            if not url.startswith(ORIGIN + "/"):
                return Page(url, answer.status_code, answer.headers, "")
            answer = await self.send("GET", url)
        page = Page(urljoin(ORIGIN, url), answer.status_code, answer.headers, answer.text)
        if answer.headers.get("content-type", "").startswith("text/html"):
            _Reader(page).feed(answer.text)
        return page
