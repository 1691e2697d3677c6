"""`POST /admin/revocations`: everything of a person, a client, a session, a grant or the tenant."""

from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from identity_core.ids import uuid7
from identity_core.redis import command
from identity_core.secrets import pseudonym, tag_text
from identity_core.session_store import Dead, LedgerEntry
from sessions.ports import Act
from sessions.protocol.selectors import BySubject, RevocationRequest
from tests.sessions.desk import BASE, OTHER_TENANT, TAG_KEY, TENANT, Desk, Login

PATH = "/admin/revocations"


async def ledger(desk: Desk) -> list[tuple[str, str]]:
    rows = await desk.owner.fetch("SELECT kind, key FROM sessions.ledger ORDER BY kind, key")
    return [(row["kind"], row["key"]) for row in rows]


async def test_a_persons_sessions_are_dead_when_the_answer_is_there(desk: Desk) -> None:
    ann = uuid7()
    first, second, bystander = await desk.sign_in(ann), await desk.sign_in(ann), await desk.sign_in()
    response = await desk.call(
        "POST", PATH, json={"selector": {"subject": str(ann)}, "reason": "laptop stolen", "dry_run": False}
    )
    assert response.status_code == 201
    made = response.json()
    assert response.headers["location"] == f"{BASE}{PATH}/{made['id']}"
    assert made.pop("created_at") is not None
    epoch = made.pop("epoch")
    assert epoch == (await desk.stamps(TENANT, ann)).user
    assert made == {
        "id": made["id"],
        "selector": {"subject": str(ann)},
        "reason": "laptop stolen",
        "dry_run": False,
        "found": 2,
        "ended": 2,
        "status": "confirmed",
        "effects": {"sessions": 2},
    }
    assert await desk.verdict(first) == await desk.verdict(second) == Dead("user")
    assert await desk.verdict(bystander) is None


async def test_revoking_a_person_is_one_ledger_row_however_many_sessions_there_are(desk: Desk) -> None:
    ann = uuid7()
    for _ in range(7):
        await desk.sign_in(ann)
    assert (await desk.revoke({"subject": str(ann)}))["found"] == 7
    assert await ledger(desk) == [("user", str(ann))]
    assert await desk.events("session.ended.v1") == [], "the rows are closed by the sweeper"


async def test_whoever_signs_in_after_a_revocation_is_not_touched_by_it(desk: Desk) -> None:
    ann = uuid7()
    stale = await desk.sign_in(ann)
    await desk.revoke({"subject": str(ann)})
    fresh = await desk.sign_in(ann)
    assert await desk.verdict(stale) == Dead("user")
    assert await desk.verdict(fresh) is None
    assert (await desk.revoke({"subject": str(ann)}))["found"] == 1, "only the fresh one was live"


async def test_a_client_is_revoked_and_the_sessions_it_took_part_in_go_on(desk: Desk) -> None:
    web, mobile, neither = [await desk.sign_in(clients=clients) for clients in (["web"], ["other"], ["other"])]
    await desk.grant(mobile, "web")
    made = await desk.revoke({"client_id": "web"})
    assert (made["found"], made["ended"], made["effects"]) == (2, 2, {"sessions": 0, "client_sessions": 2})
    assert await ledger(desk) == [("client", "web")]
    for login in (web, mobile, neither):
        assert await desk.verdict(login, client_id="web") == Dead("client")
        assert await desk.verdict(login, client_id="other") is None


async def test_a_session_is_revoked_with_its_offline_grants(desk: Desk) -> None:
    login, bystander = await desk.sign_in(), await desk.sign_in()
    made = await desk.revoke({"session_id": str(login.session_id)})
    assert (made["found"], made["ended"], made["effects"]) == (1, 1, {"sessions": 1})
    assert await desk.verdict(login, grant_id=uuid7(), offline=True) == Dead("grant")
    assert await desk.verdict(bystander) is None
    assert await desk.ended(login) == ["revoked"]
    again = await desk.revoke({"session_id": str(login.session_id)})
    assert (again["found"], again["ended"]) == (0, 0)
    assert await desk.ended(login) == ["revoked"]


async def test_a_session_that_is_not_there_cannot_be_revoked(desk: Desk) -> None:
    foreign = await desk.sign_in(tenant=OTHER_TENANT)
    before = await desk.snapshot()
    for session_id in (foreign.session_id, uuid7()):
        for dry_run in (False, True):
            body = {"selector": {"session_id": str(session_id)}, "reason": "test", "dry_run": dry_run}
            assert (await desk.call("POST", PATH, json=body)).status_code == 404
    assert await desk.snapshot() == before
    assert await desk.verdict(foreign) is None


