"""The authorization endpoint: where each answer goes, and what it carries."""

from urllib.parse import quote, urlencode

import pytest

from authz.storage.keys import ensure_keys
from identity_core import jose
from identity_core.testing.spec import spec
from tests.authz.login.browser import ORIGIN
from tests.authz.login.house import CALLBACK, CHALLENGE, House

WRONG = "Something went wrong"


@spec("RFC 6749 §4.1.2.1", "RFC 9700 §4.11.2")
@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"client_id": "a" * 300},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": CALLBACK + "?x=1"},
        {"redirect_uri": CALLBACK + "#f"},
        {"redirect_uri": CALLBACK.upper()},
        {"redirect_uri": ""},
        {"client_id": "nobody", "prompt": "none"},
    ],
)
async def test_without_a_known_client_and_address_there_is_a_page_and_no_redirect(
    house: House, changes: dict[str, str | None]
) -> None:
    client = await house.client()
    page = await house.browser().get(house.authorize(client, **changes))
    assert (page.status, page.heading, page.away) == (400, WRONG, False)
    assert "location" not in page.headers


@spec("RFC 6749 §4.1.2.1", "RFC 9207 §2")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"request": "x"}, "request_not_supported"),
        ({"request_uri": "https://x.example"}, "request_uri_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"prompt": "none"}, "login_required"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"id_token_hint": "not.a.token"}, "invalid_request"),
        ({"resource": "relative"}, "invalid_target"),
    ],
)
async def test_every_other_refusal_travels_with_error_state_and_iss(
    house: House, changes: dict[str, str | None], error: str
) -> None:
    await ensure_keys(house.owner, house.tenant, house.app.state.resources.sealer)
    client = await house.client()
    page = await house.browser().get(house.authorize(client, **changes))
    assert page.url.startswith(f"{CALLBACK}?")
    assert page.query["error"] == error
    assert (page.query["state"], page.query["iss"]) == ("the state", house.issuer)
    assert "code" not in page.query
    assert page.query["error_description"].isascii()


async def test_the_state_comes_back_unchanged_or_not_at_all(house: House) -> None:
    client, browser = await house.client(), house.browser()
    odd = "x" * 128 + " +&=%2F#é\"'<>"
    page = await browser.get(house.authorize(client, state=odd, prompt="none"))
    assert page.query["state"] == odd
    page = await browser.get(house.authorize(client, state=None, prompt="none"))
    assert "state" not in page.query


@spec("RFC 6749 §3.1")
@pytest.mark.parametrize("name", ["state", "scope", "response_type", "nonce", "extra"])
async def test_row_26_a_parameter_twice_is_refused_at_the_clients_address(house: House, name: str) -> None:
    client = await house.client()
    twice = f"&{name}=one&{name}=two"
    page = await house.browser().get(house.authorize(client) + twice)
    assert page.away
    assert page.query["error"] == "invalid_request"
    assert page.query["iss"] == house.issuer
    assert page.query.get("state") == (None if name == "state" else "the state")


@pytest.mark.parametrize(
    "more",
    ["&client_id=other", f"&redirect_uri={quote(CALLBACK)}", "&redirect_uri=https%3A%2F%2Fevil.example", "&x=%zz"],
)
async def test_row_26_a_second_client_or_address_is_a_page(house: House, more: str) -> None:
    client = await house.client()
    page = await house.browser().get(house.authorize(client) + more)
    assert (page.status, page.heading) == (400, WRONG)


@spec("RFC 9700 §2.1.1")
async def test_row_19_a_public_client_without_a_challenge_is_refused_and_a_confidential_one_by_its_registration(
    house: House,
) -> None:
    bare = {"code_challenge": None, "code_challenge_method": None}
    public = await house.client(token_endpoint_auth_method="none")
    strict = await house.client(require_pkce=True)
    free = await house.client()
    browser = house.browser()
    for client in (public, strict):
        page = await browser.get(house.authorize(client, **bare))
        assert page.query["error"] == "invalid_request"
    page = await browser.get(house.authorize(free, **bare))
    assert page.heading == "Sign in"


async def test_row_18_the_challenge_stands_in_the_code_so_that_the_verifier_must_come(house: House) -> None:
    person, client = await house.person(), await house.client()
    page = await house.sign_in(house.browser(), person, house.authorize(client))
    assert (await house.take_code(page)).code_challenge == CHALLENGE


async def test_a_client_without_the_code_flow_is_told_so(house: House) -> None:
    client = await house.client(grant_types=["client_credentials"], redirect_uris=[CALLBACK], response_types=[])
    page = await house.browser().get(house.authorize(client))
    assert page.query["error"] == "unauthorized_client"


