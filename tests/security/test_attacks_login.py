"""Attacks on the sign-in that find nothing: replayed codes, foreign forms and tenants, borrowed tokens, headers."""

import asyncio
import base64
from urllib.parse import parse_qsl, urlsplit

import pytest

from identity_core import jose, totp
from identity_core.contracts.stamps import Binding, Stamps
from identity_core.secrets import random_token
from identity_core.testing.spec import spec
from tests.authz.login import conftest as rooms
from tests.authz.login.browser import ORIGIN, Browser, Page
from tests.authz.login.house import House, Person, new_house

login_settings, login_clock, login_owner = rooms.login_settings, rooms.login_clock, rooms.login_owner
login_app, login_hasher, house = rooms.login_app, rooms.login_hasher, rooms.house


async def at_code(house: House, browser: Browser, person: Person, client: str) -> Page:
    """A browser whose password was right."""
    page = await browser.get(house.authorize(client, prompt="login"))
    return await browser.submit(page, "login-submit", username=person.username, password=person.password)


@spec("RFC 6238 §5.2")
async def test_the_code_that_set_an_authenticator_up_opens_no_second_sign_in(house: House) -> None:
    person, client, mine, thief = (
        await house.person(with_totp=False),
        await house.client(),
        house.browser(),
        house.browser(),
    )
    page = await mine.get(house.authorize(client))
    page = await mine.submit(page, "login-submit", username=person.username, password=person.password)
    person.secret = base64.b32decode(page.texts["enroll-secret"])
    code = house.code_of(person)
    assert "code" in (await mine.submit(page, "enroll-submit", enroll_code=code)).query
    page = await thief.submit(await at_code(house, thief, person, client), "totp-submit", totp_code=code)
    assert (page.away, bool(page.alert)) == (False, True)


@spec("RFC 6238 §5.2")
async def test_one_code_sent_from_five_sign_ins_at_once_opens_one(house: House) -> None:
    person, client = await house.person(), await house.client()
    browsers = [house.browser() for _ in range(5)]
    pages = [await at_code(house, browser, person, client) for browser in browsers]
    code = house.code_of(person)
    done = await asyncio.gather(
        *(b.submit(page, "totp-submit", totp_code=code) for b, page in zip(browsers, pages, strict=True))
    )
    assert sum("code" in page.query for page in done) == 1


@spec("RFC 6238 §5.2")
async def test_an_earlier_step_is_no_good_after_a_later_one_although_the_window_holds_both(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    assert person.secret is not None
    step = totp.step_at(house.clock.now_ms() / 1000)
    page = await at_code(house, browser, person, client)
    page = await browser.submit(page, "totp-submit", totp_code=totp.code_at(person.secret, step + 1))
    assert "code" in page.query
    page = await at_code(house, browser, person, client)
    page = await browser.submit(page, "totp-submit", totp_code=totp.code_at(person.secret, step))
    assert (page.away, bool(page.alert)) == (False, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "", "origin": ORIGIN},
        {"origin": "null"},
        {"origin": "http://localhost:8000.evil.example"},
        {"origin": "https://localhost:8000"},
    ],
)
async def test_a_form_of_another_page_takes_no_step(house: House, headers: dict[str, str]) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    page = await browser.get(house.authorize(client))
    data = {**page.fields, "username": person.username, "password": person.password}
    assert page.action is not None
    sent = await browser.send("POST", page.action, data=data, headers=headers)
    assert sent.status_code == 403
    assert "set-cookie" not in sent.headers
    again = await browser.submit(page, "login-submit", username=person.username, password=person.password)
    assert "totp-submit" in again.buttons


