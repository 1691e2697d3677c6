"""`DELETE /admin/sessions/{session_id}`: an administrator's end of one session."""

import asyncio

from identity_core.ids import uuid7
from identity_core.secrets import pseudonym
from identity_core.session_store import Dead
from tests.sessions.desk import OTHER_TENANT, TAG_KEY, TENANT, Desk


async def test_an_ended_session_is_dead_when_the_answer_is_there(desk: Desk) -> None:
    login, bystander = await desk.sign_in(), await desk.sign_in()
    assert await desk.verdict(login) is None
    response = await desk.call("DELETE", login.path)
    assert (response.status_code, response.content) == (204, b"")
    assert await desk.verdict(login) == Dead("grant")
    assert await desk.verdict(bystander) is None
    assert (await desk.row(login))["end_reason"] == "revoked"


async def test_the_offline_grants_of_an_ended_session_are_dead_too(desk: Desk) -> None:
    login = await desk.sign_in()
    assert await desk.verdict(login, grant_id=uuid7(), offline=True) is None
    await desk.call("DELETE", login.path)
    assert await desk.verdict(login, grant_id=uuid7(), offline=True) == Dead("grant")


async def test_a_repeated_end_is_204_and_one_event(desk: Desk) -> None:
    login = await desk.sign_in()
    for _ in range(3):
        assert (await desk.call("DELETE", login.path)).status_code == 204
    assert await desk.ended(login) == ["revoked"]


async def test_ends_at_the_same_time_are_one_event(desk: Desk) -> None:
    login = await desk.sign_in()
    responses = await asyncio.gather(*(desk.call("DELETE", login.path) for _ in range(6)))
    assert {response.status_code for response in responses} == {204}
    assert await desk.ended(login) == ["revoked"]


async def test_another_tenants_session_is_unknown_and_goes_on(desk: Desk) -> None:
    login = await desk.sign_in(tenant=OTHER_TENANT)
    before = await desk.snapshot()
    assert (await desk.call("DELETE", login.path)).status_code == 404
    assert await desk.snapshot() == before
    assert await desk.verdict(login) is None


async def test_a_session_that_expired_by_itself_may_be_ended_for_its_grants(desk: Desk) -> None:
    login = await desk.sign_in()
    await desk.owner.execute("SELECT sessions.end_v1($1, $2, 'idle', 'test', $3)", TENANT, login.session_id, uuid7())
    assert (await desk.call("DELETE", login.path)).status_code == 204
    assert await desk.verdict(login, grant_id=uuid7(), offline=True) == Dead("grant")
    assert await desk.ended(login) == ["idle"]


async def test_the_audit_says_who_ended_whose_session(desk: Desk) -> None:
    login = await desk.sign_in()
    await desk.call("DELETE", login.path)
    (row,) = await desk.owner.fetch("SELECT * FROM sessions.audit")
    assert (row["tenant"], row["action"], row["outcome"]) == (TENANT, "session.ended", "success")
    assert (row["actor_kind"], row["actor"], row["client_id"]) == ("client", "client:admin-cli", "admin-cli")
    assert (row["target_kind"], row["target"]) == ("session", str(login.session_id))
    assert row["subject_pseudonym"] == pseudonym(TAG_KEY, TENANT, str(login.user_id))
    assert row["network"] == "127.0.0.1"


async def test_an_end_is_four_statements_and_its_commit(desk: Desk) -> None:
    logins = [await desk.sign_in() for _ in range(2)]
    await desk.call("DELETE", logins[0].path)
    await desk.fill_pool()
    with desk.counted() as statements:
        await desk.call("DELETE", logins[1].path)
    assert statements[-1].startswith("COMMIT")
    assert len(statements) == 5, statements


async def test_an_end_takes_no_query(desk: Desk) -> None:
    login = await desk.sign_in()
    assert (await desk.call("DELETE", f"{login.path}?dry_run=true")).status_code == 400
    assert await desk.verdict(login) is None
