"""The rows measured inside one process: what a caller of the library pays, stores not included.

`python -m load.bench.in_process DATABASE_URL REDIS_URL` takes orders as `load.workers` writes them:

    {"do": "prepare", "row": "session-read"}   → {"ready": true}
    {"do": "run", "seconds": 2}                → {"operations", "bad", "cpu_s", "wall_s"}

Rows that talk to a store keep `TASKS` calls under way, as a busy service does; the others run alone.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import cycle
from typing import Any

import orjson
import uvloop

from identity_core import jose, totp
from identity_core.contracts.stamps import Binding, Stamps
from identity_core.ids import uuid7
from identity_core.passwords import PasswordHasher
from identity_core.secrets import random_token, sha256
from identity_core.session_store import Created, NewSession, StandingQuery, judge
from identity_core.testing.sessions import TENANT, Login, Rig, open_rig

TASKS = 16
PEOPLE = 256
_ISSUER = "https://id.example.com"
_DAY_MS = 86_400_000
_TYP = "at+jwt"

Operation = Callable[[], Awaitable[bool]]
"""One operation; True when its answer was right."""


class Rows:
    """Makes the operation of each row. Stores are opened when the first row asks for them."""

    def __init__(self, database_url: str, redis_url: str, ends: AsyncExitStack) -> None:
        self._urls = (database_url, redis_url)
        self._ends = ends
        self._rig: Rig | None = None
        self._logins: list[Login] = []

    async def operation(self, row: str) -> tuple[Operation, int]:
        """The row's operation and how many are under way at once. Raises KeyError for a row that is none."""
        alg, _, what = row.partition("-")
        if what in ("sign", "verify") and alg != "totp":
            return _jose(_ALGORITHMS[alg], what), 1
        if row in ("totp-verify", "password-hash"):
            return (_totp() if row == "totp-verify" else _password()), 1
        rig = await self._opened()
        made = {"session-create": _create, "session-read": self._read, "revoke": _revoke}[row]
        return made(rig), TASKS

    async def _opened(self) -> Rig:
        if self._rig is None:
            self._rig = await self._ends.enter_async_context(open_rig(*self._urls))
            self._logins = [await self._rig.sign_in(uuid7()) for _ in range(PEOPLE)]
        return self._rig

    def _read(self, rig: Rig) -> Operation:
        logins = cycle(self._logins)

        async def read() -> bool:
            login = next(logins)
            tag = rig.store.tag(TENANT, login.user_id)
            facts = await rig.store.read(
                StandingQuery(TENANT, tag, login.user_id, "client", login.session_id, login.session_id, "jti")
            )
            return judge(facts, Binding(tag, login.stamps, login.session_id, None)) is None

        return read


_ALGORITHMS = {"es256": "ES256", "rs256": "RS256", "eddsa": "EdDSA"}


def _create(rig: Rig) -> Operation:
    """Every person is at the limit of five soon, so that most creations evict, which is the costlier case."""
    people = cycle([uuid7() for _ in range(PEOPLE)])

    async def create() -> bool:
        user_id = next(people)
        now_ms = time.time_ns() // 1_000_000
        made = await rig.store.create(
            NewSession(
                tenant=TENANT,
                session_id=uuid7(),
                user_id=user_id,
                tag=rig.store.tag(TENANT, user_id),
                secret_hash=sha256(random_token()),
                user_epoch=0,
                tenant_epoch=0,
                auth_time_ms=now_ms,
                acr="pwd",
                amr=("pwd",),
                idle_ms=3_600_000,
                absolute_end_ms=now_ms + _DAY_MS,
                limit=5,
            )
        )
        return isinstance(made, Created)

    return create


def _revoke(rig: Rig) -> Operation:
    people = cycle([uuid7() for _ in range(PEOPLE)])

    async def revoke() -> bool:
        user_id = next(people)
        tag = rig.store.tag(TENANT, user_id)
        entry = await rig.commit_revocation("session", f"{tag:04x}:{uuid7()}")
        await rig.revoker.confirm([entry])
        return entry.epoch > 0

    return revoke


def _totp() -> Operation:
    secret = totp.new_secret()
    now_s = time.time()
    step = totp.step_at(now_s)
    code = totp.code_at(secret, step)

    async def verify() -> bool:
        return totp.matching_step(secret, code, now_s) == step

    return verify


def _password() -> Operation:
    hasher = PasswordHasher(threads=1, queue_limit=0)

    async def hash_one() -> bool:
        return (await hasher.hash("correct horse battery staple")).startswith("$argon2id$")

    return hash_one


def _jose(alg: str, what: str) -> Operation:
    key = jose.generate(alg)
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": _ISSUER,
        "sub": str(uuid7()),
        "aud": _ISSUER,
        "client_id": "bench",
        "iat": now,
        "exp": now + 3600,
        "jti": str(uuid7()),
        "scope": "openid profile email",
        "gh": Binding(1, Stamps(0, 0, 0), uuid7(), uuid7()).to_claim(),
    }
    token = jose.sign(key, claims, _TYP)
    keys = {key.kid: key.public}

    async def sign() -> bool:
        return jose.sign(key, claims, _TYP).count(".") == 2

    async def verify() -> bool:
        answer = jose.verify(
            token, keys, typ=frozenset({_TYP}), issuer=_ISSUER, audience=_ISSUER, now=now, allow_expired=True
        )
        return isinstance(answer, jose.VerifiedClaims)

    return sign if what == "sign" else verify


async def measure(operation: Operation, tasks: int, seconds: float) -> dict[str, Any]:
    """Run for `seconds`; processor time is the whole process's, threads included."""
    until = time.monotonic() + seconds
    done = bad = 0

    async def work() -> None:
        nonlocal done, bad
        while time.monotonic() < until:
            bad += not await operation()
            done += 1

    started, cpu = time.monotonic(), time.process_time()
    await asyncio.gather(*(work() for _ in range(tasks)))
    return {
        "operations": done,
        "bad": bad,
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.monotonic() - started,
    }


async def main() -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as ends:
        rows = Rows(sys.argv[1], sys.argv[2], ends)
        operation: Operation | None = None
        tasks = 1
        while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
            order = orjson.loads(line)
            if order["do"] == "prepare":
                operation, tasks = await rows.operation(order["row"])
                answer: dict[str, Any] = {"ready": True}
            elif operation is None:
                answer = {"fault": "nothing is prepared"}
            else:
                answer = await measure(operation, tasks, order["seconds"])
            sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