async def test_nothing_of_one_tenant_is_anything_at_another(house: House) -> None:
    other = await new_house(house.app, house.owner, house.clock, house.hasher)
    person, client = await house.person(), await house.client(client_id="app")
    await other.client(client_id="app")
    browser = house.browser()
    await house.sign_in(browser, person, house.authorize(client))
    half = await at_code(house, browser, person, client)
    # The browser offers all it has under the other tenant's names.
    for kind in ("session", "browser"):
        browser.cookies[f"gh_{kind}_{other.slug}"] = browser.cookies[f"gh_{kind}_{house.slug}"]
    page = await browser.get(other.authorize("app", prompt="none"))
    assert page.query["error"] == "login_required"
    assert (await browser.get(half.url.replace(house.path, other.path))).status == 400
    data = {**half.fields, "code": house.code_of(person)}
    page = await browser.post(f"{other.path}/login/totp", data)
    assert (page.status, page.away) == (400, False)
    page = await browser.get(f"{other.path}/logout")
    assert page.path == f"{other.path}/signed-out"
    page = await browser.get(house.authorize(client, prompt="none"))
    assert "code" in page.query


async def test_an_invented_forwarding_header_makes_nobody_another_address(house: House) -> None:
    client, statuses = await house.client(), []
    for number in range(25):
        browser = house.browser("203.0.113.77")
        browser.headers = {**browser.headers, "x-forwarded-for": f"198.51.100.{number}", "forwarded": f"for={number}"}
        page = await browser.get(house.authorize(client))
        page = await browser.submit(page, "login-submit", username="nobody@example.com", password="wrong")
        statuses.append(page.status)
    assert 429 in statuses[20:]


async def test_an_access_token_is_no_id_token_hint_and_a_hint_of_another_client_is_none(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    await house.sign_in(browser, person, house.authorize(client))
    ring = await house.app.state.resources.keys.ring(house.tenant)
    now = house.clock.now_ms() // 1000
    claims = {"iss": house.issuer, "sub": str(person.id), "aud": client, "iat": now, "exp": now + 60, "jti": "j"}
    access = claims | {"client_id": client, "scope": "openid", "gh": Binding(0, Stamps()).to_claim()}
    for typ, content in (("at+jwt", access), ("JWT", claims | {"aud": "another"}), ("logout+jwt", claims)):
        hint = jose.sign(ring.signing["ES256"], content, typ)
        page = await browser.get(house.authorize(client, prompt="none", id_token_hint=hint))
        assert page.query["error"] == "invalid_request", typ


@pytest.mark.parametrize("state", ["a\r\nSet-Cookie: x=1", "\u2028", "<script>", 'a"&code=stolen#code=x', "x" * 4096])
async def test_a_state_comes_back_as_it_was_and_as_nothing_else(house: House, state: str) -> None:
    client, browser = await house.client(), house.browser()
    answer = await browser.send("GET", house.authorize(client, prompt="none", state=state))
    location = answer.headers["location"]
    assert location.isascii()
    assert not set(location) & set("\r\n<>\"'")
    assert not urlsplit(location).fragment
    pairs = parse_qsl(urlsplit(location).query)
    assert [value for name, value in pairs if name == "state"] == [state]
    assert [name for name, _ in pairs if name == "code"] == []
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "payload", ["<script>alert(1)</script>", '"\' autofocus onfocus=alert(1) x="', "{{ 7 * 7 }}", "javascript:alert(1)"]
)
async def test_what_is_typed_or_asked_is_text_on_every_page(house: House, payload: str) -> None:
    client, browser = await house.client(), house.browser()
    page = await browser.get(house.authorize(client, login_hint=payload))
    assert page.fields["username"] == payload
    page = await browser.submit(page, "login-submit", username=payload, password="wrong")
    assert page.fields["username"] == payload
    assert "<script" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


async def test_a_cookie_cut_lengthened_or_flipped_in_any_part_is_nobody_s(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    await house.sign_in(browser, person, house.authorize(client))
    name = f"gh_session_{house.slug}"
    right = browser.cookies[name]
    flipped = [f"{right[:at]}{'A' if right[at] != 'A' else 'B'}{right[at + 1 :]}" for at in (0, 3, 7, 12, 29, 40)]
    longer = [right + "A", right + "=", f'"{right}"', right[:29] + random_token(128)]
    for wrong in (*flipped, *longer, right[:-1], right.upper()):
        browser.cookies[name] = wrong
        page = await browser.get(house.authorize(client, prompt="none"))
        assert page.query["error"] == "login_required", wrong
        assert page.status == 303
    browser.cookies[name] = right
    assert "code" in (await browser.get(house.authorize(client, prompt="none"))).query
