"""Signing in, from the authorization request to the code, in process over real stores."""

import asyncio
import base64
import re
from uuid import UUID

import argon2

from authz.interaction import ACR_MFA, ACR_PASSWORD
from identity_core import totp
from identity_core.secrets import derive_sid, pseudonym
from identity_core.testing.spec import spec
from tests.authz.login.house import CALLBACK, CHALLENGE, House


@spec("OIDC Core §3.1.2.5", "RFC 9207 §2", "RFC 6749 §4.1.2")
async def test_password_and_code_end_at_the_client_with_code_state_and_iss(house: House) -> None:
    person, client = await house.person(), await house.client()
    browser = house.browser()
    page = await house.sign_in(browser, person, house.authorize(client, nonce="n-1"))
    assert page.url.startswith(f"{CALLBACK}?")
    assert set(page.query) == {"code", "state", "iss"}
    assert (page.query["state"], page.query["iss"]) == ("the state", house.issuer)
    record = await house.take_code(page)
    assert (record.user_id, record.client_id, record.scopes) == (person.id, client, ("openid", "profile"))
    assert (record.acr, record.amr, record.nonce) == (ACR_MFA, ("pwd", "otp"), "n-1")
    assert (record.code_challenge, record.redirect_uri, record.redirect_uri_given) == (CHALLENGE, CALLBACK, True)
    cookie = house.session_cookie(browser)
    assert record.session_id == cookie.session_id
    settings = house.app.state.resources.settings
    assert record.sid == derive_sid(settings.tag_key, house.tenant, cookie.session_id, client)


