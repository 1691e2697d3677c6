"""Stores that restart, freeze, lie or die: nothing revoked is accepted after the answer, and it heals by itself."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest

from gatehouse.dev.devservers import PostgresServer, ValkeyServer
from identity_core.faults import LeaseLost, StartFault
from identity_core.redis import command, create_redis
from identity_core.session_store import Dead, Follower
from identity_core.testing.sessions import TENANT, Login, Rig, open_rig
from identity_core.testing.spec import spec
from identity_core.testing.stores import Postgres
from identity_core.web.unavailable import STORE_FAULTS

LEASE_S = 2.0

pytestmark = pytest.mark.stores


@pytest.fixture
def valkey(private_valkey: Callable[..., ValkeyServer]) -> ValkeyServer:
    return private_valkey()


@pytest.fixture
async def rig(postgres: Postgres, valkey: ValkeyServer, clean_stores: None) -> AsyncIterator[Rig]:
    async with open_rig(postgres.authz_url, valkey.url, lease_seconds=LEASE_S) as made:
        await made.wait_fresh()
        yield made


async def accepted(rig: Rig, login: Login) -> bool:
    """Whether an endpoint would have accepted it; a store fault is a 503, which accepts nothing."""
    try:
        return await rig.verdict(login) is None
    except STORE_FAULTS:
        return False


async def never_accepted(rig: Rig, login: Login, *, until: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while True:
            assert not await accepted(rig, login)
            if until():
                return
            await asyncio.sleep(0.01)


@spec("revocation rule 4")
async def test_redis_restarted_empty_accepts_nothing_revoked_and_new_logins_work(
    rig: Rig, valkey: ValkeyServer
) -> None:
    revoked, kept = await rig.sign_in(uuid4()), await rig.sign_in(uuid4())
    stale = await rig.evidence(revoked.user_id)
    await rig.revoke_user(revoked.user_id)
    await asyncio.to_thread(valkey.restart, empty=True)
    checks = rig.follower.checks
    await never_accepted(rig, revoked, until=lambda: rig.follower.checks > checks)
    assert not isinstance(await rig.open(revoked.user_id, stale), Login)
    # An unrevoked session is gone with the memory that held it: a new sign-in, and nothing worse.
    assert await rig.verdict(kept) == Dead("session")
    assert await rig.verdict(await rig.sign_in(kept.user_id)) is None


@spec("revocation rule 4")
async def test_redis_restarted_with_the_state_of_a_minute_ago_revives_nothing(rig: Rig, valkey: ValkeyServer) -> None:
    logins = [await rig.sign_in(uuid4()) for _ in range(4)]
    await asyncio.to_thread(valkey.save_snapshot)
    await rig.revoke_user(logins[0].user_id)
    await rig.end(logins[1].session_id, reason="logout")
    evicting = await rig.sign_in(logins[2].user_id, limit=1)
    await asyncio.to_thread(valkey.restore_snapshot)
    checks = rig.follower.checks
    for login in logins[:3]:
        await never_accepted(rig, login, until=lambda: rig.follower.checks > checks)
    assert await rig.verdict(logins[3]) is None
    assert await rig.verdict(evicting) == Dead("session")


@spec("revocation rule 5")
async def test_a_revocation_while_redis_is_frozen_holds_once_it_has_answered(rig: Rig, valkey: ValkeyServer) -> None:
    login = await rig.sign_in(uuid4())
    valkey.freeze()
    try:
        await rig.revoke_user(login.user_id)
        assert not await accepted(rig, login)
        with pytest.raises(LeaseLost):
            rig.follower.require()
    finally:
        valkey.thaw()
    checks = rig.follower.checks
    await never_accepted(rig, login, until=lambda: rig.follower.checks > checks)
    assert await rig.verdict(login) == Dead("user")


@spec("revocation rule 5")
async def test_redis_away_is_a_store_fault_and_it_comes_back_without_a_restart_of_ours(
    rig: Rig, valkey: ValkeyServer
) -> None:
    login = await rig.sign_in(uuid4())
    await asyncio.to_thread(valkey.kill)
    with pytest.raises(STORE_FAULTS):
        await rig.verdict(login)
    await rig.revoke_user(login.user_id)
    await asyncio.to_thread(valkey.restart)
    await rig.wait_checks(1)
    assert isinstance(await rig.verdict(login), Dead)


@spec("revocation rule 5")
async def test_postgresql_away_ends_the_lease_and_postgresql_back_renews_it(
    private_database: Callable[[], tuple[PostgresServer, Postgres]], valkey: ValkeyServer
) -> None:
    server, urls = await asyncio.to_thread(private_database)
    async with open_rig(urls.authz_url, valkey.url, lease_seconds=LEASE_S) as rig:
        await rig.wait_fresh()
        login = await rig.sign_in(uuid4())
        await asyncio.to_thread(server.kill)
        async with asyncio.timeout(30):
            while rig.follower.age_limit > 0:  # noqa: ASYNC110 - a lease ends by time alone
                await asyncio.sleep(0.02)
        with pytest.raises(LeaseLost):
            await rig.verdict(login)
        await asyncio.to_thread(server.restart)
        await rig.wait_fresh(30)
        assert await rig.verdict(login) is None
        await rig.revoke_user(login.user_id)
        assert await rig.verdict(login) == Dead("user")


@spec("revocation rule 5")
async def test_a_revoker_that_is_killed_between_commit_and_redis_has_still_revoked(
    rig: Rig, postgres: Postgres
) -> None:
    login = await rig.sign_in(uuid4())
    dying = (
        "import asyncio, asyncpg, os, signal, sys, uuid\n"
        "async def main():\n"
        "    c = await asyncpg.connect(sys.argv[1])\n"
        "    await c.execute('SELECT sessions.revoke_v1($1, $2, $3, $4, $5, $6)',\n"
        "        uuid.UUID(sys.argv[2]), 'test', 'user', sys.argv[3], 'test', uuid.uuid4())\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    died = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", dying, postgres.scim_url, str(TENANT), str(login.user_id)],
        check=False,
    )
    assert died.returncode == -9
    await rig.wait_checks(2)
    assert await rig.verdict(login) == Dead("user")


@spec("revocation rule 4")
async def test_a_row_of_a_transaction_that_commits_late_is_not_missed(rig: Rig, postgres: Postgres) -> None:
    """Ids from a sequence do not commit in order; transaction ids with the snapshot's horizon do not need to."""
    late_user, quick = await rig.sign_in(uuid4()), await rig.sign_in(uuid4())
    late = await asyncpg.connect(postgres.scim_url)
    begun = late.transaction()
    await begun.start()
    ask = "SELECT sessions.revoke_v1($1, 'test', 'user', $2, 'test', $3)"
    await late.fetchval(ask, TENANT, str(late_user.user_id), uuid4())
    await rig.commit_revocation("user", str(quick.user_id))  # a later transaction, committed first
    await rig.wait_checks(2)
    assert await rig.verdict(quick) == Dead("user")
    assert await rig.verdict(late_user) is None
    await begun.commit()
    await late.close()
    await rig.wait_checks(2)
    assert await rig.verdict(late_user) == Dead("user")


