"""Sessions: opened, limited, read in one round trip, and ended for good."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import asyncpg

from identity_core.base64url import encode
from identity_core.contracts.stamps import Binding, Stamps
from identity_core.ids import uuid7
from identity_core.redis import command
from identity_core.secrets import AccessToken, random_token, sha256
from identity_core.session_store import CreateRefused, Dead, NewSession, StandingQuery, judge, ledger_key
from identity_core.session_store.store import token_key
from identity_core.testing.sessions import TENANT, Login, Rig
from identity_core.testing.spec import spec
from identity_core.testing.stores import Postgres


async def test_an_opened_session_is_alive_and_read_back_as_written(rig: Rig) -> None:
    login = await rig.sign_in(uuid4())
    facts = await rig.store.read(
        StandingQuery(TENANT, rig.store.tag(TENANT, login.user_id), login.user_id, session_id=login.session_id)
    )
    assert facts.session is not None
    assert facts.session.user_id == login.user_id
    assert facts.session.secret_hash == sha256(login.secret)
    assert facts.session.amr == ("pwd",)
    assert await rig.verdict(login) is None


@spec("revocation rule 6")
async def test_reading_a_standing_is_one_round_trip_of_two_reads(rig: Rig) -> None:
    login = await rig.sign_in(uuid4())
    await rig.verdict(login)
    before = await _commands(rig)
    await rig.verdict(login)
    after = await _commands(rig)
    assert after["evalsha"] - before["evalsha"] == 1
    # One of the HMGETs is the tenant's epochs, the other the script's own read of the session.
    assert after["hmget"] - before["hmget"] == 2


async def test_a_limit_evicts_the_oldest_and_the_evicted_never_come_back(rig: Rig) -> None:
    user = uuid4()
    logins = [await rig.sign_in(user, limit=3) for _ in range(5)]
    verdicts = [await rig.verdict(login) for login in logins]
    assert verdicts == [Dead("session"), Dead("session"), None, None, None]
    assert set(await rig.store.list_live(TENANT, user)) == {login.session_id for login in logins[2:]}
    ended = await rig.pool.fetchval(
        "SELECT count(*) FROM sessions.event_v1 WHERE type = 'session.ended.v1' AND aggregate_id = ANY($1)",
        [str(login.session_id) for login in logins],
    )
    assert ended == 2


async def test_two_hundred_parallel_creates_with_a_limit_of_five_leave_exactly_five(rig: Rig) -> None:
    user = uuid4()
    await asyncio.gather(*(rig.sign_in(user, limit=5) for _ in range(200)))
    assert len(await rig.store.list_live(TENANT, user)) == 5


async def test_a_policy_that_refuses_leaves_the_old_sessions_alone(rig: Rig) -> None:
    login = await rig.sign_in(uuid4())
    tag = rig.store.tag(TENANT, login.user_id)
    new = NewSession(
        tenant=TENANT,
        session_id=uuid7(),
        user_id=login.user_id,
        tag=tag,
        secret_hash=sha256(random_token()),
        user_epoch=0,
        tenant_epoch=0,
        auth_time_ms=0,
        acr="",
        amr=(),
        idle_ms=60_000,
        absolute_end_ms=2**45,
        limit=1,
        on_limit="refuse",
    )
    assert await rig.store.create(new) == CreateRefused("limit")
    assert await rig.verdict(login) is None
    assert not isinstance(await rig.store.create(replace(new, limit=2)), CreateRefused)


@spec("revocation rule 3")
async def test_a_login_stopped_between_password_and_session_is_dead_when_the_user_was_revoked_meanwhile(
    rig: Rig,
) -> None:
    user = uuid4()
    stamps = await rig.evidence(user)
    await rig.revoke_user(user)
    assert await rig.open(user, stamps) == CreateRefused("ended")
    assert isinstance(await rig.open(user, await rig.evidence(user)), Login)


@spec("revocation rule 3")
async def test_a_session_whose_stamps_are_old_is_dead_even_where_redis_did_not_know_it_at_its_creation(
    rig: Rig,
) -> None:
    user = uuid4()
    stamps = await rig.evidence(user)
    entry = await rig.commit_revocation("user", str(user))  # committed, Redis not told yet
    login = await rig.open(user, stamps)
    await rig.revoker.confirm([entry])
    assert isinstance(login, CreateRefused) or await rig.verdict(login) == Dead("user")


async def test_every_kind_of_revocation_ends_what_it_names_and_nothing_else(rig: Rig) -> None:
    users = [uuid4() for _ in range(3)]
    logins = [await rig.sign_in(user) for user in users]
    grants = [uuid7() for _ in users]
    await rig.revoke_user(users[0])
    await rig.revoke_grant(users[1], grants[1])
    assert await rig.verdict(logins[0]) == Dead("user")
    assert await rig.verdict(logins[1], grant_id=grants[1]) == Dead("grant")
    assert await rig.verdict(logins[1], grant_id=uuid7()) is None
    assert await rig.verdict(logins[2], grant_id=grants[2]) is None
    await rig.revoke("client", "another client")
    assert await rig.verdict(logins[2]) is None
    await rig.revoke("client", "client")
    assert await rig.verdict(logins[2]) == Dead("client")
    await rig.revoke("tenant", "")
    assert await rig.verdict(logins[2]) == Dead("tenant")


@spec("revocation rule 2")
async def test_logout_ends_online_grants_and_spares_offline_ones_but_an_administrator_ends_both(rig: Rig) -> None:
    user, grant = uuid4(), uuid7()
    login = await rig.sign_in(user)
    await rig.end(login.session_id, reason="logout")
    assert await rig.verdict(login, grant_id=grant) == Dead("session")
    assert await rig.verdict(login, grant_id=grant, offline=True) is None
    await rig.end(login.session_id, reason="administrator", deep=True)
    assert await rig.verdict(login, grant_id=grant, offline=True) == Dead("grant")


async def test_an_end_writes_exactly_one_event_however_often_it_is_said(rig: Rig) -> None:
    login = await rig.sign_in(uuid4())
    for _ in range(3):
        await rig.end(login.session_id, reason="logout")
    events = await rig.pool.fetchval(
        "SELECT count(*) FROM sessions.event_v1 WHERE aggregate_id = $1", str(login.session_id)
    )
    assert events == 1


async def test_touching_a_dead_session_does_not_revive_it(rig: Rig) -> None:
    login = await rig.sign_in(uuid4())
    tag = rig.store.tag(TENANT, login.user_id)
    await rig.end(login.session_id, reason="logout")
    await rig.store.touch(TENANT, tag, login.session_id, login.user_id)
    assert await rig.verdict(login) == Dead("session")


async def test_reauthentication_keeps_the_id_and_kills_the_old_cookie(rig: Rig) -> None:
    login = await rig.sign_in(uuid4())
    tag = rig.store.tag(TENANT, login.user_id)
    again = NewSession(
        tenant=TENANT,
        session_id=login.session_id,
        user_id=login.user_id,
        tag=tag,
        secret_hash=sha256("new secret"),
        user_epoch=0,
        tenant_epoch=0,
        auth_time_ms=1,
        acr="mfa",
        amr=("pwd", "otp"),
        idle_ms=60_000,
        absolute_end_ms=2**45,
        replaces=sha256(login.secret),
    )
    assert not isinstance(await rig.store.create(again), CreateRefused)
    query = StandingQuery(
        TENANT, tag, login.user_id, session_id=login.session_id, token_key="c." + encode(sha256(login.secret))
    )
    facts = await rig.store.read(query)
    assert facts.ended == {"token"}
    assert facts.session is not None
    assert facts.session.secret_hash == sha256("new secret")
    # The old secret cannot be replaced a second time.
    assert await rig.store.create(again) == CreateRefused("ended")


async def test_an_opaque_token_dies_with_each_thing_it_hangs_on(rig: Rig) -> None:
    for kind in ("user", "client", "tenant", "session", "grant", "token"):
        login, grant = await rig.sign_in(uuid4()), uuid7()
        stamps = await rig.evidence(login.user_id)
        tag = rig.store.tag(TENANT, login.user_id)
        token = AccessToken(tag, random_token(256))
        binding = Binding(tag, stamps, login.session_id, grant)
        await rig.store.put_token(
            TENANT,
            token,
            {"scope": "openid"},
            binding,
            client_id=f"client {kind}",
            user_id=login.user_id,
            expires_ms=2**45,
        )
        found = await rig.store.read_token(TENANT, token)
        assert found is not None
        assert (found.record, found.client_id, found.user_id) == ({"scope": "openid"}, f"client {kind}", login.user_id)
        assert judge(found.facts, found.binding) is None
        await _revoke(rig, kind, login, grant, token)
        found = await rig.store.read_token(TENANT, token)
        assert found is not None
        assert judge(found.facts, found.binding) == Dead(kind)


async def _revoke(rig: Rig, kind: str, login: Login, grant: object, token: AccessToken) -> None:
    tag = token.tag
    keys = {
        "user": str(login.user_id),
        "client": f"client {kind}",
        "tenant": "",
        "grant": ledger_key(tag, str(grant)),
        "token": ledger_key(tag, token_key(token)),
    }
    if kind == "session":
        await rig.end(login.session_id, reason="logout")
    else:
        await rig.revoke(kind, keys[kind])


@spec("revocation rule 1")
async def test_an_epoch_only_ever_grows_and_a_repeated_cause_changes_nothing(rig: Rig) -> None:
    user, cause = str(uuid4()), uuid7()
    ask = "SELECT sessions.revoke_v1($1, 'test', 'user', $2, 'test', $3)"
    first = await rig.pool.fetchval(ask, TENANT, user, cause)
    assert await rig.pool.fetchval(ask, TENANT, user, cause) == first
    epochs = await asyncio.gather(*(rig.pool.fetchval(ask, TENANT, user, uuid7()) for _ in range(20)))
    assert len(set(epochs)) == 20
    assert min(epochs) > first
    current = await rig.pool.fetchval("SELECT epoch FROM sessions.ledger_v1 WHERE key = $1", user)
    assert current == max(epochs)


def test_a_binding_survives_its_claim_and_nothing_else_is_one() -> None:
    binding = Binding(0x1F, Stamps(3, 0, 1_795_169_799_077_751), uuid7(), uuid7(), offline=True)
    claim = binding.to_claim()
    assert Binding.from_claim(claim) == binding
    assert Binding.from_claim(Binding(0, Stamps()).to_claim()) == Binding(0, Stamps())
    wrong = (None, 7, "", claim + ".", claim[:-1], claim[1:], "2" + claim[1:], claim.replace(".3.", ".03."))
    assert [Binding.from_claim(text) for text in wrong] == [None] * len(wrong)


async def _commands(rig: Rig) -> dict[str, int]:
    info = await command(rig.follower.redis, "INFO", "commandstats")
    text = info.decode() if isinstance(info, bytes) else ""
    counts = {"evalsha": 0, "hmget": 0}
    if isinstance(info, dict):
        return {name: int(info.get(f"cmdstat_{name}", {"calls": 0})["calls"]) for name in counts}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if name.removeprefix("cmdstat_") in counts:
            counts[name.removeprefix("cmdstat_")] = int(rest.split("calls=")[1].split(",")[0])
    return counts


@spec("revocation rule 6")
async def test_a_cookie_that_names_no_user_is_judged_by_the_epoch_of_its_sessions_user(rig: Rig) -> None:
    login = await rig.sign_in(uuid4())
    tag = rig.store.tag(TENANT, login.user_id)
    query = StandingQuery(TENANT, tag, session_id=login.session_id)
    binding = Binding(tag, login.stamps, login.session_id)
    assert judge(await rig.store.read(query), binding) is None
    await rig.revoke_user(login.user_id)
    assert judge(await rig.store.read(query), binding) == Dead("user")


async def test_a_ledger_row_is_purged_past_its_end_and_the_others_stay(rig: Rig, postgres: Postgres) -> None:
    owner = await asyncpg.connect(postgres.owner_url)
    ask = "SELECT sessions.revoke_v1($1, 'test', 'token', $2, 'test', $3, now() + $4)"
    cause = uuid7()
    await owner.fetchval(ask, TENANT, "0000:past", cause, timedelta(days=-2))
    await owner.fetchval(ask, TENANT, "0000:ahead", uuid7(), timedelta(days=2))
    await rig.revoke_user(uuid4())
    await owner.execute("UPDATE sessions.ledger_history SET at = now() - interval '500 days' WHERE key = '0000:ahead'")
    assert await owner.fetchval("SELECT sessions.purge_ledger_v1('400 days', 100)") == 2
    kept = await owner.fetch("SELECT kind FROM sessions.ledger ORDER BY kind")
    assert [row["kind"] for row in kept] == ["token", "user"]
    # A cause that is heard of again after the purge has nothing left to end.
    assert await owner.fetchval(ask, TENANT, "0000:past", cause, timedelta(days=-2)) == 0
    await owner.close()