async def test_a_sign_in_writes_one_row_and_one_audit_row_without_secrets(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser("203.0.113.77")
    await house.sign_in(browser, person, house.authorize(client))
    (row,) = await house.sessions(person)
    assert (row["id"], row["ended_at"]) == (house.session_cookie(browser).session_id, None)
    assert (row["acr"], row["amr"], row["client_ids"]) == (ACR_MFA, ["pwd", "otp"], [client])
    assert (row["device"], row["network"]) == ("Firefox on Linux", "203.0.113.0/24")
    (audit,) = await house.audit("login")
    name = pseudonym(house.app.state.resources.settings.tag_key, house.tenant, str(person.id))
    assert (audit["outcome"], audit["actor"], audit["client_id"]) == ("success", name, client)
    assert audit["subject_pseudonym"] == name
    assert not any(secret in str(audit) for secret in (person.password, str(person.id), person.username))


async def test_setting_up_an_authenticator_is_part_of_the_first_sign_in(house: House) -> None:
    person, client, browser = await house.person(with_totp=False), await house.client(), house.browser()
    page = await browser.get(house.authorize(client))
    page = await browser.submit(page, "login-submit", username=person.username, password=person.password)
    assert page.path == f"{house.path}/enroll/totp"
    secret = page.texts["enroll-secret"]
    assert re.fullmatch(r"[A-Z2-7]{32}", secret)
    assert 'class="qr"' in page.text
    # A wrong code keeps the secret, and confirms nothing.
    again = await browser.submit(page, "enroll-submit", enroll_code="000000")
    assert (again.texts["enroll-secret"], bool(again.alert)) == (secret, True)
    rows = "SELECT count(*) FROM authz.totp_credential WHERE tenant = $1 AND user_id = $2"
    assert await house.owner.fetchval(rows, house.tenant, person.id) == 0
    person.secret = _base32(secret)
    page = await browser.submit(again, "enroll-submit", enroll_code=house.code_of(person))
    record = await house.take_code(page)
    assert (record.acr, record.amr) == (ACR_MFA, ("pwd", "otp"))
    # From now on it is asked for, and the code that confirmed it is used up.
    other = house.browser()
    page = await other.get(house.authorize(client))
    page = await other.submit(page, "login-submit", username=person.username, password=person.password)
    assert page.path == f"{house.path}/login/totp"
    page = await other.submit(page, "totp-submit", totp_code=house.code_of(person))
    assert page.alert
    house.next_code()
    page = await other.submit(page, "totp-submit", totp_code=house.code_of(person))
    assert "code" in page.query


async def test_a_person_whose_name_is_too_long_for_a_picture_types_the_key(house: House) -> None:
    person, client, browser = await house.person("名" * 340, with_totp=False), await house.client(), house.browser()
    page = await browser.get(house.authorize(client))
    page = await browser.submit(page, "login-submit", username=person.username, password=person.password)
    assert page.heading == "Set up two-step sign-in"
    assert 'class="qr"' not in page.text
    person.secret = _base32(page.texts["enroll-secret"])
    page = await browser.submit(page, "enroll-submit", enroll_code=house.code_of(person))
    assert "code" in page.query


async def test_two_set_ups_at_once_leave_one_authenticator(house: House) -> None:
    person, client = await house.person(with_totp=False), await house.client()
    pages = []
    for browser in (house.browser(), house.browser()):
        page = await browser.get(house.authorize(client))
        page = await browser.submit(page, "login-submit", username=person.username, password=person.password)
        person.secret = _base32(page.texts["enroll-secret"])
        pages.append((browser, page, house.code_of(person)))
    done = [await browser.submit(page, "enroll-submit", enroll_code=code) for browser, page, code in pages]
    assert [page.away for page in done] == [True, False]


async def test_where_the_policy_leaves_it_open_a_password_is_enough_and_says_so(house: House) -> None:
    await house.policy(mfa="optional")
    person, client = await house.person(with_totp=False), await house.client()
    page = await house.sign_in(house.browser(), person, house.authorize(client))
    record = await house.take_code(page)
    assert (record.acr, record.amr) == (ACR_PASSWORD, ("pwd",))


@spec("OIDC Core §3.1.2.1")
async def test_a_client_may_ask_for_the_second_factor(house: House) -> None:
    await house.policy(mfa="optional")
    person, client, browser = await house.person(with_totp=False), await house.client(), house.browser()
    await house.sign_in(browser, person, house.authorize(client))
    silent = await browser.get(house.authorize(client, prompt="none", acr_values=ACR_MFA))
    assert silent.query["error"] == "login_required"
    page = await browser.get(house.authorize(client, acr_values=f"other {ACR_MFA}"))
    page = await browser.submit(page, "login-submit", username=person.username, password=person.password)
    assert page.path == f"{house.path}/enroll/totp"


async def test_row_10_a_policy_that_was_tightened_counts_for_sessions_there_are(house: House) -> None:
    await house.policy(mfa="optional")
    person, client, browser = await house.person(with_totp=False), await house.client(), house.browser()
    await house.sign_in(browser, person, house.authorize(client))
    await house.policy(mfa="required")
    page = await browser.get(house.authorize(client, prompt="none"))
    assert page.query["error"] == "login_required"


async def test_several_tabs_are_several_interactions(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    one = await browser.get(house.authorize(client, state="one"))
    two = await browser.get(house.authorize(client, state="two"))
    one = await browser.submit(one, "login-submit", username=person.username, password=person.password)
    two = await browser.submit(two, "login-submit", username=person.username, password=person.password)
    two = await browser.submit(two, "totp-submit", totp_code=house.code_of(person))
    house.next_code()
    one = await browser.submit(one, "totp-submit", totp_code=house.code_of(person))
    assert (one.query["state"], two.query["state"]) == ("one", "two")


async def test_of_two_equal_posts_one_goes_on_and_the_other_is_shown_the_way(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    page = await browser.get(house.authorize(client))
    posts = [browser.submit(page, "login-submit", username=person.username, password=person.password) for _ in range(2)]
    both = await asyncio.gather(*posts)
    assert sorted(answer.status for answer in both) == [200, 409]
    stale = next(answer for answer in both if answer.status == 409)
    assert stale.heading == "Something went wrong"
    way_on = re.search(r'class="button" href="([^"]+)"', stale.text)
    assert way_on
    assert (await browser.get(way_on[1].replace("&amp;", "&"))).path == f"{house.path}/login/totp"


async def test_an_interaction_ends_after_its_time(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    page = await browser.get(house.authorize(client))
    house.clock.advance(901)
    late = await browser.submit(page, "login-submit", username=person.username, password=person.password)
    assert (late.status, late.heading) == (400, "Something went wrong")
    assert (await browser.get(page.url)).status == 400


async def test_an_interaction_that_has_its_answer_is_over(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    start = await browser.get(house.authorize(client))
    page = await browser.submit(start, "login-submit", username=person.username, password=person.password)
    await browser.submit(page, "totp-submit", totp_code=house.code_of(person))
    again = await browser.submit(page, "totp-submit", totp_code=house.code_of(person))
    assert (again.status, again.away) == (400, False)
    assert (await browser.get(start.url)).status == 400


async def test_an_older_hash_is_renewed_at_the_next_sign_in(house: House) -> None:
    old = argon2.PasswordHasher(time_cost=1, memory_cost=512, parallelism=1).hash("older password")
    person, client = await house.person(password="older password"), await house.client()
    where = "WHERE tenant = $1 AND user_id = $2"
    await house.owner.execute(f"UPDATE authz.password_credential SET hash = $3 {where}", house.tenant, person.id, old)
    page = await house.sign_in(house.browser(), person, house.authorize(client))
    assert "code" in page.query
    new = await house.owner.fetchval(f"SELECT hash FROM authz.password_credential {where}", house.tenant, person.id)
    assert "m=19456,t=2,p=1" in new
    assert "code" in (await house.sign_in(house.browser(), person, house.authorize(client))).query


async def test_the_user_name_is_found_in_any_spelling(house: House) -> None:
    person, client = await house.person("Ada@Example.com"), await house.client()
    person.username = "  \uff21DA@example.COM "
    page = await house.sign_in(house.browser(), person, house.authorize(client))
    assert "code" in page.query


async def test_a_session_answers_every_client_with_its_own_sid(house: House) -> None:
    person, one, two = await house.person(), await house.client(), await house.client()
    browser = house.browser()
    first = await house.take_code(await house.sign_in(browser, person, house.authorize(one)))
    second = await house.take_code(await browser.get(house.authorize(two, prompt="none")))
    assert first.session_id == second.session_id
    assert first.sid != second.sid


@spec("OIDC Core §11")
async def test_offline_access_makes_an_offline_code(house: House) -> None:
    person = await house.person()
    client = await house.client(grant_types=["authorization_code", "refresh_token"])
    browser = house.browser()
    online = await house.take_code(await house.sign_in(browser, person, house.authorize(client)))
    offline = await house.take_code(await browser.get(house.authorize(client, scope="openid offline_access")))
    assert (online.binding.offline, offline.binding.offline) == (False, True)
    assert isinstance(online.binding.grant_id, UUID)


def _base32(text: str) -> bytes:
    secret = base64.b32decode(text)
    assert totp.secret_text(secret) == text
    return secret
