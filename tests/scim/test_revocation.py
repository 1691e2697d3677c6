"""Who is deactivated or deleted is out everywhere before the reply, whatever the shape of the request."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from identity_core.contracts.stamps import Binding, Stamps
from identity_core.faults import StoreFault
from identity_core.ids import uuid7
from identity_core.session_store import Created, Follower, NewSession, Revoker, SessionStore, StandingQuery, judge
from tests.scim.directory import PASSWORD, Directory, is_error


class Session:
    """A live session of a user, opened now with the stamps of now, and what hangs on it."""

    def __init__(self, directory: Directory, user_id: str) -> None:
        self.store: SessionStore = directory.app.state.resources.sessions
        self.tenant, self.user_id, self.id, self.grant = directory.tenant, UUID(user_id), uuid7(), uuid7()
        self.tag = self.store.tag(self.tenant, self.user_id)
        self.stamps = Stamps()

    async def open(self) -> "Session":
        self.stamps = (await self.store.read(StandingQuery(self.tenant, self.tag, self.user_id))).epochs
        now_ms = time.time_ns() // 1_000_000
        made = await self.store.create(
            NewSession(
                tenant=self.tenant,
                session_id=self.id,
                user_id=self.user_id,
                tag=self.tag,
                secret_hash=bytes(32),
                user_epoch=self.stamps.user,
                tenant_epoch=self.stamps.tenant,
                auth_time_ms=now_ms,
                acr="1",
                amr=("pwd",),
                idle_ms=600_000,
                absolute_end_ms=now_ms + 3_600_000,
            )
        )
        assert isinstance(made, Created)
        return self

    async def alive(self) -> set[str]:
        """Which of these are accepted now: the session, an online token, an offline (refresh) token."""
        query = StandingQuery(self.tenant, self.tag, self.user_id, "app", self.id, self.grant)
        facts = await self.store.read(query)
        bindings = {
            "session": (Binding(self.tag, self.stamps, self.id), True),
            "online": (Binding(self.tag, self.stamps, self.id, self.grant), None),
            "offline": (Binding(self.tag, self.stamps, self.id, self.grant, offline=True), None),
        }
        return {
            name for name, (binding, needs) in bindings.items() if judge(facts, binding, needs_session=needs) is None
        }


ALL = {"session", "online", "offline"}


@pytest.fixture
async def unfollowed(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Follower]:
    """The one-second check stands still (its lease goes on): what is dead now, the request itself has ended."""
    follower: Follower = directory.app.state.resources.follower
    await follower.wait_fresh(5)

    async def nothing() -> bool:
        return False

    monkeypatch.setattr(follower, "check", nothing)
    # A check under way is waited for: two turns of its loop.
    await asyncio.sleep(0.3)
    yield follower
    monkeypatch.undo()
    await follower.wait_fresh(10)


async def _ledger(directory: Directory, user_id: str) -> list[tuple[str, str]]:
    rows = await directory.db.fetch(
        "SELECT reason, actor FROM sessions.ledger_history "
        "WHERE tenant = $1 AND kind = 'user' AND key = $2 ORDER BY at",
        directory.tenant,
        user_id,
    )
    return [(row["reason"], row["actor"]) for row in rows]


async def _put(directory: Directory, user_id: str, **changes: Any) -> int:
    body = (await directory.http.get(f"/Users/{user_id}")).json() | changes
    return (await directory.http.put(f"/Users/{user_id}", json=body)).status_code


async def _patch(directory: Directory, user_id: str, operation: dict) -> int:
    return (await directory.patch(user_id, operation)).status_code


ENDS = {
    "a boolean": lambda d, u: _patch(d, u, {"op": "replace", "path": "active", "value": False}),
    "Entra's string": lambda d, u: _patch(d, u, {"op": "Replace", "path": "active", "value": "False"}),
    "no path": lambda d, u: _patch(d, u, {"op": "replace", "value": {"active": False}}),
    "removed": lambda d, u: _patch(d, u, {"op": "remove", "path": "active"}),
    "null": lambda d, u: _patch(d, u, {"op": "replace", "path": "active", "value": None}),
    "Okta's PUT": lambda d, u: _put(d, u, active=False),
    "an admin's new password": lambda d, u: _patch(
        d, u, {"op": "replace", "path": "password", "value": "another long pass phrase"}
    ),
}


@pytest.mark.usefixtures("unfollowed")
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
async def test_everything_of_the_user_is_dead_when_the_reply_is_there(directory: Directory, end: Any) -> None:
    user, other = await directory.create("ada", password=PASSWORD), await directory.create("bob")
    session = await Session(directory, user["id"]).open()
    bystander = await Session(directory, other["id"]).open()
    assert await session.alive() == ALL

    assert await end(directory, user["id"]) == 200

    assert await session.alive() == set()
    assert await bystander.alive() == ALL
    reason, actor = (await _ledger(directory, user["id"]))[0]
    assert reason in {"user deactivated", "password changed"}
    assert actor == f"source:{directory.source_id}"


@pytest.mark.usefixtures("unfollowed")
async def test_everything_of_a_deleted_user_is_dead_when_the_reply_is_there(directory: Directory) -> None:
    user = await directory.create("ada")
    session = await Session(directory, user["id"]).open()

    assert (await directory.http.delete(f"/Users/{user['id']}")).status_code == 204

    assert await session.alive() == set()
    assert [reason for reason, _ in await _ledger(directory, user["id"])] == ["user deleted"]


async def test_reactivation_revives_nothing(directory: Directory) -> None:
    user = await directory.create("ada")
    session = await Session(directory, user["id"]).open()
    await _patch(directory, user["id"], {"op": "replace", "path": "active", "value": False})

    assert await _patch(directory, user["id"], {"op": "replace", "path": "active", "value": True}) == 200

    assert await session.alive() == set()
    assert await (await Session(directory, user["id"]).open()).alive() == ALL, "a new sign-in works"


async def test_other_changes_end_nothing(directory: Directory) -> None:
    user = await directory.create("ada")
    session = await Session(directory, user["id"]).open()

    await _patch(directory, user["id"], {"op": "replace", "path": "userName", "value": "ada2"})
    await _put(directory, user["id"], title="Countess", active=True)

    assert await session.alive() == ALL
    assert await _ledger(directory, user["id"]) == []


async def test_a_refused_request_ends_nothing(directory: Directory) -> None:
    user = await directory.create("ada")
    session = await Session(directory, user["id"]).open()

    reply = await directory.patch(
        user["id"],
        {"op": "replace", "path": "active", "value": False},
        {"op": "remove", "path": "userName"},
    )
    is_error(reply, 400, "mutability")
    stale = await directory.http.delete(f"/Users/{user['id']}", headers={"If-Match": 'W/"9"'})
    is_error(stale, 412)

    assert await session.alive() == ALL
    assert await _ledger(directory, user["id"]) == []


async def test_a_deactivated_user_is_ended_once_however_often_it_is_said(directory: Directory) -> None:
    user = await directory.create("ada")
    for _ in range(3):
        assert await _patch(directory, user["id"], {"op": "replace", "path": "active", "value": False}) == 200

    assert len(await _ledger(directory, user["id"])) == 1


OFF = {"op": "replace", "path": "active", "value": False}


@pytest.mark.usefixtures("unfollowed")
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_the_retry_of_a_request_that_died_after_its_commit_is_true_everywhere(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    user = await directory.create("ada")
    session = await Session(directory, user["id"]).open()

    async def dies(self: Revoker, entries: object) -> None:
        raise StoreFault("the process ends here")

    async def ask() -> int:
        body = {"Operations": [OFF]}
        return (await directory.http.request(method, f"/Users/{user['id']}", json=body)).status_code

    with monkeypatch.context() as patched:
        patched.setattr(Revoker, "confirm", dies)
        assert await ask() == 503
    assert len(await _ledger(directory, user["id"])) == 1, "the ledger row was in the transaction"
    assert await session.alive() == ALL, "only because the check stands still in this test"

    assert await ask() == {"PATCH": 200, "DELETE": 404}[method]
    assert await session.alive() == set()


async def test_the_next_check_ends_what_a_dead_process_could_not_confirm(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await directory.create("ada")
    session = await Session(directory, user["id"]).open()

    async def dies(self: Revoker, entries: object) -> None:
        raise StoreFault("the process ends here")

    with monkeypatch.context() as patched:
        patched.setattr(Revoker, "confirm", dies)
        reply = await directory.patch(user["id"], OFF)
    is_error(reply, 503)
    assert int(reply.headers["retry-after"]) >= 1

    follower = directory.app.state.resources.follower
    seen = follower.checks
    while follower.checks < seen + 2:  # noqa: ASYNC110 - a counter, moved by the follower's own task
        await asyncio.sleep(0.05)
    assert await session.alive() == set()
