"""What broke in the peers, and must hold here: sessions, factors, throttles, enumeration."""

import asyncio
import base64
import re

import pytest

from authz.http.abuse import device_of, network_of
from identity_core import totp
from identity_core.secrets import random_token
from tests.authz.login.browser import Browser, Page
from tests.authz.login.house import House, Person

WRONG = "Something went wrong"


async def at_code(house: House, browser: Browser, person: Person, client: str) -> Page:
    """A browser whose password was right and that is asked for its code."""
    page = await browser.get(house.authorize(client, prompt="login"))
    page = await browser.submit(page, "login-submit", username=person.username, password=person.password)
    assert "totp-submit" in page.buttons, page.text
    return page


async def test_row_01_a_second_person_in_the_same_browser_has_nothing_of_the_first(house: House) -> None:
    ada, bob = await house.person(), await house.person("bob@example.com")
    client, browser = await house.client(), house.browser()
    first = await house.take_code(await house.sign_in(browser, ada, house.authorize(client)))
    # The session cookie is lost, so that nobody can sign Ada out; the browser's own stays.
    del browser.cookies[f"gh_session_{house.slug}"]
    second = await house.take_code(await house.sign_in(browser, bob, house.authorize(client)))
    assert (second.user_id, first.user_id) == (bob.id, ada.id)
    assert second.session_id != first.session_id
    assert second.sid != first.sid
    silent = await house.take_code(await browser.get(house.authorize(client, prompt="none")))
    assert silent.user_id == bob.id


async def test_row_02_a_flow_of_one_browser_binds_nobody_in_another(house: House) -> None:
    ada, eve = await house.person(), await house.person("eve@example.com")
    client, victim, attacker = await house.client(), house.browser(), house.browser()
    await house.sign_in(victim, ada, house.authorize(client))
    flow = await attacker.get(house.authorize(client, prompt="login"))
    lured = await victim.get(flow.url)
    assert (lured.status, lured.heading) == (400, WRONG)
    # Nor may the form be sent from there, with or without the attacker's page in between.
    sent = await victim.submit(flow, "login-submit", username=ada.username, password=ada.password)
    assert (sent.status, sent.heading) == (400, WRONG)
    done = await attacker.submit(flow, "login-submit", username=eve.username, password=eve.password)
    done = await attacker.submit(done, "totp-submit", totp_code=house.code_of(eve))
    assert (await house.take_code(done)).user_id == eve.id


async def test_row_14_the_address_of_a_sign_in_opens_in_no_second_browser(house: House) -> None:
    person, client, mine = await house.person(), await house.client(), house.browser()
    page = await at_code(house, mine, person, client)
    for other in (house.browser(), house.browser()):
        other.cookies[f"gh_browser_{house.slug}"] = random_token(128)
        assert (await other.get(page.url)).status == 400
        guessed = await other.submit(page, "totp-submit", totp_code=house.code_of(person))
        assert (guessed.status, guessed.away) == (400, False)
    assert "code" in (await mine.submit(page, "totp-submit", totp_code=house.code_of(person))).query


async def test_row_03_what_a_cookie_held_before_the_sign_in_is_no_session_after_it(house: House) -> None:
    person, client = await house.person(), await house.client()
    first, attacker = house.browser(), house.browser()
    await house.sign_in(first, person, house.authorize(client))
    planted = first.cookies[f"gh_session_{house.slug}"]
    # A dead, a foreign and an invented cookie: none of them becomes the new session.
    invented = planted[:-22] + random_token(128)
    for value in (invented, "gs_x", planted[:-1]):
        browser = house.browser()
        browser.cookies[f"gh_session_{house.slug}"] = value
        assert (await browser.get(house.authorize(client, prompt="none"))).query["error"] == "login_required"
        await house.sign_in(browser, person, house.authorize(client))
        cookie = house.session_cookie(browser)
        assert browser.cookies[f"gh_session_{house.slug}"] != value
        assert cookie.session_id != house.session_cookie(first).session_id
        attacker.cookies[f"gh_session_{house.slug}"] = value
        assert (await attacker.get(house.authorize(client, prompt="none"))).query["error"] == "login_required"


