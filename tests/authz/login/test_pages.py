"""The pages themselves: policy, escaping, labels, static files; and what a browser may never be given."""

import re
from html.parser import HTMLParser

import httpx
import pytest

from authz.pages.render import PageSet
from authz.protocol.cookies import (
    browser_cookie_name,
    clear_cookie,
    known_cookie_name,
    read_cookie,
    session_cookie_name,
    set_cookie,
)
from authz.protocol.form_action import form_action
from identity_core.testing.spec import spec
from tests.authz.login.browser import Browser, Page
from tests.authz.login.house import CALLBACK, House
from tests.authz.login.render_pages import SAMPLES

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}javascript:alert(3)"


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def harmless(text: str) -> None:
    """No script, no handler, no style in an attribute, no address but http(s), otpauth and our own."""
    for tag, attributes in Elements(text).found:
        assert tag not in ("script", "iframe", "object", "embed", "base", "img", "style"), tag
        for name, value in attributes.items():
            assert not name.startswith("on"), name
            assert name != "style"
            if name in ("href", "src", "action"):
                assert re.match(r"(/|https?://|otpauth:|static/)", value or ""), value


@pytest.mark.parametrize("name", SAMPLES)
def test_every_page_is_whole_and_needs_no_script(name: str) -> None:
    template, values = SAMPLES[name]
    text = PageSet().render(template, values).decode()
    harmless(text)
    elements = Elements(text).found
    assert dict(elements[0][1]) == {"lang": "en"}
    assert [tag for tag, _ in elements].count("h1") == 1
    assert "<title>" in text
    assert "main" in [tag for tag, _ in elements]
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {attributes.get("for") for tag, attributes in elements if tag == "label"}
    for tag, attributes in elements:
        if tag == "input" and attributes.get("type") != "hidden":
            assert attributes["id"] in labelled
            assert attributes["autocomplete"] in ("username", "current-password", "one-time-code")


@pytest.mark.parametrize("name", SAMPLES)
def test_row_81_no_value_of_a_page_is_ever_markup(name: str) -> None:
    template, values = SAMPLES[name]
    # Addresses and the scopes' lines are made by us; everything else may hold what somebody typed or registered.
    ours = {"base", "action", "restart", "way_on", "otpauth", "scopes", "fields", "step", "policy_uri", "tos_uri"}
    evil = {key: EVIL if isinstance(value, str) and key not in ours else value for key, value in values.items()}
    text = PageSet().render(template, evil).decode()
    harmless(text)
    assert "<script>" not in text
    assert "49" not in text.replace(EVIL, "") or "{{7*7}}" in text


def test_a_missing_value_is_an_error_and_not_an_empty_place() -> None:
    with pytest.raises(Exception, match="undefined"):
        PageSet().render("login", {"tenant": "x"})


@pytest.mark.parametrize(
    "name",
    ["state", "nonce", "scope", "login_hint", "ui_locales", "claims", "acr_values", "prompt", "max_age", "display",
     "code_challenge", "response_type", "response_mode", "client_id", "redirect_uri", "id_token_hint", "unknown"],
)  # fmt: skip
async def test_row_81_payloads_in_any_parameter_reach_no_page_as_markup(house: House, name: str) -> None:
    client = await house.client()
    page = await house.browser().get(house.authorize(client, **{name: EVIL}))
    if not page.away:
        harmless(page.text)
        assert "alert(1)</script>" not in page.text
        strict(page)
    else:
        assert page.url.startswith(CALLBACK + "?")
        assert "<" not in page.url


async def test_row_81_payloads_in_forms_and_paths_reach_no_page_as_markup(house: House) -> None:
    client, browser = await house.client(), house.browser()
    page = await browser.get(house.authorize(client))
    page = await browser.submit(page, "login-submit", username=EVIL, password=EVIL)
    harmless(page.text)
    assert page.fields["username"] == EVIL
    for path in ("/login", "/login/totp", "/enroll/totp", "/consent", "/logout", "/signed-out", "/error"):
        for query in (
            f"?interaction={httpx.QueryParams({'x': EVIL})}",
            "?" + str(httpx.QueryParams({"state": EVIL, "client_id": EVIL})),
        ):
            page = await browser.get(f"{house.path}{path}{query}")
            harmless(page.text)
            strict(page)


def strict(page: Page) -> None:
    """The policy of a page: nothing from elsewhere, no script, no frame (RFC 9700 §4.16)."""
    directives = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["style-src"] == "'self'"
    assert directives["frame-ancestors"] == "'none'"
    assert directives["base-uri"] == "'none'"
    assert "script-src" not in directives
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "same-origin"


