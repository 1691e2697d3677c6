"""Signing out: who may do it at once, who is asked, and that what is over stays over."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest

from authz.protocol.logout import Hint, SignedIn, client_asked, may_end_at_once
from authz.storage.keys import ensure_keys
from identity_core import jose
from identity_core.ids import uuid7
from identity_core.secrets import derive_sid
from identity_core.testing.spec import spec
from tests.authz.login.browser import Browser, Page
from tests.authz.login.house import House, Person

AFTER = "https://client.example/signed-out"
SIGNED_OUT = "Signed out"


class Stay:
    """Somebody signed in at a client that may sign them out."""

    def __init__(self, house: House, person: Person, client: str, browser: Browser) -> None:
        self.house, self.person, self.client, self.browser = house, person, client, browser

    @classmethod
    async def begin(cls, house: House) -> "Stay":
        await ensure_keys(house.owner, house.tenant, house.app.state.resources.sealer)
        client = await house.client(post_logout_redirect_uris=[AFTER])
        stay = cls(house, await house.person(), client, house.browser())
        await house.sign_in(stay.browser, stay.person, house.authorize(client))
        return stay

    async def hint(self, **changes: object) -> str:
        resources = self.house.app.state.resources
        ring = await resources.keys.ring(self.house.tenant)
        now = int(self.house.clock.now_ms() / 1000)
        session = self.house.session_cookie(self.browser).session_id
        sid = derive_sid(resources.settings.tag_key, self.house.tenant, session, self.client)
        claims = {
            "iss": self.house.issuer, "sub": str(self.person.id), "aud": self.client, "sid": sid,
            "iat": now - 900, "exp": now - 600, **changes,
        }  # fmt: skip
        return jose.sign(ring.signing["RS256"], claims, "JWT")

    async def ask(self, **parameters: str) -> Page:
        return await self.browser.get(f"{self.house.path}/logout?{urlencode(parameters)}")

    async def signed_in(self, browser: Browser | None = None) -> bool:
        page = await (browser or self.browser).get(self.house.authorize(self.client, prompt="none"))
        return "code" in page.query


@spec("OIDC RP-Initiated Logout §2", "OIDC RP-Initiated Logout §3")
async def test_a_hint_for_this_session_signs_out_at_once_and_returns_to_the_client(house: House) -> None:
    stay = await Stay.begin(house)
    thief = house.browser()
    thief.cookies = dict(stay.browser.cookies)
    page = await stay.ask(id_token_hint=await stay.hint(), post_logout_redirect_uri=AFTER, state="s +&")
    assert (page.url.partition("?")[0], page.query) == (AFTER, {"state": "s +&"})
    assert f"gh_session_{house.slug}" not in stay.browser.cookies
    assert not await stay.signed_in()
    assert not await stay.signed_in(thief)
    (row,) = await house.sessions(stay.person)
    assert (row["end_reason"], row["ended_at"] is not None) == ("logout", True)
    assert len(await house.audit("logout")) == 1
    ended = "SELECT count(*) FROM sessions.ledger_v1 WHERE tenant = $1 AND kind = 'session'"
    assert await house.owner.fetchval(ended, house.tenant) == 1


@spec("OIDC RP-Initiated Logout §2")
@pytest.mark.parametrize(
    "parameters", [{}, {"state": "only"}, {"client_id": "CLIENT"}, {"post_logout_redirect_uri": AFTER}]
)
async def test_without_a_hint_the_person_is_asked_and_stays_here(house: House, parameters: dict[str, str]) -> None:
    stay = await Stay.begin(house)
    page = await stay.ask(**{name: stay.client if value == "CLIENT" else value for name, value in parameters.items()})
    assert "logout-confirm" in page.buttons
    assert await stay.signed_in()
    page = await stay.browser.submit(page, "logout-confirm")
    assert (page.path, page.heading) == (f"{house.path}/signed-out", SIGNED_OUT)
    assert not await stay.signed_in()


@spec("OIDC RP-Initiated Logout §3")
async def test_a_client_that_says_who_it_is_gets_the_browser_back_after_the_question(house: House) -> None:
    stay = await Stay.begin(house)
    page = await stay.ask(client_id=stay.client, post_logout_redirect_uri=AFTER, state="s")
    page = await stay.browser.submit(page, "logout-confirm")
    assert page.url == f"{AFTER}?state=s"


@spec("OIDC RP-Initiated Logout §2", "OIDC RP-Initiated Logout §4")
async def test_a_hint_that_is_not_ours_leads_nowhere_but_to_the_question(house: House) -> None:
    stay = await Stay.begin(house)
    good = await stay.hint()
    head, body, signature = good.split(".")
    unsigned = f"eyJhbGciOiJub25lIn0.{body}."
    foreign = jose.sign(
        jose.generate("RS256", "foreign"), {"iss": house.issuer, "sub": "x", "aud": stay.client, "exp": 1}, "JWT"
    )
    for hint in (
        unsigned,
        f"{head}.{body}.{signature[:-4]}AAAA",
        foreign,
        await stay.hint(iss="https://evil.example"),
        "x",
    ):
        page = await stay.ask(id_token_hint=hint, client_id=stay.client, post_logout_redirect_uri=AFTER)
        assert "logout-confirm" in page.buttons
        page = await stay.browser.submit(page, "logout-confirm")
        assert page.heading == SIGNED_OUT
        house.next_code()
        await house.sign_in(stay.browser, stay.person, house.authorize(stay.client))


@spec("OIDC RP-Initiated Logout §3")
@pytest.mark.parametrize(
    "uri", [AFTER + "/", AFTER + "?x=1", "https://evil.example/", "javascript:alert(1)", AFTER.upper()]
)
async def test_an_address_that_is_not_registered_is_an_error_page(house: House, uri: str) -> None:
    stay = await Stay.begin(house)
    page = await stay.ask(id_token_hint=await stay.hint(), post_logout_redirect_uri=uri)
    assert (page.status, page.heading, page.away) == (400, "Something went wrong", False)
    assert await stay.signed_in()


@spec("OIDC RP-Initiated Logout §2")
async def test_a_hint_and_a_client_that_contradict_each_other_are_an_error_page(house: House) -> None:
    stay = await Stay.begin(house)
    other = await house.client()
    page = await stay.ask(id_token_hint=await stay.hint(), client_id=other, post_logout_redirect_uri=AFTER)
    assert (page.status, page.heading) == (400, "Something went wrong")


async def test_a_hint_of_another_person_or_session_asks_first(house: House) -> None:
    stay = await Stay.begin(house)
    for hint in (await stay.hint(sub=str(uuid7())), await stay.hint(sid="another")):
        page = await stay.ask(id_token_hint=hint)
        assert "logout-confirm" in page.buttons
    assert await stay.signed_in()


async def test_an_access_token_is_no_hint(house: House) -> None:
    stay = await Stay.begin(house)
    page = await stay.ask(id_token_hint=await stay.hint(client_id=stay.client, scope="openid"))
    assert "logout-confirm" in page.buttons


async def test_no_other_page_can_send_the_confirmation(house: House) -> None:
    stay = await Stay.begin(house)
    page = await stay.ask()
    assert page.action
    data = dict(page.fields)
    foreign = await stay.browser.send(
        "POST", page.action, data=data, headers={"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    )
    assert foreign.status_code == 403
    guessed = await stay.browser.post(page.action, {**data, "confirm": "yes"})
    assert "logout-confirm" in guessed.buttons
    linked = await stay.ask(confirm="yes")
    assert "logout-confirm" in linked.buttons
    assert await stay.signed_in()


@spec("OIDC RP-Initiated Logout §2")
async def test_a_client_may_ask_by_post(house: House) -> None:
    stay = await Stay.begin(house)
    answer = await stay.browser.send(
        "POST",
        f"{house.path}/logout",
        data={"id_token_hint": await stay.hint(), "post_logout_redirect_uri": AFTER},
        headers={"origin": "https://client.example", "sec-fetch-site": "cross-site", "cookie": ""},
    )
    assert answer.status_code == 303
    page = await stay.browser.get(answer.headers["location"])
    assert page.url == AFTER
    assert not await stay.signed_in()


async def test_nobody_signed_in_is_signed_out_already(house: House) -> None:
    stay = await Stay.begin(house)
    stranger = house.browser()
    page = await stranger.get(f"{house.path}/logout")
    assert page.heading == SIGNED_OUT
    page = await stranger.get(
        f"{house.path}/logout?{urlencode({'client_id': stay.client, 'post_logout_redirect_uri': AFTER})}"
    )
    assert page.url == AFTER
    assert await stay.signed_in()


async def test_signing_out_ends_a_session_whose_row_was_lost_in_a_restore(house: House) -> None:
    person, client, browser, thief = await house.person(), await house.client(), house.browser(), house.browser()
    await house.sign_in(browser, person, house.authorize(client))
    cookie, thief.cookies = house.session_cookie(browser), dict(browser.cookies)
    await house.owner.execute(
        "DELETE FROM sessions.session WHERE tenant = $1 AND id = $2", house.tenant, cookie.session_id
    )
    page = await browser.submit(await browser.get(f"{house.path}/logout"), "logout-confirm")
    assert page.heading == "Signed out"
    assert (await thief.get(house.authorize(client, prompt="none"))).query["error"] == "login_required"
    kept = await house.owner.fetchval(
        "SELECT until - now() FROM sessions.ledger WHERE tenant = $1 AND kind = 'session' AND key = $2",
        house.tenant,
        f"{cookie.tag:04x}:{cookie.session_id}",
    )
    assert timedelta(days=7) < kept < timedelta(days=9)


async def test_row_01_signing_out_without_cookies_leaves_nothing_to_the_next_person(house: House) -> None:
    stay = await Stay.begin(house)
    old = house.session_cookie(stay.browser)
    stay.browser.cookies.clear()
    await stay.ask()
    bob = await house.person("bob@example.com")
    page = await house.sign_in(stay.browser, bob, house.authorize(stay.client))
    record = await house.take_code(page)
    assert record.user_id == bob.id
    assert record.session_id != old.session_id


def test_who_asks_is_told_by_the_hint_or_by_name() -> None:
    hint = Hint("ada", ("c",), None)
    assert (client_asked(None, None), client_asked("c", None), client_asked(None, hint)) == (None, "c", "c")
    assert (client_asked("c", hint), client_asked("d", hint)) == ("c", False)
    assert client_asked(None, Hint("ada", ("c", "d"), None)) is None


def test_only_a_hint_for_this_very_session_needs_no_question() -> None:
    user = uuid7()
    held = SignedIn(user, "sid")
    assert may_end_at_once(held, Hint(str(user), ("c",), "sid"))
    assert may_end_at_once(held, Hint(str(user), ("c",), None))
    assert not may_end_at_once(held, Hint(str(user), ("c",), "other"))
    assert not may_end_at_once(held, Hint(str(uuid7()), ("c",), "sid"))
    assert not may_end_at_once(held, None)
