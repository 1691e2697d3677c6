"""Signing in, from the authorization request to the code, in process over real stores."""

from authz.interaction import ACR_MFA, ACR_PASSWORD
from identity_core import totp
from identity_core.secrets import derive_sid
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
