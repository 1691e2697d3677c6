"""Asking for consent: who is asked, what they are told, and what their answer does."""

from typing import Any

import pytest

from identity_core.testing.spec import spec
from tests.authz.login.house import CALLBACK, House

PUBLIC: dict[str, Any] = {"token_endpoint_auth_method": "none"}


@spec("OIDC Core §3.1.2.4")
async def test_what_is_asked_stands_in_plain_words_and_what_is_allowed_is_remembered(house: House) -> None:
    person, client = await house.person(), await house.client(first_party=False, client_name="Harbour Payroll")
    browser = house.browser()
    page = await house.sign_in(browser, person, house.authorize(client, scope="openid email"))
    assert (page.path, page.heading) == (f"{house.path}/consent", "Harbour Payroll asks for access")
    for words in ("Confirm who you are", "See your e-mail address", person.username, "client.example"):
        assert words in page.text
    page = await browser.submit(page, "consent-allow")
    assert (await house.take_code(page)).scopes == ("openid", "email")
    (audit,) = await house.audit("consent.allow")
    assert audit["client_id"] == client
    assert audit["actor"] == audit["subject_pseudonym"] != str(person.id)
    # Remembered for the same scopes and for fewer, not for more.
    assert "code" in (await browser.get(house.authorize(client, scope="openid", prompt="none"))).query
    more = await browser.get(house.authorize(client, scope="openid phone", prompt="none"))
    assert more.query["error"] == "consent_required"
    page = await browser.get(house.authorize(client, scope="openid phone"))
    await browser.submit(page, "consent-allow")
    both = await browser.get(house.authorize(client, scope="openid email phone", prompt="none"))
    assert "code" in both.query


@spec("OIDC Core §3.1.2.1")
async def test_prompt_consent_asks_even_those_who_need_not_be(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    page = await house.sign_in(browser, person, house.authorize(client, prompt="consent"))
    assert "consent-allow" in page.buttons
    assert "code" in (await browser.submit(page, "consent-allow")).query


@spec("OIDC Core §3.1.2.6", "RFC 6749 §4.1.2.1")
async def test_who_denies_sends_the_client_away_without_a_code(house: House) -> None:
    person, client, browser = await house.person(), await house.client(first_party=False), house.browser()
    page = await house.sign_in(browser, person, house.authorize(client))
    page = await browser.submit(page, "consent-deny")
    assert page.url.startswith(f"{CALLBACK}?")
    assert (page.query["error"], page.query["state"], page.query["iss"]) == ("access_denied", "the state", house.issuer)
    assert len(await house.audit("consent.deny")) == 1
    assert "consent-allow" in (await browser.get(house.authorize(client))).buttons


async def test_a_consent_without_an_answer_is_none(house: House) -> None:
    person, client, browser = await house.person(), await house.client(first_party=False), house.browser()
    page = await house.sign_in(browser, person, house.authorize(client))
    answer = await browser.post(page.action or "", dict(page.fields))
    assert (answer.status, answer.away) == (400, False)
    assert await house.audit("consent.allow") == []


@spec("RFC 8252 §8.6")
@pytest.mark.parametrize(
    ("redirect_uris", "redirect_uri", "asked_again"),
    [
        (["http://127.0.0.1/cb"], "http://127.0.0.1:5000/cb", True),
        (["com.example.app:/cb"], "com.example.app:/cb", True),
        ([CALLBACK], CALLBACK, False),
    ],
)
async def test_row_35_a_public_client_is_asked_about_and_only_an_https_address_is_remembered(
    house: House, redirect_uris: list[str], redirect_uri: str, asked_again: bool
) -> None:
    person, browser = await house.person(), house.browser()
    client = await house.client(first_party=False, application_type="native", redirect_uris=redirect_uris, **PUBLIC)
    url = house.authorize(client, redirect_uri=redirect_uri)
    page = await house.sign_in(browser, person, url)
    assert "consent-allow" in page.buttons
    page = await browser.submit(page, "consent-allow")
    assert page.url.startswith(redirect_uri)
    page = await browser.get(url)
    assert ("consent-allow" in page.buttons) is asked_again
    # One of our own is waved through only where nobody can pose as it, in silence least of all (CVE-2023-34246).
    first_party = await house.client(application_type="native", redirect_uris=redirect_uris, **PUBLIC)
    page = await browser.get(house.authorize(first_party, redirect_uri=redirect_uri))
    assert ("consent-allow" in page.buttons) is asked_again
    silent = await browser.get(house.authorize(first_party, redirect_uri=redirect_uri, prompt="none"))
    assert silent.query.get("error") == ("consent_required" if asked_again else None)


async def test_an_answer_counts_only_for_whom_was_asked(house: House) -> None:
    ada, bob = await house.person(), await house.person("bob@example.com")
    client, other, browser = await house.client(first_party=False), await house.client(), house.browser()
    asked = await house.sign_in(browser, ada, house.authorize(client))
    # In another tab Bob signs in; then somebody presses the button of the page that asked Ada.
    await house.sign_in(browser, bob, house.authorize(other, prompt="login"))
    page = await browser.submit(asked, "consent-allow")
    assert "consent-allow" in page.buttons
    assert bob.username in page.text
    assert ada.username not in page.text
    assert await house.audit("consent.allow") == []


async def test_scopes_nobody_asked_for_or_that_were_withdrawn_are_not_in_the_code(house: House) -> None:
    person, browser = await house.person(), house.browser()
    client = await house.client(first_party=False, scope="openid email")
    page = await house.sign_in(browser, person, house.authorize(client, scope="openid email phone scim"))
    await house.owner.execute(
        "UPDATE authz.client SET metadata = jsonb_set(metadata, '{scope}', '\"openid\"') WHERE tenant = $1",
        house.tenant,
    )
    house.forget()
    page = await browser.submit(page, "consent-allow")
    assert (await house.take_code(page)).scopes == ("openid",)
