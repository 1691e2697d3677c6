"""Between the password and the second factor: what was proven is good only while nobody has revoked it (row 54)."""

import base64

import pytest

from identity_core import totp
from tests.authz.login.house import House, Person
from tests.authz.login.test_login_regressions import at_code


@pytest.mark.parametrize("how", ["revoked", "tenant", "deactivated", "deleted"])
async def test_row_54_no_authenticator_is_kept_on_evidence_that_stands_no_more(house: House, how: str) -> None:
    person, client, thief = await house.person(with_totp=False), await house.client(), house.browser()
    page = await thief.get(house.authorize(client))
    page = await thief.submit(page, "login-submit", username=person.username, password=person.password)
    secret = base64.b32decode(page.texts["enroll-secret"])
    await end_evidence(house, person, how)
    code = totp.code_at(secret, totp.step_at(house.clock.now_ms() / 1000))
    page = await thief.submit(page, "enroll-submit", enroll_code=code)
    assert (page.status, page.heading, page.path) == (200, "Sign in", f"{house.path}/login")
    kept = "SELECT count(*) FROM authz.totp_credential WHERE tenant = $1 AND user_id = $2"
    assert await house.owner.fetchval(kept, house.tenant, person.id) == 0
    assert await house.audit("totp.enroll") == []
    assert [row["reason"] for row in await house.audit("login")] == ["ended"]


@pytest.mark.parametrize("how", ["revoked", "tenant", "deactivated", "deleted"])
async def test_row_54_no_code_is_used_up_on_evidence_that_stands_no_more(house: House, how: str) -> None:
    person, client, thief = await house.person(), await house.client(), house.browser()
    page = await at_code(house, thief, person, client)
    await end_evidence(house, person, how)
    page = await thief.submit(page, "totp-submit", totp_code=house.code_of(person))
    assert (page.heading, page.path) == ("Sign in", f"{house.path}/login")
    used = "SELECT last_step FROM authz.totp_credential WHERE tenant = $1 AND user_id = $2"
    assert await house.owner.fetchval(used, house.tenant, person.id) == 0


async def end_evidence(house: House, person: Person, how: str) -> None:
    """As the directory does when a password is changed or a person is deactivated or deleted, or an operator."""
    here = "WHERE tenant = $1 AND id = $2"
    match how:
        case "revoked":
            await house.revoke("user", str(person.id))
        case "tenant":
            await house.revoke("tenant", "")
        case "deactivated":
            statement = f"UPDATE directory.user_resource SET active = false {here}"
            await house.owner.execute(statement, house.tenant, person.id)
        case _:
            await house.owner.execute(f"DELETE FROM directory.user_resource {here}", house.tenant, person.id)
