"""What becomes of the sessions there are when somebody signs in: renewed, replaced, or ended by the limit."""

import asyncio

from authz.interaction import ACR_PASSWORD, Evidence
from authz.login_ports import Logins, OpenCookie, Opening, Refused
from identity_core import base64url
from identity_core.audit import AuditRow
from identity_core.secrets import sha256
from identity_core.session_store import StandingQuery
from tests.authz.login.house import House


async def test_signing_in_again_keeps_the_session_and_ends_the_old_cookie(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    await house.sign_in(browser, person, house.authorize(client))
    old, old_cookies = house.session_cookie(browser), dict(browser.cookies)
    await house.sign_in(browser, person, house.authorize(client, prompt="login"))
    new = house.session_cookie(browser)
    assert (new.session_id, new.secret != old.secret) == (old.session_id, True)
    (row,) = await house.sessions(person)
    assert row["ended_at"] is None
    thief = house.browser()
    thief.cookies = old_cookies
    page = await thief.get(house.authorize(client, prompt="none"))
    assert page.query["error"] == "login_required"
    # The ledger knows it too, so a Redis that forgets a second does not bring it back.
    store = house.app.state.resources.store
    key = f"c.{base64url.encode(sha256(old.secret))}"
    assert await house.owner.fetchval(
        "SELECT epoch FROM sessions.ledger_v1 WHERE tenant = $1 AND kind = 'token' AND key = $2",
        house.tenant,
        f"{old.tag:04x}:{key}",
    )
    facts = await store.read(StandingQuery(house.tenant, old.tag, session_id=old.session_id, token_key=key))
    assert "token" in facts.ended


async def test_two_tabs_that_sign_in_again_at_once_leave_the_browser_signed_in(house: House) -> None:
    await house.policy(mfa="optional")
    person, client, browser = await house.person(with_totp=False), await house.client(), house.browser()
    await house.sign_in(browser, person, house.authorize(client))
    pages = [await browser.get(house.authorize(client, prompt="login")) for _ in range(2)]
    posts = [browser.submit(page, "login-submit", username=person.username, password=person.password) for page in pages]
    done = await asyncio.gather(*posts)
    # One of them has its answer at least; the other may be asked again, and goes on from there.
    assert {page.away or page.heading == "Sign in" for page in done} == {True}
    assert any(row["ended_at"] is None for row in await house.sessions(person))
    assert "code" in (await browser.get(house.authorize(client, prompt="none"))).query


async def test_of_two_renewals_of_one_session_the_later_is_refused_and_ends_nothing(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    await house.sign_in(browser, person, house.authorize(client))
    logins: Logins = house.app.state.login.logins
    previous = await logins.current(house.tenant, house.session_cookie(browser), client)
    assert previous is not None
    now_ms = house.clock.now_ms()
    opening = Opening(
        tenant=house.tenant,
        evidence=Evidence(person.id, person.username, 0, 0, ("pwd",), True, now_ms),
        client_id=client,
        acr=ACR_PASSWORD,
        auth_time_ms=now_ms,
        device=None,
        network=None,
        previous=previous,
        audit=AuditRow(house.tenant, "login", "success", "user", "test"),
    )
    first = await logins.open(opening)
    assert isinstance(first, OpenCookie)
    assert await logins.open(opening) == Refused("ended")
    assert await logins.current(house.tenant, first.cookie, client) is not None
    (row,) = await house.sessions(person)
    assert (row["id"], row["ended_at"]) == (previous.facts.id, None)


async def test_another_person_in_the_same_browser_ends_the_first_ones_session(house: House) -> None:
    ada, bob = await house.person(), await house.person("bob@example.com")
    client, browser = await house.client(), house.browser()
    await house.sign_in(browser, ada, house.authorize(client))
    first = house.session_cookie(browser)
    await house.sign_in(browser, bob, house.authorize(client, prompt="login"))
    second = house.session_cookie(browser)
    assert second.session_id != first.session_id
    (row,) = await house.sessions(ada)
    assert (row["end_reason"], row["ended_at"] is not None) == ("replaced", True)
    key = f"{first.tag:04x}:{first.session_id}"
    ended = "SELECT count(*) FROM sessions.ledger_v1 WHERE tenant = $1 AND kind = 'session' AND key = $2"
    assert await house.owner.fetchval(ended, house.tenant, key) == 1


async def test_the_concurrent_limit_ends_the_oldest_session_at_once(house: House) -> None:
    await house.session_policy(2)
    person, client = await house.person(), await house.client()
    browsers = [house.browser() for _ in range(3)]
    for browser in browsers:
        await house.sign_in(browser, person, house.authorize(client))
        house.clock.advance(1)
    rows = await house.sessions(person)
    assert [row["end_reason"] for row in rows] == ["limit", None, None]
    silent = [await browser.get(house.authorize(client, prompt="none")) for browser in browsers]
    assert ["code" in page.query for page in silent] == [False, True, True]


async def test_the_concurrent_limit_may_refuse_the_newest_instead(house: House) -> None:
    await house.session_policy(1, "refuse")
    person, client = await house.person(), await house.client()
    first, second = house.browser(), house.browser()
    await house.sign_in(first, person, house.authorize(client))
    page = await house.sign_in(second, person, house.authorize(client))
    assert (page.status, page.heading) == (403, "Something went wrong")
    assert f"gh_session_{house.slug}" not in second.cookies
    rows = await house.sessions(person)
    assert [row["end_reason"] for row in rows] == [None, "limit"]
    assert "code" in (await first.get(house.authorize(client, prompt="none"))).query