async def test_a_grant_is_revoked_and_its_neighbours_go_on(desk: Desk) -> None:
    login, grant, neighbour = await desk.sign_in(), uuid7(), uuid7()
    made = await desk.revoke({"grant_id": str(grant), "subject": str(login.user_id)})
    assert (made["found"], made["ended"], made["effects"]) == (0, 0, {"sessions": 0, "grants": 1})
    tag = tag_text(desk.store.tag(TENANT, login.user_id))
    assert await ledger(desk) == [("grant", f"{tag}:{grant}")]
    assert await desk.verdict(login, grant_id=grant, offline=True) == Dead("grant")
    assert await desk.verdict(login, grant_id=neighbour, offline=True) is None
    assert await desk.verdict(login) is None


async def test_a_tenant_is_revoked_and_the_other_tenants_go_on(desk: Desk) -> None:
    ours, theirs = [await desk.sign_in() for _ in range(3)], await desk.sign_in(tenant=OTHER_TENANT)
    token = desk.token()
    made = await desk.revoke({"tenant": True}, token=token)
    assert (made["found"], made["ended"], made["effects"]) == (3, 3, {"sessions": 3})
    assert [await desk.verdict(login) for login in ours] == [Dead("tenant")] * 3
    assert await desk.verdict(theirs) is None
    assert (await desk.call("GET", PATH, token=token)).status_code in (401, 405)
    assert (await desk.call("GET", "/admin/policy", token=token)).status_code == 401, "the caller's own token ended too"


@pytest.mark.parametrize(
    ("selector", "found", "effects"),
    [
        ("subject", 2, {"sessions": 2}),
        ("client_id", 3, {"sessions": 0, "client_sessions": 3}),
        ("session_id", 1, {"sessions": 1}),
        ("grant_id", 0, {"sessions": 0, "grants": 1}),
        ("tenant", 3, {"sessions": 3}),
    ],
)
async def test_a_dry_run_counts_and_writes_nothing(
    desk: Desk, selector: str, found: int, effects: dict[str, int]
) -> None:
    ann = uuid7()
    login, *others = [await desk.sign_in(ann), await desk.sign_in(ann), await desk.sign_in()]
    selectors: dict[str, dict[str, Any]] = {
        "subject": {"subject": str(ann)},
        "client_id": {"client_id": "web"},
        "session_id": {"session_id": str(login.session_id)},
        "grant_id": {"grant_id": str(uuid7()), "subject": str(ann)},
        "tenant": {"tenant": True},
    }
    chosen = selectors[selector]
    before = await desk.snapshot()
    response = await desk.call("POST", PATH, json={"selector": chosen, "reason": "what if", "dry_run": True})
    assert response.status_code == 200
    assert "location" not in response.headers
    assert response.json() == {
        "id": None,
        "selector": chosen,
        "reason": "what if",
        "dry_run": True,
        "epoch": None,
        "found": found,
        "ended": 0,
        "status": "dry_run",
        "effects": effects,
        "created_at": None,
    }
    assert await desk.snapshot() == before
    assert [await desk.verdict(each) for each in (login, *others)] == [None] * 3


async def test_a_revocation_can_be_read_again(desk: Desk) -> None:
    ann = await desk.sign_in()
    made = await desk.revoke({"subject": str(ann.user_id)})
    assert await desk.get(f"{PATH}/{made['id']}") == made
    assert (await desk.call("GET", f"{PATH}/{made['id']}", token=desk.token(tenant=OTHER_TENANT))).status_code == 404
    for tail in (uuid7(), "x"):
        assert (await desk.call("GET", f"{PATH}/{tail}")).status_code == 404


