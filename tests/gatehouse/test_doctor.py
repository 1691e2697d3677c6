"""What the doctor finds, by rule and on real stores."""

import dataclasses
from typing import Any

import asyncpg
import pytest
import redis as redis_client

from gatehouse.doctor import (
    Finding,
    Status,
    judge_connections,
    judge_ledger,
    judge_postgres,
    judge_readiness,
    judge_redis,
)
from gatehouse.doctor_facts import KeyFact, Moment, PostgresFacts, RedisFacts, Transaction, read_postgres, read_redis
from gatehouse.faults import ExitCode
from gatehouse.migrate import heads
from gatehouse.revisions import Standing
from identity_core.session_store import keys
from identity_core.settings import ServiceSettings
from identity_core.testing.stores import Postgres
from tests.gatehouse.cli_driver import Gatehouse

ROLES = frozenset({"gatehouse_authz", "gatehouse_scim", "gatehouse_sessions"})
NOW = Moment(100.0, 100.0, 100.0)
SOUND = PostgresFacts(
    version=18,
    max_connections=100,
    reserved=3,
    moment=NOW,
    longest=None,
    standing=Standing(frozenset({"a"}), frozenset({"a"})),
    roles=ROLES,
    powerful=frozenset(),
    breaches=(),
    ledger_id="l1",
    at_home=True,
    horizon=50,
    keys=(KeyFact("default", "k1", "ES256", None, False),),
)
MARK = {"node": "r1", "ledger": "l1", "xid": "48"}
FOLLOWING = RedisFacts("valkey", "9.1.2", "noeviction", True, NOW, "r1", MARK)


def finding(facts: PostgresFacts | RedisFacts, check: str) -> Finding:
    judged = judge_postgres(facts) if isinstance(facts, PostgresFacts) else judge_redis(facts)
    return next(one for one in judged if one.check == check)


def test_a_sound_house_has_nothing_to_mend() -> None:
    judged = [*judge_postgres(SOUND), *judge_redis(FOLLOWING), judge_ledger(SOUND, FOLLOWING)]
    assert {one.status for one in judged} == {Status.OK}
    assert not any(one.mend for one in judged)


@pytest.mark.parametrize(
    ("change", "check", "status"),
    [
        ({"version": 14}, "postgresql", Status.FAILURE),
        ({"standing": Standing(frozenset(), frozenset({"a"}))}, "migrations", Status.FAILURE),
        ({"standing": Standing(frozenset({"a", "b"}), frozenset({"a"}))}, "migrations", Status.WARNING),
        ({"roles": ROLES - {"gatehouse_scim"}}, "roles", Status.FAILURE),
        ({"powerful": frozenset({"gatehouse_scim"})}, "roles", Status.FAILURE),
        ({"breaches": ("PUBLIC may SELECT authz.client",)}, "roles", Status.FAILURE),
        ({"longest": Transaction(7, "bob", "psql", 4.9)}, "longest transaction", Status.OK),
        ({"longest": Transaction(7, "bob", "psql", 5.1)}, "longest transaction", Status.FAILURE),
        ({"moment": Moment(100.4, 100.0, 100.0)}, "clock of postgresql", Status.OK),
        ({"moment": Moment(101.0, 100.0, 100.0)}, "clock of postgresql", Status.WARNING),
        ({"moment": Moment(97.0, 100.0, 100.0)}, "clock of postgresql", Status.FAILURE),
        ({"keys": ()}, "signing keys", Status.WARNING),
        ({"keys": (KeyFact("t", "k", "RS256", 3.0, True),)}, "signing keys", Status.OK),
        ({"keys": (KeyFact("t", "k", "RS256", 3.0, False),)}, "signing keys", Status.WARNING),
        ({"keys": (KeyFact("t", "k", "RS256", 15.0, False),)}, "signing keys", Status.OK),
    ],
)
def test_what_is_wrong_with_postgresql_is_found(change: dict[str, Any], check: str, status: Status) -> None:
    found = finding(dataclasses.replace(SOUND, **change), check)
    assert found.status is status
    assert bool(found.mend) == (status is not Status.OK)


def test_the_holder_of_the_horizon_is_named() -> None:
    found = finding(dataclasses.replace(SOUND, longest=Transaction(7, "bob", "psql", 60.0)), "longest transaction")
    assert "pid 7 (bob, psql)" in found.detail


@pytest.mark.parametrize(
    ("change", "check", "status"),
    [
        ({"version": "7.1"}, "redis", Status.FAILURE),
        ({"product": "redis", "version": "6.2.1"}, "redis", Status.FAILURE),
        ({"product": "redis", "version": "7.0.15"}, "redis", Status.OK),
        ({"policy": "allkeys-lru"}, "redis eviction", Status.FAILURE),
        ({"append_only": False}, "redis persistence", Status.WARNING),
        ({"moment": Moment(103.0, 100.0, 100.0)}, "clock of redis", Status.FAILURE),
    ],
)
def test_what_is_wrong_with_redis_is_found(change: dict[str, Any], check: str, status: Status) -> None:
    assert finding(dataclasses.replace(FOLLOWING, **change), check).status is status


