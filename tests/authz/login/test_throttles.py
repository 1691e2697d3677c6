"""What keeps guessers out, and does not keep the person out with them (rows 56 to 62)."""

import asyncio
from uuid import UUID

from authz.protocol.known_browser import LIFETIME_S, known_browser, mark_browser
from tests.authz.login.browser import Browser, Page
from tests.authz.login.house import House, Person
from tests.authz.login.test_login_regressions import WRONG, at_code

KEY, TENANT = b"k" * 32, UUID(int=7)


async def guess(house: House, browser: Browser, client: str, username: str) -> int:
    """The status of one wrong password."""
    page = await browser.get(house.authorize(client, prompt="login"))
    return (await browser.submit(page, "login-submit", username=username, password="x" * 4097)).status


async def at_password(house: House, browser: Browser, client: str, person: Person) -> Page:
    """What the right password comes to."""
    page = await browser.get(house.authorize(client, prompt="login"))
    return await browser.submit(page, "login-submit", username=person.username, password=person.password)


async def besieged(house: House, client: str, username: str) -> None:
    """Many addresses have used up the account's allowance."""
    for number in range(60):
        if await guess(house, house.browser(f"198.51.100.{number}"), client, username) == 429:
            return
    raise AssertionError("the account's allowance has no end")


async def test_row_60_a_stranger_at_one_address_does_not_keep_a_person_out(house: House) -> None:
    person, client = await house.person(), await house.client()
    statuses = set()
    for _ in range(180):
        statuses.add(await guess(house, house.browser("203.0.113.9"), client, person.username))
        house.clock.advance(1)
    assert statuses == {200, 429}
    page = await at_password(house, house.browser("203.0.113.10"), client, person)
    assert "totp-submit" in page.buttons, page.headers.get("retry-after")


async def test_row_60_strangers_at_many_addresses_do_not_keep_a_known_browser_out(house: House) -> None:
    person, client, mine = await house.person(), await house.client(), house.browser("192.0.2.7")
    await house.sign_in(mine, person, house.authorize(client))
    mine.cookies.pop(f"gh_session_{house.slug}")
    await besieged(house, client, person.username)
    unknown = await at_password(house, house.browser("192.0.2.7"), client, person)
    assert (unknown.status, unknown.heading) == (429, WRONG)
    page = await at_password(house, mine, client, person)
    page = await mine.submit(page, "totp-submit", totp_code=house.code_of(person))
    assert "code" in page.query


async def test_row_60_somebody_with_the_password_does_not_keep_a_known_browser_out_of_its_code(house: House) -> None:
    person, client, mine = await house.person(), await house.client(), house.browser("192.0.2.7")
    await house.sign_in(mine, person, house.authorize(client))
    statuses = []
    for number in range(8):
        thief = house.browser(f"198.51.100.{number}")
        page = await at_code(house, thief, person, client)
        statuses.append((await thief.submit(page, "totp-submit", totp_code="000000")).status)
    assert statuses[-1] == 429
    page = await at_code(house, mine, person, client)
    page = await mine.submit(page, "totp-submit", totp_code=house.code_of(person))
    assert "code" in page.query


async def test_row_60_a_known_browser_has_an_allowance_and_not_an_open_door(house: House) -> None:
    person, client, mine = await house.person(), await house.client(), house.browser("192.0.2.7")
    await house.sign_in(mine, person, house.authorize(client))
    statuses = [await guess(house, mine, client, person.username) for _ in range(22)]
    assert statuses[:19] == [200] * 19
    assert 429 in statuses[19:]
    # It counts by itself: nobody else is kept out by it.
    page = await at_password(house, house.browser("192.0.2.8"), client, person)
    assert "totp-submit" in page.buttons


async def test_row_60_the_mark_of_one_account_or_an_invented_one_is_worth_nothing_at_another(house: House) -> None:
    person, client, eve = await house.person(), await house.client(), await house.person("eve@example.com")
    browser, name = house.browser("192.0.2.9"), f"gh_known_{house.slug}"
    await house.sign_in(browser, eve, house.authorize(client))
    of_eve = browser.cookies[name]
    await besieged(house, client, person.username)
    for mark in (of_eve, of_eve[:-1] + ("A" if of_eve[-1] != "A" else "E"), "gn_", "x" * 5000):
        other = house.browser("192.0.2.9")
        other.cookies[name] = mark
        assert (await at_password(house, other, client, person)).status == 429