async def test_row_03_two_cookies_of_one_name_are_none(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    await house.sign_in(browser, person, house.authorize(client))
    name = f"gh_session_{house.slug}"
    both = f"{name}={browser.cookies[name]}; {name}=gs_planted"
    page = await browser.get(house.authorize(client, prompt="none"), headers={"cookie": both})
    assert page.query["error"] == "login_required"


@pytest.mark.parametrize("kind", ["user", "tenant"])
async def test_row_05_a_revocation_between_password_and_session_ends_in_a_fresh_login_page(
    house: House, kind: str
) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    page = await at_code(house, browser, person, client)
    await house.revoke(kind, str(person.id) if kind == "user" else "")
    page = await browser.submit(page, "totp-submit", totp_code=house.code_of(person))
    assert (page.status, page.heading, page.path) == (200, "Sign in", f"{house.path}/login")
    assert f"gh_session_{house.slug}" not in browser.cookies
    assert all(row["ended_at"] for row in await house.sessions(person))
    # The same interaction goes on: whoever signs in now does so after the revocation.
    house.next_code()
    page = await browser.submit(page, "login-submit", username=person.username, password=person.password)
    page = await browser.submit(page, "totp-submit", totp_code=house.code_of(person))
    assert "code" in page.query


async def test_row_05_a_revocation_before_the_consent_is_answered_ends_it_too(house: House) -> None:
    person, client, browser = await house.person(), await house.client(first_party=False), house.browser()
    page = await house.sign_in(browser, person, house.authorize(client))
    assert "consent-allow" in page.buttons
    await house.revoke("user", str(person.id))
    page = await browser.submit(page, "consent-allow")
    assert (page.heading, page.away) == ("Sign in", False)
    assert await house.audit("consent.allow") == []


async def test_row_11_who_was_deactivated_after_the_password_gets_no_code(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    page = await at_code(house, browser, person, client)
    await house.owner.execute(
        "UPDATE directory.user_resource SET active = false WHERE tenant = $1 AND id = $2", house.tenant, person.id
    )
    page = await browser.submit(page, "totp-submit", totp_code=house.code_of(person))
    assert page.heading == "Sign in"


async def test_row_68_a_client_that_was_switched_off_meanwhile_receives_nothing(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    page = await at_code(house, browser, person, client)
    await house.owner.execute("UPDATE authz.client SET active = false WHERE tenant = $1", house.tenant)
    code = house.code_of(person)
    house.forget()
    page = await browser.submit(page, "totp-submit", totp_code=code)
    assert (page.status, page.away) == (400, False)


@pytest.mark.parametrize(
    "typed", [{"totp_code": ""}, {"totp_code": "   "}, {"totp_code": "000000"}, {"totp_code": "٠٠٠٠٠٠"}]
)
async def test_row_53_a_code_that_is_none_never_advances(house: House, typed: dict[str, str]) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    page = await at_code(house, browser, person, client)
    for _ in range(3):
        page = await browser.submit(page, "totp-submit", **typed)
        assert (page.away, "totp-submit" in page.buttons) == (False, True)
    assert f"gh_session_{house.slug}" not in browser.cookies


async def test_row_53_forms_out_of_their_order_never_advance(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    start = await browser.get(house.authorize(client))
    flow = {"interaction": start.fields["interaction"]}
    for path, more in (
        ("/login/totp", {"code": house.code_of(person)}),
        ("/enroll/totp", {"code": house.code_of(person)}),
        ("/consent", {"decision": "allow"}),
    ):
        now = await browser.get(start.url)
        page = await browser.post(f"{house.path}{path}", {**flow, "step": now.fields["step"], **more})
        assert (page.status, page.away) == (409, False), path
    for wrong in ("", "0", "-1", "99", "1e1", "１"):
        page = await browser.post(f"{house.path}/login", {**flow, "step": wrong, "username": "x", "password": "x"})
        assert page.status in (400, 409), wrong
    assert f"gh_session_{house.slug}" not in browser.cookies
    assert (await browser.get(start.url)).heading == "Sign in"


async def test_row_53_an_old_page_sent_again_never_goes_back_or_on(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    start = await browser.get(house.authorize(client))
    await browser.submit(start, "login-submit", username=person.username, password=person.password)
    replayed = await browser.submit(start, "login-submit", username=person.username, password="wrong")
    assert replayed.status == 409
    page = await browser.get(start.url)
    assert page.path == f"{house.path}/login/totp"


async def test_row_55_no_path_passes_the_authenticator_a_person_has(house: House) -> None:
    await house.policy(mfa="optional")
    person, client = await house.person(), await house.client()
    for changes in (
        {},
        {"prompt": "login"},
        {"max_age": "0"},
        {"acr_values": "urn:gatehouse:acr:pwd"},
        {"scope": "profile"},
    ):
        browser = house.browser()
        page = await browser.get(house.authorize(client, **changes))
        page = await browser.submit(page, "login-submit", username=person.username, password=person.password)
        assert page.path == f"{house.path}/login/totp"
        assert f"gh_session_{house.slug}" not in browser.cookies
        # Setting up another authenticator instead is no way round it.
        other = await browser.get(page.url.replace("/login/totp", "/enroll/totp"))
        assert other.path == f"{house.path}/login/totp"


async def test_row_54_a_confirmed_authenticator_is_replaced_by_no_sign_in(house: House) -> None:
    person, client, browser = await house.person(with_totp=False), await house.client(), house.browser()
    page = await browser.get(house.authorize(client))
    page = await browser.submit(page, "login-submit", username=person.username, password=person.password)
    secret = base64.b32decode(page.texts["enroll-secret"])
    await house.authenticator(person)
    code = totp.code_at(secret, totp.step_at(house.clock.now_ms() / 1000))
    page = await browser.submit(page, "enroll-submit", enroll_code=code)
    assert (page.away, bool(page.alert)) == (False, True)


async def test_row_62_unknown_inactive_and_wrong_answer_in_the_same_bytes(house: House) -> None:
    await house.person("known@example.com")
    await house.person("inactive@example.com", active=False)
    await house.person("without@example.com", password="")
    client = await house.client()
    answers = []
    for username, password in (
        ("known@example.com", "wrong password"),
        ("unknown@example.com", "wrong password"),
        ("inactive@example.com", "wrong password"),
        ("inactive@example.com", "correct horse battery staple"),
        ("without@example.com", "wrong password"),
        ("without@example.com", ""),
        ("x" * 600, "wrong password"),
        ("known@example.com", "p" * 5000),
    ):
        browser = house.browser()
        page = await browser.get(house.authorize(client))
        page = await browser.submit(page, "login-submit", username=username, password=password)
        text = page.text.replace(page.fields["interaction"], "ID").replace(username, "NAME")
        headers = {
            name: value for name, value in page.headers.items() if name not in ("x-request-id", "content-length")
        }
        answers.append((page.status, headers, re.sub(r"\s+", " ", text), sorted(browser.cookies)))
    assert all(answer == answers[0] for answer in answers)
    assert "do not match" in answers[0][2]
    assert len(await house.audit("login")) == len(answers)


async def test_one_code_is_accepted_once_however_many_send_it_at_once(house: House) -> None:
    person, client = await house.person(), await house.client()
    pages = []
    for number in range(4):
        browser = house.browser(f"192.0.2.{number}")
        pages.append((browser, await at_code(house, browser, person, client)))
    code = house.code_of(person)
    done = await asyncio.gather(*(b.submit(page, "totp-submit", totp_code=code) for b, page in pages))
    assert [page.away for page in done].count(True) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "http://sub.localhost:8000", "sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:8000", "sec-fetch-site": "none"},
    ],
)
async def test_a_form_sent_by_another_page_is_refused_and_takes_no_step(house: House, headers: dict[str, str]) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    page = await browser.get(house.authorize(client))
    data = {**page.fields, "username": person.username, "password": person.password}
    assert page.action
    answer = await browser.send("POST", page.action, data=data, headers=headers)
    assert answer.status_code == 403
    page = await browser.submit(page, "login-submit", username=person.username, password=person.password)
    assert "totp-submit" in page.buttons


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 16) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8", None),
        ("", None),
    ],
)
def test_a_device_is_told_in_a_few_words(user_agent: str, expected: str | None) -> None:
    assert device_of(user_agent) == expected


def test_a_network_is_a_neighbourhood() -> None:
    assert network_of("203.0.113.77") == "203.0.113.0/24"
    assert network_of("2001:db8:1:2:3::4") == "2001:db8:1::/48"
    assert network_of("2001:db8:1:2:3::4", v6=64) == "2001:db8:1:2::/64"
