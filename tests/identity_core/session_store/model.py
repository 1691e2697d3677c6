"""A simple model of sessions and revocations, and the machine that drives the real ones beside it.

The model knows three facts about a login: whose it is, whether something ended it, and whether Redis may have
forgotten it (then it must be dead or alive as before, never alive after an end).
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from gatehouse.dev.devservers import ValkeyServer
from identity_core.contracts.stamps import Stamps
from identity_core.testing.sessions import TENANT, Login, Rig, open_rig
from identity_core.web.unavailable import STORE_FAULTS

T = TypeVar("T")
USERS = 2
LIMIT = 1


class Loop:
    """An event loop in a thread of its own: hypothesis's machines are synchronous."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass(eq=False)
class Known:
    """What the model knows of one login."""

    login: Login
    user: int
    ended: bool = False
    in_redis: bool = True


@dataclass(eq=False)
class Evidence:
    """A password that was right; the session is not open yet."""

    user: int
    stamps: Stamps
    stale: bool = False


class Machine(RuleBasedStateMachine):
    """Real PostgreSQL and Valkey, driven beside the model. `make_rig` and `valkey` come from the test."""

    loop: Loop
    valkey: ValkeyServer
    database_url: str
    patch: Callable[[Rig], None] = staticmethod(lambda rig: None)

    logins: Bundle[Known] = Bundle("logins")
    evidences: Bundle[Evidence] = Bundle("evidences")

    def __init__(self) -> None:
        super().__init__()
        self.users: list[UUID] = [uuid4() for _ in range(USERS)]
        self.known: list[Known] = []
        self.waiting: list[Evidence] = []
        self.saved: list[Known] | None = None
        self.stack = AsyncExitStack()
        self.rig = self.loop.run(self._open())

    async def _open(self) -> Rig:
        rig = await self.stack.enter_async_context(open_rig(self.database_url, self.valkey.url, lease_seconds=3.0))
        await rig.wait_fresh()
        self.patch(rig)
        return rig

    def teardown(self) -> None:
        self.loop.run(self.stack.aclose())

    @rule(target=evidences, user=st.integers(0, USERS - 1))
    def give_password(self, user: int) -> Evidence:
        evidence = Evidence(user, self.loop.run(self.rig.evidence(self.users[user])))
        self.waiting.append(evidence)
        return evidence

    @rule(target=logins, evidence=consumes(evidences), limited=st.booleans())
    def open_session(self, evidence: Evidence, limited: bool) -> Known:
        self.waiting.remove(evidence)
        opening = self.rig.open(self.users[evidence.user], evidence.stamps, limit=LIMIT if limited else None)
        opened = self.loop.run(opening)
        if not isinstance(opened, Login):
            assert evidence.stale, "fresh evidence was refused"
            return Known(Login(self.users[evidence.user], uuid4(), "", evidence.stamps), evidence.user, ended=True)
        known = Known(opened, evidence.user, ended=evidence.stale)
        if limited:
            live = [k for k in self.known if k.user == evidence.user and not k.ended and k.in_redis]
            for oldest in live[: max(0, len(live) - LIMIT + 1)]:
                oldest.ended = True
        self.known.append(known)
        return known

    @rule(user=st.integers(0, USERS - 1))
    def revoke_user(self, user: int) -> None:
        self.loop.run(self.rig.revoke_user(self.users[user]))
        for known in self.known:
            known.ended |= known.user == user
        for evidence in self.waiting:
            evidence.stale |= evidence.user == user

    @rule(known=logins, deep=st.booleans())
    def end_session(self, known: Known, deep: bool) -> None:
        self.loop.run(self.rig.end(known.login.session_id, reason="logout", deep=deep))
        known.ended = True

    @rule()
    def save_redis(self) -> None:
        self.valkey.save_snapshot()
        self.saved = [known for known in self.known if known.in_redis]

    @precondition(lambda self: self.saved is not None)
    @rule()
    def restore_redis(self) -> None:
        assert self.saved is not None
        self.valkey.restore_snapshot()
        for known in self.known:
            known.in_redis = known in self.saved
        self.loop.run(self._heal())

    @rule()
    def empty_redis(self) -> None:
        self.valkey.restart(empty=True)
        for known in self.known:
            known.in_redis = False
        self.loop.run(self._heal())

    async def _heal(self) -> None:
        # Whoever asks first meets the new server; before the check of it nothing is answered.
        for known in self.known:
            try:
                verdict = await self.rig.verdict(known.login)
            except STORE_FAULTS:
                continue
            assert verdict is not None or not known.ended, "revived by a restart"
        with contextlib.suppress(*STORE_FAULTS):
            await self.rig.store.list_live(TENANT, self.users[0])
        await self.rig.wait_fresh()

    @invariant()
    def the_real_ones_agree(self) -> None:
        for known in self.known:
            alive = self.loop.run(self.rig.verdict(known.login)) is None
            assert alive == (known.in_redis and not known.ended), ("alive" if alive else "dead", known)