async def test_a_mark_opens_nothing_and_raises_no_class(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    await house.sign_in(browser, person, house.authorize(client))
    name = f"gh_known_{house.slug}"
    (header,) = [value for value in browser.set_cookie_headers if value.startswith(f"{name}=")]
    assert header.partition("; ")[2] == f"Path=/; HttpOnly; SameSite=Lax; Max-Age={LIFETIME_S}"
    thief = house.browser()
    thief.cookies[name] = browser.cookies[name]
    assert (await thief.get(house.authorize(client, prompt="none"))).query["error"] == "login_required"
    page = await at_password(house, thief, client, person)
    assert page.path == f"{house.path}/login/totp"


def test_a_mark_is_one_account_s_at_one_tenant_for_thirty_days() -> None:
    mark = mark_browser(KEY, TENANT, "ada", 1_800_000_000)
    identifier = known_browser(KEY, TENANT, "ada", mark, 1_800_000_000)
    assert identifier is not None
    assert known_browser(KEY, TENANT, "ada", mark, 1_800_000_000 + LIFETIME_S - 1) == identifier
    assert known_browser(KEY, TENANT, "ada", mark, 1_800_000_000 + LIFETIME_S) is None
    assert known_browser(KEY, TENANT, "ada", mark, 1_799_999_999) is None
    assert known_browser(KEY, TENANT, "eve", mark, 1_800_000_000) is None
    assert known_browser(KEY, UUID(int=8), "ada", mark, 1_800_000_000) is None
    assert known_browser(b"x" * 32, TENANT, "ada", mark, 1_800_000_000) is None
    assert known_browser(KEY, TENANT, "ada", mark.replace("1800000000", "1800000001"), 1_800_000_009) is None
    # Signing in again renews the time and keeps the browser's name, so that its allowance stays one.
    again = mark_browser(KEY, TENANT, "ada", 1_800_000_500, known=identifier)
    assert known_browser(KEY, TENANT, "ada", again, 1_800_000_500) == identifier


async def test_row_56_guesses_of_a_code_are_bounded_by_the_account_over_many_sign_ins(house: House) -> None:
    person, client = await house.person(), await house.client()
    pages = []
    for number in range(6):
        browser = house.browser(f"203.0.113.{number}")
        pages.append((browser, await at_code(house, browser, person, client)))

    async def guess(browser: Browser, page: Page) -> list[int]:
        statuses = []
        for _ in range(4):
            answer = await browser.submit(page, "totp-submit", totp_code="000000")
            statuses.append(answer.status)
            page = answer if answer.status == 200 else await browser.get(page.url)
        return statuses

    statuses = [status for found in await asyncio.gather(*(guess(*each) for each in pages)) for status in found]
    assert statuses.count(200) <= 6  # the burst, and one more should a step of the limiter pass
    assert statuses.count(429) == len(statuses) - statuses.count(200)
    # The right code is refused as well, and says when to come back.
    browser, page = pages[0]
    page = await browser.submit(await browser.get(page.url), "totp-submit", totp_code=house.code_of(person))
    assert (page.status, page.heading) == (429, WRONG)
    assert int(page.headers["retry-after"]) > 0


async def test_row_57_an_attempt_stays_counted_when_its_request_fails_or_goes_away(house: House) -> None:
    person, client = await house.person(), await house.client()
    browser, hasher = house.browser(), house.app.state.resources.hasher

    async def vanish() -> None:
        page = await browser.get(house.authorize(client, prompt="login"))
        post = asyncio.create_task(browser.submit(page, "login-submit", username=person.username, password="wrong"))
        async with asyncio.timeout(20):
            while not hasher.in_flight:  # noqa: ASYNC110 - hashing tells nobody that it begins
                await asyncio.sleep(0)
        post.cancel()
        await asyncio.gather(post, return_exceptions=True)

    for _ in range(4):
        await vanish()
    answers = []
    for _ in range(20):
        page = await browser.get(house.authorize(client, prompt="login"))
        page = await browser.submit(page, "login-submit", username=person.username, password="wrong")
        answers.append(page.status)
    assert 429 in answers


async def test_row_59_every_spelling_of_a_name_is_one_account_to_the_limiter(house: House) -> None:
    await house.person("strasse@example.com")
    client, statuses = await house.client(), []
    spellings = [
        "strasse@example.com",
        "STRASSE@EXAMPLE.COM",
        "stra\u00dfe@example.com",
        "\uff33trasse@example.com ",
        " Strasse@Example.com",
    ]
    for number in range(45):
        browser = house.browser(f"198.51.100.{number}")
        page = await browser.get(house.authorize(client))
        page = await browser.submit(page, "login-submit", username=spellings[number % 5], password="wrong")
        statuses.append(page.status)
    assert statuses[:40] == [200] * 40
    assert 429 in statuses[40:]
    # Another account at one of those addresses is not concerned.
    other = await house.person("bob@example.com")
    page = await house.sign_in(house.browser("198.51.100.3"), other, house.authorize(client))
    assert "code" in page.query


async def test_row_62_an_unknown_name_is_throttled_as_a_known_one_is(house: House) -> None:
    client, browser, statuses = await house.client(), house.browser(), []
    for _ in range(22):
        page = await browser.get(house.authorize(client))
        page = await browser.submit(page, "login-submit", username="nobody", password="wrong")
        statuses.append(page.status)
    assert statuses[:20] == [200] * 20
    assert 429 in statuses[20:]