@pytest.mark.parametrize(
    ("postgres", "mark", "status"),
    [
        ({}, MARK, Status.OK),
        ({}, {}, Status.WARNING),
        ({}, MARK | {"node": "another"}, Status.WARNING),
        ({}, MARK | {"ledger": "another"}, Status.WARNING),
        ({}, MARK | {"xid": "51"}, Status.WARNING),
        ({"at_home": False}, MARK, Status.WARNING),
        ({"ledger_id": None}, MARK, Status.FAILURE),
    ],
)
def test_a_redis_that_does_not_follow_the_ledger_is_found(
    postgres: dict[str, Any], mark: dict[str, str], status: Status
) -> None:
    facts = dataclasses.replace(SOUND, **postgres)
    assert judge_ledger(facts, dataclasses.replace(FOLLOWING, mark=mark)).status is status


class _Sized:
    def __init__(self, size: int) -> None:
        self.db_pool_size = size


@pytest.mark.parametrize(("workers", "status"), [(1, Status.OK), (2, Status.OK), (3, Status.FAILURE)])
def test_the_pools_of_all_processes_are_added_up(workers: int, status: Status) -> None:
    settings: dict[str, Any] = {name: _Sized(10) for name in ("authz", "scim", "sessions")}
    typed: dict[str, ServiceSettings] = settings
    assert judge_connections(typed, workers, SOUND).status is status


@pytest.mark.parametrize(
    ("answer", "status"), [(None, Status.WARNING), (200, Status.OK), (503, Status.FAILURE), (404, Status.FAILURE)]
)
def test_a_service_that_is_not_ready_is_found(answer: int | None, status: Status) -> None:
    assert judge_readiness("authz", answer).status is status


async def test_a_migrated_database_keeps_the_wall(postgres: Postgres) -> None:
    facts = await read_postgres(postgres.owner_url)
    assert facts.breaches == ()
    assert facts.roles == ROLES
    assert facts.powerful == frozenset()
    assert facts.standing.missing == frozenset()
    assert facts.at_home
    assert abs(facts.moment.offset) < 1


@pytest.mark.parametrize(
    ("grant", "breach"),
    [
        ("SELECT ON authz.client TO gatehouse_scim", "gatehouse_scim may SELECT authz.client"),
        (
            "UPDATE ON directory.user_resource TO gatehouse_authz",
            "gatehouse_authz may UPDATE directory.user_resource",
        ),
        ("SELECT ON directory.subject_v1 TO PUBLIC", "PUBLIC may SELECT directory.subject_v1"),
        ("INSERT ON authz.tenant_v1 TO gatehouse_sessions", "gatehouse_sessions may INSERT authz.tenant_v1"),
    ],
)
async def test_a_hole_in_the_wall_is_found(postgres: Postgres, grant: str, breach: str) -> None:
    owner = await asyncpg.connect(postgres.owner_url)
    try:
        await owner.execute(f"GRANT {grant}")
        facts = await read_postgres(postgres.owner_url)
    finally:
        await owner.execute(f"REVOKE {grant.replace(' TO ', ' FROM ')}")
        await owner.close()
    assert facts.breaches == (breach,)


async def test_an_open_transaction_is_seen(postgres: Postgres) -> None:
    other = await asyncpg.connect(postgres.authz_url, server_settings={"application_name": "sleeper"})
    try:
        async with other.transaction():
            await other.execute("UPDATE authz.tenant SET name = name")
            facts = await read_postgres(postgres.owner_url)
    finally:
        await other.close()
    assert facts.longest is not None
    assert facts.longest.seconds >= 0


async def test_the_mark_of_the_services_is_read(redis_url: str, clean_stores: None) -> None:
    assert (await read_redis(redis_url)).mark == {}
    with redis_client.Redis.from_url(redis_url) as client:
        client.hset(keys.MARK, mapping=MARK)
    facts = await read_redis(redis_url)
    assert facts.mark == MARK
    assert facts.policy == "noeviction"
    assert len(facts.run_id) == 40


def test_the_command_is_11_on_a_failure_and_0_without(
    gatehouse: Gatehouse, postgres: Postgres, redis_url: str, clean_stores: None
) -> None:
    gatehouse.use(postgres, redis_url)
    for service in ("AUTHZ", "SCIM", "SESSIONS"):
        gatehouse.set(**{f"GATEHOUSE_{service}_MANAGEMENT_PORT": "1"})
    well = gatehouse("doctor", "--json")
    assert well.code == ExitCode.OK, well.out
    assert well.json()["healthy"] is True
    checks = {one["check"]: one for one in well.json()["findings"]}
    assert checks["migrations"]["detail"] == ", ".join(sorted(heads()))
    assert checks["authz ready"]["status"] == "warning"
    assert gatehouse("doctor").code == ExitCode.OK
    ill = gatehouse("doctor", "--workers", "100", "--json")
    assert ill.code == ExitCode.UNHEALTHY
    assert ill.json()["healthy"] is False


def test_what_cannot_be_looked_at_is_a_failure(gatehouse: Gatehouse) -> None:
    ended = gatehouse("doctor", "--json")
    assert ended.code == ExitCode.UNHEALTHY
    checks = {one["check"]: one for one in ended.json()["findings"]}
    assert checks["settings of authz"]["status"] == "failure"
    assert checks["postgresql"]["status"] == "failure"


def test_no_finding_shows_a_password(gatehouse: Gatehouse, postgres: Postgres, redis_url: str) -> None:
    gatehouse.use(postgres, redis_url)
    gatehouse.set(
        GATEHOUSE_DATABASE_URL="postgresql://owner:hunter2@127.0.0.1:1/gh",
        GATEHOUSE_REDIS_URL="redis://:hunter2@127.0.0.1:1/0",
    )
    assert "hunter2" not in gatehouse("doctor").out