@spec("revocation rule 4")
async def test_a_database_restored_to_an_older_state_learns_from_redis_what_it_forgot(
    private_database: Callable[[], tuple[PostgresServer, Postgres]], valkey: ValkeyServer
) -> None:
    server, urls = await asyncio.to_thread(private_database)
    user, other = uuid4(), uuid4()
    async with open_rig(urls.authz_url, valkey.url, lease_seconds=LEASE_S) as rig:
        await rig.wait_fresh()
        revoked, ended, kept = await rig.sign_in(user), await rig.sign_in(other), await rig.sign_in(uuid4())
    older = await asyncio.to_thread(_clone, server, urls)  # the backup
    async with open_rig(urls.authz_url, valkey.url, lease_seconds=LEASE_S) as rig:
        await rig.wait_fresh()
        await rig.revoke_user(user)
        await rig.end(ended.session_id, reason="logout")
        epoch = (await rig.evidence(user)).user
    async with open_rig(older.authz_url, valkey.url, lease_seconds=LEASE_S) as rig:  # the restored one
        await rig.wait_fresh()
        assert (await rig.evidence(user)).user == epoch
        assert await rig.verdict(revoked) == Dead("user")
        assert await rig.verdict(ended) == Dead("session")
        assert await rig.verdict(kept) is None
        await rig.revoke_user(user)
        assert (await rig.evidence(user)).user > epoch