@spec("OIDC Core §3.1.2.1")
async def test_a_post_from_another_site_goes_on_as_a_get_with_the_cookies(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    await house.sign_in(browser, person, house.authorize(client))
    query = house.authorize(client, prompt="none").partition("?")[2]
    # A browser sends no Lax cookie with a form of another site, and sends it with the navigation that follows.
    answer = await browser.send(
        "POST",
        f"{house.path}/authorize",
        content=query,
        headers={
            "content-type": "application/x-www-form-urlencoded",
            "origin": "https://client.example",
            "sec-fetch-site": "cross-site",
            "cookie": "",
        },
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{house.path}/authorize?{query}"
    page = await browser.get(answer.headers["location"])
    assert "code" in page.query


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"a=b", "application/json", 415),
        (b"a=\r\nx: y", "application/x-www-form-urlencoded", 400),
        (b"a=b#c", "application/x-www-form-urlencoded", 400),
        (b"a=" + b"b" * 20_000, "application/x-www-form-urlencoded", 413),
    ],
)
async def test_a_post_that_is_no_form_is_a_page(house: House, content: bytes, content_type: str, status: int) -> None:
    answer = await house.browser().send(
        "POST", f"{house.path}/authorize", content=content, headers={"content-type": content_type}
    )
    assert answer.status_code == status
    assert WRONG in answer.text


