"""`GET /admin/sessions`: who is signed in, page by page."""

from datetime import datetime, timedelta

import pytest

from identity_core.ids import uuid7
from tests.sessions.desk import OTHER_TENANT, TENANT, Desk

PATH = "/admin/sessions"


async def ids(desk: Desk, query: str = "") -> list[str]:
    return [session["session_id"] for session in (await desk.get(f"{PATH}{query}"))["sessions"]]


async def test_a_live_session_is_shown_with_what_is_known_of_it(desk: Desk) -> None:
    login = await desk.sign_in(clients=("web",))
    await desk.grant(login, "mobile")
    await desk.grant(login, "web")
    page = await desk.get(PATH)
    assert page["next_cursor"] is None
    (session,) = page["sessions"]
    seen = datetime.fromisoformat(session.pop("last_seen"))
    created, auth_time = (datetime.fromisoformat(session.pop(name)) for name in ("created_at", "auth_time"))
    absolute_end = datetime.fromisoformat(session.pop("absolute_end"))
    assert created == auth_time
    assert abs(seen - created) < timedelta(minutes=1)
    assert timedelta(days=6) < absolute_end - created < timedelta(days=8)
    assert session == {
        "session_id": str(login.session_id),
        "subject": str(login.user_id),
        "state": "live",
        "acr": "pwd",
        "amr": ["pwd"],
        "device": "Firefox",
        "network": "192.0.2.0/24",
        "client_ids": ["mobile", "web"],
        "ended_at": None,
        "end_reason": None,
    }
    assert (await desk.get(login.path))["client_ids"] == ["mobile", "web"]


async def test_sessions_are_listed_by_subject_and_state_newest_first(desk: Desk) -> None:
    ann, ben = uuid7(), uuid7()
    first, second, third = await desk.sign_in(ann), await desk.sign_in(ben), await desk.sign_in(ann)
    assert (await desk.call("DELETE", first.path)).status_code == 204
    of = {name: str(login.session_id) for name, login in (("first", first), ("second", second), ("third", third))}
    assert await ids(desk) == [of["third"], of["second"]]
    assert await ids(desk, "?state=live") == [of["third"], of["second"]]
    assert await ids(desk, "?state=ended") == [of["first"]]
    assert await ids(desk, "?state=all") == [of["third"], of["second"], of["first"]]
    assert await ids(desk, f"?subject={ann}") == [of["third"]]
    assert await ids(desk, f"?subject={str(ann).upper()}&state=all") == [of["third"], of["first"]]
    assert await ids(desk, f"?subject={uuid7()}&state=all") == []


async def test_what_a_raised_epoch_ended_is_not_listed_as_live_before_its_row_is_closed(desk: Desk) -> None:
    ann, ben = await desk.sign_in(), await desk.sign_in()
    await desk.revoke({"subject": str(ann.user_id)})
    assert (await desk.row(ann))["ended_at"] is None
    assert await ids(desk) == [str(ben.session_id)]
    assert await ids(desk, "?state=ended") == [str(ann.session_id)]
    shown = await desk.get(ann.path)
    assert (shown["state"], shown["end_reason"], shown["last_seen"]) == ("ended", "revoked", None)
    assert shown["ended_at"] is not None


async def test_what_is_past_its_absolute_end_is_not_listed_as_live(desk: Desk) -> None:
    login = await desk.sign_in(lasts=timedelta(seconds=-1), record=False)
    assert await ids(desk) == []
    shown = await desk.get(login.path)
    assert (shown["state"], shown["end_reason"]) == ("ended", "expired")
    assert shown["ended_at"] == shown["absolute_end"]


async def test_what_redis_no_longer_holds_is_not_listed_as_live(desk: Desk) -> None:
    login = await desk.sign_in()
    await desk.lose_record(login)
    assert await ids(desk) == [str(login.session_id)], "its record may be about to be written"
    await desk.age(login)
    assert await ids(desk) == []
    assert (await desk.get(login.path))["end_reason"] == "idle"


async def test_another_tenants_sessions_are_not_listed(desk: Desk) -> None:
    login = await desk.sign_in(tenant=OTHER_TENANT)
    assert await ids(desk, "?state=all") == []
    assert await ids(desk, f"?subject={login.user_id}&state=all") == []
    token = desk.token(tenant=OTHER_TENANT)
    assert len((await desk.get(PATH, token=token))["sessions"]) == 1