@spec("RFC 9700 §4.16")
async def test_the_policy_names_the_client_where_a_form_may_end_and_nobody_where_a_password_is_typed(
    house: House,
) -> None:
    person, client, browser = await house.person(), await house.client(first_party=False), house.browser()
    page = await browser.get(house.authorize(client))
    strict(page)
    assert "form-action 'self';" in page.headers["content-security-policy"] + ";"
    page = await house.sign_in(browser, person, house.authorize(client))
    strict(page)
    assert "form-action 'self' https://client.example https:;" in page.headers["content-security-policy"] + ";"
    page = await browser.get(f"{house.path}/signed-out")
    strict(page)
    assert "form-action 'self';" in page.headers["content-security-policy"] + ";"


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("https://client.example/cb?x=1", "https://client.example"),
        ("http://127.0.0.1:8010/callback", "http://127.0.0.1:8010"),
        ("http://[::1]:8010/callback", "http:"),
        ("com.example.app:/cb", "com.example.app:"),
        ("https://c.example;script-src *", "https:"),
    ],
)
def test_an_address_becomes_a_source_of_the_policy_and_never_a_directive(uri: str, source: str) -> None:
    assert form_action([uri, uri]) == f"'self' {source}"


async def test_the_stylesheet_has_its_hash_in_its_name_and_is_kept_for_ever(house: House) -> None:
    client, browser = await house.client(), house.browser()
    page = await browser.get(house.authorize(client))
    for path in re.findall(r'href="([^"]*/static/[^"]+)"', page.text):
        answer = await browser.send("GET", path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] in ("text/css; charset=utf-8", "image/svg+xml")
    for wrong in ("/static/gatehouse.css", "/static/..%2Frender.py", "/static/"):
        assert (await browser.send("GET", wrong)).status_code == 404


@spec("RFC 9700 §4.12")
async def test_every_redirect_of_a_sign_in_is_303(house: House) -> None:
    # `Browser` asserts it of each one it follows.
    person, client, browser = await house.person(), await house.client(first_party=False), house.browser()
    page = await house.sign_in(browser, person, house.authorize(client))
    assert (await browser.submit(page, "consent-deny")).headers["location"].startswith(CALLBACK)


async def test_cookies_are_http_only_lax_and_end_with_the_browser(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    await house.sign_in(browser, person, house.authorize(client))
    assert browser.set_cookie_headers
    for header in browser.set_cookie_headers:
        # The mark of a known browser alone outlives it (see test_throttles): it signs nobody in.
        if not header.startswith("gh_known_"):
            assert header.endswith("; Path=/; HttpOnly; SameSite=Lax")


def test_over_https_cookies_are_host_only_and_secure() -> None:
    name = session_cookie_name("acme", https=True)
    assert (name, browser_cookie_name("acme", https=True)) == ("__Host-gh_session_acme", "__Host-gh_browser_acme")
    assert known_cookie_name("acme", https=True) == "__Host-gh_known_acme"
    assert set_cookie(name, "v", https=True) == f"{name}=v; Path=/; HttpOnly; SameSite=Lax; Secure"
    assert clear_cookie(name, https=True) == f"{name}=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0"
    assert session_cookie_name("acme", https=False) == "gh_session_acme"


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        (["a=1; b=2"], "2"),
        (["a=1", "b=2"], "2"),
        (["b=2; b=2"], None),
        (["b=2", "b=3"], None),
        (["b="], None),
        (["xb=2"], None),
        (["b"], None),
        ([], None),
        (["b=x=y"], "x=y"),
    ],
)
def test_a_cookie_is_read_once_or_not_at_all(headers: list[str], value: str | None) -> None:
    assert read_cookie(headers, "b") == value


async def test_a_page_without_its_sign_in_is_friendly(house: House) -> None:
    browser = Browser(house.app)
    for path in ("/login", "/login/totp", "/enroll/totp", "/consent", "/error"):
        page = await browser.get(house.path + path)
        assert (page.status, page.heading) == (400, "Something went wrong")
    for path in ("/login", "/login/totp", "/enroll/totp", "/consent"):
        page = await browser.post(house.path + path, {"interaction": "x" * 22, "step": "1"})
        assert (page.status, page.heading) == (400, "Something went wrong")
        page = await browser.post(house.path + path, {})
        assert (page.status, page.heading) == (415, "Something went wrong")