@spec("OIDC Core §3.1.2.1")
async def test_who_is_signed_in_is_answered_in_silence_with_the_same_time_of_sign_in(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    first = await house.take_code(await house.sign_in(browser, person, house.authorize(client)))
    house.clock.advance(5)
    second = await house.take_code(await browser.get(house.authorize(client, prompt="none")))
    third = await house.take_code(await browser.get(house.authorize(client, max_age="10000")))
    assert first.auth_time == second.auth_time == third.auth_time
    assert first.session_id == second.session_id == third.session_id


@spec("OIDC Core §3.1.2.1")
@pytest.mark.parametrize(
    "changes", [{"prompt": "login"}, {"max_age": "1"}, {"prompt": "select_account"}, {"max_age": "0"}]
)
async def test_signing_in_again_when_asked_gives_a_later_time(house: House, changes: dict[str, str]) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    first = await house.take_code(await house.sign_in(browser, person, house.authorize(client)))
    house.clock.advance(2)
    again = await house.take_code(await house.sign_in(browser, person, house.authorize(client, **changes)))
    assert again.auth_time > first.auth_time


@spec("OIDC Core §3.1.2.1")
async def test_an_id_token_hint_names_who_must_be_signed_in(house: House) -> None:
    await ensure_keys(house.owner, house.tenant, house.app.state.resources.sealer)
    ada, bob = await house.person(), await house.person("bob@example.com")
    client, browser = await house.client(), house.browser()
    await house.sign_in(browser, ada, house.authorize(client))
    ring = await house.app.state.resources.keys.ring(house.tenant)
    now = int(house.clock.now_ms() / 1000)

    def hint(subject: object, audience: str = client, key: str = "RS256") -> str:
        claims = {"iss": house.issuer, "sub": str(subject), "aud": audience, "iat": now - 900, "exp": now - 600}
        return jose.sign(ring.signing[key], claims, "JWT")

    silent = await browser.get(house.authorize(client, prompt="none", id_token_hint=hint(ada.id)))
    assert "code" in silent.query
    other = await browser.get(house.authorize(client, prompt="none", id_token_hint=hint(bob.id)))
    assert other.query["error"] == "login_required"
    foreign = await browser.get(house.authorize(client, prompt="none", id_token_hint=hint(ada.id, "another")))
    assert foreign.query["error"] == "invalid_request"
    page = await browser.get(house.authorize(client, id_token_hint=hint(bob.id)))
    assert page.heading == "Sign in"
    page = await house.sign_in(browser, ada, house.authorize(client, id_token_hint=hint(bob.id)))
    assert page.query["error"] == "login_required"
    page = await house.sign_in(browser, bob, house.authorize(client, id_token_hint=hint(bob.id)))
    assert (await house.take_code(page)).user_id == bob.id


@spec("OIDC Core §3.1.2.1")
async def test_the_login_hint_is_filled_in(house: House) -> None:
    client = await house.client()
    page = await house.browser().get(house.authorize(client, login_hint='ada"><script>@example.com'))
    assert page.fields["username"] == 'ada"><script>@example.com'


@spec("RFC 8252 §7.3")
async def test_row_24_the_port_of_a_loopback_address_may_vary_and_nothing_else(house: House) -> None:
    client = await house.client(
        token_endpoint_auth_method="none", application_type="native", redirect_uris=["http://127.0.0.1/cb"]
    )
    browser = house.browser()
    page = await browser.get(house.authorize(client, redirect_uri="http://127.0.0.1:51004/cb", prompt="none"))
    assert page.url.startswith("http://127.0.0.1:51004/cb?error=login_required")
    for wrong in (
        "http://localhost/cb",
        "http://localhost.evil.test/cb",
        "http://127.0.0.1.evil.test/cb",
        "http://127.0.0.1:80@evil.test/cb",
        "http://127.0.0.1:99999999/cb",
        "http://127.0.0.1:80/cb/",
        "https://127.0.0.1/cb",
    ):
        page = await browser.get(house.authorize(client, redirect_uri=wrong, prompt="none"))
        assert (page.status, page.away) == (400, False), wrong


@spec("RFC 9700 §2.1")
async def test_row_24_the_port_of_a_web_application_does_not_vary(house: House) -> None:
    client = await house.client(redirect_uris=["http://127.0.0.1:8010/cb"])
    page = await house.browser().get(house.authorize(client, redirect_uri="http://127.0.0.1:6666/cb"))
    assert (page.status, page.heading) == (400, WRONG)
    page = await house.browser().get(house.authorize(client, redirect_uri="http://127.0.0.1:8010/cb"))
    assert page.heading == "Sign in"


@spec("RFC 8707 §2")
@pytest.mark.parametrize("resource", ["http://localhost:8001/scim/v2", "http://localhost:8002", "urn:gatehouse:admin"])
async def test_a_person_s_token_is_for_none_of_our_own_apis(house: House, resource: str) -> None:
    client, browser = await house.client(), house.browser()
    page = await browser.get(house.authorize(client, resource=resource))
    assert (page.away, page.query.get("error"), page.query.get("iss")) == (True, "invalid_target", house.issuer)
    page = await browser.get(house.authorize(client, resource="https://api.example"))
    assert page.heading == "Sign in"


@spec("RFC 9700 §4.1.3")
@pytest.mark.parametrize(
    "wrong",
    [
        "https://clientaexample/callback",
        "https://client.example.evil.tld/callback",
        "https://client.example@evil.tld/callback",
        "https://a@b@client.example/callback",
        "https://client.example/callback/../x",
        "https://client.example/callback;x",
        "https://client.example/..;/callback",
        "https://client.example/%63allback",
        "https://client.example\\@evil.tld/callback",
        "https://client.example:443/callback",
        "https://client.example./callback",
        "https://CLIENT.example/callback",
        "//client.example/callback",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        CALLBACK + "?code=x",
        CALLBACK + "\n",
        " " + CALLBACK,
        "*",
    ],
)
async def test_rows_23_25_27_28_an_address_is_the_registered_string_or_nothing(house: House, wrong: str) -> None:
    client = await house.client()
    page = await house.browser().get(house.authorize(client, redirect_uri=wrong))
    assert (page.status, page.heading) == (400, WRONG)


async def test_row_21_the_flow_is_what_was_asked_for_whatever_is_posted_with_its_forms(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    page = await browser.get(house.authorize(client))
    tampered = {
        "response_type": "token", "response_mode": "fragment", "client_id": "other", "scope": "openid email",
        "redirect_uri": "https://evil.example", "state": "other", "code_challenge": "x",
    }  # fmt: skip
    page.fields.update(tampered)
    page.action = f"{page.action}&{urlencode(tampered)}"
    page = await browser.submit(page, "login-submit", username=person.username, password=person.password)
    page.fields.update(tampered)
    page = await browser.submit(page, "totp-submit", totp_code=house.code_of(person))
    assert page.url.startswith(f"{CALLBACK}?")
    record = await house.take_code(page)
    assert (page.query["state"], record.scopes, record.client_id) == ("the state", ("openid", "profile"), client)


async def test_row_22_nothing_of_the_request_stands_in_cookies_or_in_the_addresses_of_our_pages(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    url = house.authorize(client, state="secret-state", nonce="secret-nonce", login_hint="secret-hint")
    answer = await browser.send("GET", url)
    assert answer.status_code == 303
    assert "secret" not in answer.headers["location"]
    await house.sign_in(browser, person, url)
    assert not any("secret" in header or CALLBACK in header for header in browser.set_cookie_headers)


@spec("RFC 9700 §2.6")
async def test_no_page_of_a_sign_in_answers_other_origins(house: House) -> None:
    client = await house.client()
    for method in ("GET", "OPTIONS"):
        answer = await house.browser().send(
            method,
            house.authorize(client),
            headers={"origin": "https://spa.example", "access-control-request-method": "GET"},
        )
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_tenant_has_its_own_pages_cookies_and_people(house: House) -> None:
    person, client, browser = await house.person(), await house.client(), house.browser()
    page = await browser.get(house.authorize(client))
    assert page.path == f"{house.path}/login"
    await house.sign_in(browser, person, house.authorize(client))
    assert set(browser.cookies) == {f"gh_{kind}_{house.slug}" for kind in ("browser", "session", "known")}
    # The same client, session and interaction mean nothing at the root, which is another tenant.
    root = await browser.get(house.authorize(client).removeprefix(house.path))
    assert (root.status, root.heading) == (400, WRONG)
    root = await browser.get(page.url.replace(house.path, ""))
    assert root.heading == WRONG
    assert ORIGIN in root.url
