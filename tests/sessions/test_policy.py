"""`/admin/policy`: read, replaced as a whole, and kept apart by tenant."""

import orjson

from tests.sessions.desk import OTHER_TENANT, TENANT, Desk

PATH = "/admin/policy"
STRICT = {"max_sessions_per_user": 3, "on_limit": "refuse", "idle_seconds": 900, "absolute_seconds": 3600}
DEFAULT = {
    "max_sessions_per_user": None,
    "on_limit": "end_oldest",
    "idle_seconds": 43_200,
    "absolute_seconds": 604_800,
}


async def test_a_tenant_without_a_policy_has_the_defaults(desk: Desk) -> None:
    assert await desk.get(PATH) == DEFAULT


async def test_the_defaults_are_those_of_the_table(desk: Desk) -> None:
    await desk.owner.execute("INSERT INTO sessions.policy (tenant) VALUES ($1)", TENANT)
    assert await desk.get(PATH) == DEFAULT


async def test_a_policy_is_replaced_for_its_tenant_alone(desk: Desk) -> None:
    for policy in (STRICT, DEFAULT, STRICT):
        response = await desk.call("PUT", PATH, json=policy)
        assert (response.status_code, response.json()) == (200, policy)
        assert await desk.get(PATH) == policy
    assert await desk.get(PATH, token=desk.token(tenant=OTHER_TENANT)) == DEFAULT
    row = await desk.owner.fetchrow("SELECT * FROM sessions.policy_v1")
    assert row is not None
    assert dict(row) == {"tenant": TENANT, **STRICT}, "what the login reads"


async def test_a_changed_policy_is_audited_with_its_values(desk: Desk) -> None:
    await desk.call("PUT", PATH, json=STRICT)
    (row,) = await desk.owner.fetch("SELECT * FROM sessions.audit")
    assert (row["action"], row["target_kind"], row["actor"]) == ("policy.changed", "policy", "client:admin-cli")
    assert orjson.loads(row["detail"]) == STRICT


async def test_a_wrong_policy_changes_nothing_and_names_the_field(desk: Desk) -> None:
    before = await desk.snapshot()
    response = await desk.call("PUT", PATH, json=STRICT | {"idle_seconds": True})
    assert response.status_code == 400
    assert response.json()["field"] == "idle_seconds"
    assert await desk.snapshot() == before


async def test_a_policy_is_two_statements_and_its_commit(desk: Desk) -> None:
    await desk.call("PUT", PATH, json=STRICT)
    await desk.fill_pool()
    with desk.counted() as statements:
        await desk.call("PUT", PATH, json=DEFAULT)
    assert len(statements) == 3, statements
