"""The same promises from several processes at once."""

from uuid import UUID, uuid4

import pytest

from identity_core.contracts.stamps import Stamps
from identity_core.session_store import Dead
from identity_core.testing.crowd import crowd
from identity_core.testing.sessions import TENANT, Login, Rig
from identity_core.testing.spec import spec
from identity_core.testing.stores import Postgres

pytestmark = pytest.mark.stores


@spec("revocation rule 10")
async def test_two_hundred_creates_from_four_processes_with_a_limit_of_five_leave_exactly_five(
    rig: Rig, postgres: Postgres, redis_url: str
) -> None:
    user = uuid4()
    opened = await crowd(
        "identity_core.testing.session_crowd:create_many", postgres.authz_url, redis_url, str(user), "50", "5"
    )
    assert len(set(opened)) == 200
    live = await rig.store.list_live(TENANT, user)
    assert len(live) == 5
    evicted = [UUID(session) for session in opened if UUID(session) not in live]
    for session in evicted:
        login = Login(user, session, "", Stamps())
        assert await rig.verdict(login) == Dead("session")
    rows = await rig.pool.fetchval(
        "SELECT count(*) FROM sessions.ledger_v1 WHERE kind = 'session' AND tenant = $1", TENANT
    )
    assert rows == 195


@spec("revocation rule 3")
async def test_no_session_opened_on_old_evidence_outlives_a_revocation_from_another_process(
    rig: Rig, postgres: Postgres, redis_url: str
) -> None:
    alive = await crowd(
        "identity_core.testing.session_crowd:create_while_revoked", postgres.authz_url, redis_url, str(uuid4()), "20"
    )
    assert alive == []