@spec("revocation rule 4")
async def test_a_restored_database_beside_an_empty_redis_makes_all_sign_in_again(
    private_database: Callable[[], tuple[PostgresServer, Postgres]], valkey: ValkeyServer
) -> None:
    server, urls = await asyncio.to_thread(private_database)
    async with open_rig(urls.authz_url, valkey.url, lease_seconds=LEASE_S) as rig:
        await rig.wait_fresh()
        before = await rig.evidence(uuid4())
    older = await asyncio.to_thread(_clone, server, urls)
    await asyncio.to_thread(valkey.restart, empty=True)
    async with open_rig(older.authz_url, valkey.url, lease_seconds=LEASE_S) as rig:
        await rig.wait_fresh()
        assert (await rig.evidence(uuid4())).tenant > before.tenant


@spec("revocation rule 4")
async def test_only_one_process_replays_and_the_others_wait(rig: Rig, postgres: Postgres, valkey: ValkeyServer) -> None:
    async with (
        open_rig(postgres.authz_url, valkey.url, lease_seconds=LEASE_S) as second,
        open_rig(postgres.authz_url, valkey.url, lease_seconds=LEASE_S) as third,
    ):
        login = await rig.sign_in(uuid4())
        await rig.revoke_user(login.user_id)
        await asyncio.to_thread(valkey.restart, empty=True)
        for one in (rig, second, third):
            await one.wait_checks(1)
            assert await one.verdict(login) == Dead("user")
        redis = create_redis(valkey.url)
        assert await command(redis, "EXISTS", "{gh}:replay") == 0
        await redis.aclose()


def _clone(server: PostgresServer, urls: Postgres) -> Postgres:
    """A copy of the database under another name: what a restore from a backup gives."""
    name = f"restored_{uuid4().hex[:8]}"
    database = urls.owner_url.rsplit("/", 1)[1]
    server.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'",
        f"CREATE DATABASE {name} TEMPLATE {database}",
    )
    moved = {
        field: getattr(urls, field).rsplit("/", 1)[0] + "/" + name
        for field in ("owner_url", "authz_url", "scim_url", "sessions_url")
    }
    return replace(urls, **moved)


@spec("revocation rule 4")
async def test_a_session_whose_row_was_lost_in_a_restore_has_ended(
    private_database: Callable[[], tuple[PostgresServer, Postgres]], valkey: ValkeyServer
) -> None:
    server, urls = await asyncio.to_thread(private_database)
    older = await asyncio.to_thread(_clone, server, urls)  # the backup, from before anybody signed in
    async with open_rig(urls.authz_url, valkey.url, lease_seconds=LEASE_S) as rig:
        await rig.wait_fresh()
        login = await rig.sign_in(uuid4())
        assert await rig.verdict(login) is None
    async with open_rig(older.authz_url, valkey.url, lease_seconds=LEASE_S) as rig:
        await rig.wait_fresh()
        # Nobody could list it or end it any more.
        assert await rig.verdict(login) == Dead("session")


@spec("revocation rule 7")
async def test_a_service_with_another_tag_key_does_not_start_and_never_answers(rig: Rig, valkey: ValkeyServer) -> None:
    stranger = Follower(valkey.url, rig.pool, tag_key=b"another tag key of 32 bytes.....")
    with pytest.raises(StartFault, match="GATEHOUSE_TAG_KEY"):
        await stranger.start()
    with pytest.raises(LeaseLost):
        stranger.require()
    await stranger.stop()


@pytest.mark.soak
@spec("revocation rule 4")
async def test_a_large_ledger_is_adopted_and_replayed_although_no_statement_may_last(
    private_database: Callable[[], tuple[PostgresServer, Postgres]], valkey: ValkeyServer
) -> None:
    _, urls = await asyncio.to_thread(private_database)
    owner = await asyncpg.connect(urls.owner_url)
    await owner.execute(
        "INSERT INTO sessions.ledger (tenant, kind, key, epoch, reason, actor, cause_id, until) "
        f"SELECT '{TENANT}', 'session', '0000:' || gen_random_uuid(), 1, 'idle', 'system', gen_random_uuid(), "
        "now() + interval '8 days' FROM generate_series(1, 400000)"
    )
    await owner.execute(
        "INSERT INTO sessions.event (id, xid, tenant, type, aggregate, aggregate_id, payload) "
        f"SELECT gen_random_uuid(), '900000000', '{TENANT}', 'session.ended.v1', 'session', 'x', '{{}}' "
        "FROM generate_series(1, 400000)"
    )
    await owner.execute("UPDATE sessions.ledger_identity SET system_identifier = 'another'")
    await owner.close()
    async with open_rig(urls.authz_url, valkey.url, lease_seconds=LEASE_S) as rig:
        await rig.wait_fresh(300)
        assert await command(rig.follower.redis, "DBSIZE") > 400_000