async def test_row_ledger_event_and_audit_of_a_revocation_agree(desk: Desk) -> None:
    ann = await desk.sign_in()
    made = await desk.revoke({"subject": str(ann.user_id)})
    row = await desk.owner.fetchrow("SELECT * FROM sessions.ledger")
    assert row is not None
    assert (row["cause_id"], row["epoch"], row["reason"]) == (UUID(made["id"]), made["epoch"], "test")
    assert row["actor"] == "client:admin-cli"
    (event,) = await desk.owner.fetch("SELECT *, xid::text AS x FROM sessions.event")
    assert (event["type"], event["aggregate"], event["aggregate_id"]) == (
        "sessions.revoked.v1",
        "user",
        str(ann.user_id),
    )
    assert orjson.loads(event["payload"]) == {
        "revocation_id": made["id"],
        "kind": "user",
        "selector": {"subject": str(ann.user_id)},
        "epoch": made["epoch"],
        "reason": "test",
    }
    (audit,) = await desk.owner.fetch("SELECT *, xid::text AS x FROM sessions.audit")
    assert (audit["action"], audit["target_kind"], audit["target"]) == ("sessions.revoked", "user", None)
    assert audit["subject_pseudonym"] == pseudonym(TAG_KEY, TENANT, str(ann.user_id))
    assert audit["x"] == event["x"], "all of it was one transaction"


async def test_what_fails_on_the_way_is_rolled_back_whole(desk: Desk) -> None:
    """The event is written after the ledger: when it cannot be, nothing was revoked."""
    login = await desk.sign_in()
    await desk.owner.execute(
        "ALTER TABLE sessions.event ADD CONSTRAINT broken CHECK (type <> 'sessions.revoked.v1') NOT VALID"
    )
    try:
        before = await desk.snapshot()
        asked = RevocationRequest(BySubject(login.user_id), "test")
        act = Act(TENANT, "client", "client:admin-cli", "admin-cli", None)
        with pytest.raises(asyncpg.CheckViolationError):
            await desk.resources.writes.revoke(act, asked, uuid7())
        assert await desk.snapshot() == before
        assert await desk.verdict(login) is None
    finally:
        await desk.owner.execute("ALTER TABLE sessions.event DROP CONSTRAINT broken")


async def test_a_revocation_whose_author_died_reads_confirmed_once_the_lease_has_passed(desk: Desk) -> None:
    made = await desk.revoke({"subject": str(uuid7())})
    await desk.owner.execute("UPDATE sessions.revocation SET status = 'committed'")
    assert (await desk.get(f"{PATH}/{made['id']}"))["status"] == "committed"
    await desk.owner.execute("UPDATE sessions.revocation SET created_at = created_at - interval '11 s'")
    assert (await desk.get(f"{PATH}/{made['id']}"))["status"] == "confirmed"


@pytest.mark.parametrize("count", [1, 9])
async def test_a_revocation_is_as_many_statements_for_one_session_as_for_nine(desk: Desk, count: int) -> None:
    ann = uuid7()
    for _ in range(count):
        await desk.sign_in(ann)
    await desk.revoke({"subject": str(uuid7())})
    await desk.fill_pool()
    with desk.counted() as statements:
        await desk.revoke({"subject": str(ann)})
    # Count, audit, revocation with ledger, event, ledger's image, COMMIT; then the status and its COMMIT.
    assert len(statements) == 8, statements
    assert [text for text in statements if text.startswith("COMMIT")] == ["COMMIT;"] * 2


async def test_the_grants_of_a_session_are_remembered_longer_than_tokens_live(desk: Desk) -> None:
    login = await desk.sign_in()
    await desk.revoke({"session_id": str(login.session_id)})
    await desk.revoke({"grant_id": str(uuid7()), "subject": str(login.user_id)})
    rows = await desk.owner.fetch(
        "SELECT until > now() + interval '399 days' AS long FROM sessions.ledger WHERE kind = 'grant'"
    )
    assert [row["long"] for row in rows] == [True, True]


async def test_the_image_in_redis_outlives_what_it_ends(desk: Desk) -> None:
    """The entry that is confirmed is the committed row, with its own end."""
    login = await desk.sign_in()
    await desk.call("DELETE", login.path)
    entries = await _entries(desk, login)
    redis = desk.resources.follower.redis
    keys = [key async for key in redis.scan_iter("*:x:*")]
    ends = sorted([await command(redis, "PEXPIRETIME", key) for key in keys])
    assert ends == sorted(entry.until_ms or 0 for entry in entries)


async def _entries(desk: Desk, login: Login) -> list[LedgerEntry]:
    rows = await desk.owner.fetch(
        "SELECT tenant, kind, key, epoch, (extract(epoch FROM until) * 1000)::bigint AS until_ms FROM sessions.ledger"
    )
    assert all(row["key"].endswith(str(login.session_id)) for row in rows)
    return [LedgerEntry(*row.values()) for row in rows]
