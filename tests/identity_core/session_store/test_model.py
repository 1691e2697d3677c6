"""Sessions and revocations against a simple model, and three planted bugs that the model catches."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from gatehouse.dev.devservers import ValkeyServer
from identity_core.ids import short
from identity_core.redis import command
from identity_core.session_store import follower as follower_module
from identity_core.testing.sessions import Rig
from identity_core.testing.spec import spec
from identity_core.testing.stores import Postgres
from tests.identity_core.session_store.model import Loop, Machine

pytestmark = pytest.mark.stores


def run(machine: type[Machine], *, examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def machine(
    postgres: Postgres, private_valkey: Callable[[], ValkeyServer], clean_stores: None
) -> Iterator[type[Machine]]:
    loop = Loop()

    class Driven(Machine):
        pass

    Driven.loop, Driven.valkey, Driven.database_url = loop, private_valkey(), postgres.authz_url
    yield Driven
    loop.close()


@spec("revocation rule 1", "revocation rule 3", "revocation rule 4")
def test_sessions_and_revocations_agree_with_the_model(machine: type[Machine]) -> None:
    run(machine, examples=8)


def test_the_model_catches_stamps_that_are_read_again_when_the_session_opens(machine: type[Machine]) -> None:
    def plant(rig: Rig) -> None:
        opening = rig.open

        async def reads_again(user_id, stamps, **options):  # type: ignore[no-untyped-def]
            return await opening(user_id, await rig.evidence(user_id), **options)

        rig.open = reads_again  # type: ignore[method-assign]

    machine.patch = staticmethod(plant)
    with pytest.raises(AssertionError):
        run(machine, examples=30)


def test_the_model_catches_a_restarted_redis_that_is_taken_for_the_old_one(
    machine: type[Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower_module, "_run_id", lambda info: "always the same")
    with pytest.raises(AssertionError):
        run(machine, examples=30)


def test_the_model_catches_a_logout_that_skips_the_ledger(machine: type[Machine]) -> None:
    def plant(rig: Rig) -> None:
        async def only_forgets_the_record(session_id: UUID, *, reason: str, deep: bool = False) -> None:
            for name in await command(rig.follower.redis, "KEYS", f"*:s:{short(session_id)}"):
                await command(rig.follower.redis, "DEL", name)

        rig.end = only_forgets_the_record  # type: ignore[method-assign]

    machine.patch = staticmethod(plant)
    with pytest.raises(AssertionError):
        run(machine, examples=30)