async def test_pages_hold_every_session_once_while_others_sign_in_and_out(desk: Desk) -> None:
    logins = [await desk.sign_in() for _ in range(11)]
    met: list[str] = []
    sizes = []
    async for page in desk.pages("state=all&limit=4"):
        met += page
        sizes.append(len(page))
        await desk.sign_in()
        if len(sizes) == 1:
            await desk.call("DELETE", logins[0].path)
    assert met == [str(login.session_id) for login in reversed(logins)]
    assert sizes == [4, 4, 3]


async def test_a_page_of_live_sessions_may_be_short_without_being_the_last(desk: Desk) -> None:
    logins = [await desk.sign_in() for _ in range(5)]
    for login in logins[2:]:
        await desk.lose_record(login)
        await desk.age(login)
    pages = [page async for page in desk.pages("limit=3")]
    assert pages == [[], [str(logins[1].session_id), str(logins[0].session_id)]]


async def test_a_page_has_at_most_two_hundred_sessions(desk: Desk) -> None:
    assert (await desk.call("GET", f"{PATH}?limit=200")).status_code == 200
    assert (await desk.call("GET", f"{PATH}?limit=201")).status_code == 400


async def test_a_cursor_serves_one_tenant_and_one_filter(desk: Desk) -> None:
    ann = uuid7()
    for tenant in (TENANT, OTHER_TENANT):
        for _ in range(2):
            await desk.sign_in(ann, tenant=tenant)
    cursor = (await desk.get(f"{PATH}?limit=1"))["next_cursor"]
    assert len(await ids(desk, f"?limit=1&cursor={cursor}")) == 1
    assert len(await ids(desk, f"?limit=200&cursor={cursor}")) == 1, "the page's size may change on the way"
    for query in (f"state=all&cursor={cursor}", f"subject={ann}&cursor={cursor}"):
        assert (await desk.call("GET", f"{PATH}?{query}")).status_code == 400
    foreign = await desk.call("GET", f"{PATH}?cursor={cursor}", token=desk.token(tenant=OTHER_TENANT))
    assert foreign.status_code == 400


async def test_a_cursor_changed_in_any_character_is_refused(desk: Desk) -> None:
    for _ in range(2):
        await desk.sign_in()
    cursor = (await desk.get(f"{PATH}?limit=1"))["next_cursor"]
    for place, letter in enumerate(cursor):
        changed = cursor[:place] + ("A" if letter != "A" else "B") + cursor[place + 1 :]
        response = await desk.call("GET", f"{PATH}?cursor={changed}")
        assert response.status_code == 400, place
        assert response.json()["field"] == "cursor"
    for changed in (cursor[:-1], cursor + "A", cursor + "=", "x", "-" * 5000):
        assert (await desk.call("GET", f"{PATH}?cursor={changed}")).status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "subject=ann",
        "subject=",
        "subject={00000000-0000-7000-8000-000000000001}",
        "subject=00000000-0000-7000-8000-000000000001&subject=00000000-0000-7000-8000-000000000002",
        "state=dead",
        "state=live&state=live",
        "limit=0",
        "limit=-1",
        "limit=1.0",
        "limit=%D9%A1",
        "limit=099",
        "user=1",
        "cursor",
        "%00=1",
        "subject=%00",
        "subject=%ff",
        "subject=%zz",
        "=1",
    ],
)
async def test_a_query_with_a_wrong_in_it_is_a_problem(desk: Desk, query: str) -> None:
    response = await desk.call("GET", f"{PATH}?{query}")
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_list_is_one_statement_however_long(desk: Desk) -> None:
    for _ in range(6):
        await desk.sign_in()
    await desk.get(PATH)
    await desk.fill_pool()
    with desk.counted() as statements:
        assert len(await ids(desk)) == 6
    assert len(statements) == 1, statements


@pytest.mark.parametrize("tail", ["00000000-0000-7000-8000-0000000000ff", "x", "%00", "%ff", "1", "{}"])
async def test_a_session_that_is_not_there_is_404(desk: Desk, tail: str) -> None:
    for method in ("GET", "DELETE"):
        response = await desk.call(method, f"{PATH}/{tail}")
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
