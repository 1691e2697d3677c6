"""The one-second check and the lease it grants (revocation rules 4 and 5), for one primary.

Redis is a cache of the ledger with a known age. Every second, and whenever a connection meets another server than
the one last checked, a process reads the ledger's new rows in one snapshot, applies them and moves the primary's mark.
While the last complete check is younger than the lease, what Redis says may be answered; else nothing may (503).

The primary is named by its `run_id`: a restarted server is another one, and without a mark of its own it is
replayed in full by one process while the others wait.
"""

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import structlog
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from identity_core.db import Connection, Pool, Record
from identity_core.faults import LeaseLost, StartFault
from identity_core.logs import allow_fields
from identity_core.redis import command, create_redis
from identity_core.redis_batch import ScriptCall, batch
from identity_core.secrets import pseudonym, random_token
from identity_core.session_store import keys, scripts
from identity_core.session_store.ledger import (
    Snapshot,
    adopt_ledger,
    apply_entries,
    horizon_of,
    ledger_pages,
    read_ledger,
)
from identity_core.session_store.salvage import known_to_redis
from identity_core.tasks import end_task

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

log = structlog.get_logger("identity_core.session_store")
allow_fields("fault")

CHECK_EVERY_S = 1.0
RETRY_AFTER_S = 0.1
REPLAY_LOCK_MS = 5_000


class OtherTagKey(Exception):
    """This Redis is kept under another tag key: whoever goes on would look for the ends of things in wrong slots."""


class Follower:
    """Keeps one process's view of Redis honest. Built once per process; `redis` is the client everyone else uses.

    Cost of a check with nothing new: two Redis round trips and one statement.
    """

    def __init__(self, redis_url: str, pool: Pool, *, tag_key: bytes, lease_seconds: float = 5.0) -> None:
        self.redis: Redis = create_redis(redis_url, on_connect=self._refuse_strangers)
        self.tag_key = tag_key
        self.lease_seconds = lease_seconds
        self.checks = 0
        self._own: Redis = create_redis(redis_url, max_connections=1, socket_timeout=1.0)
        self._pool = pool
        self._key_name = pseudonym(tag_key, UUID(int=0), "mark")
        self._held: PoolConnectionProxy[Record] | None = None
        self._node: str | None = None
        self._fresh_until = float("-inf")
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin checking. Does not wait for the first check: until it is complete, `require` refuses."""
        try:
            await self._read_mark()
        except OtherTagKey as other:
            raise StartFault(
                "This Redis was filled under another GATEHOUSE_TAG_KEY: give every service the same one, for life."
            ) from other
        except (RedisError, OSError, TimeoutError):
            # Away for now: the service starts, is not ready and answers 503 until the first complete check.
            log.warning("ledger.redis_away")
        self._task = asyncio.create_task(self._run(), name="ledger check")
        with contextlib.suppress(LeaseLost):
            await self.wait_fresh(2.0)

    async def stop(self) -> None:
        """End the check and close both clients."""
        await end_task(self._task)
        await self._let_go()
        for client in (self.redis, self._own):
            # A server that is away or frozen does not say goodbye.
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                await client.aclose()

    def require(self) -> None:
        """Raise LeaseLost unless the last complete check is younger than the lease."""
        if time.monotonic() >= self._fresh_until:
            self._wake.set()
            raise LeaseLost("the ledger has not been checked within the lease")

    @property
    def age_limit(self) -> float:
        """Seconds the lease still lasts; negative when it is lost."""
        return self._fresh_until - time.monotonic()

    async def ready(self) -> None:
        """For readiness: as `require`."""
        self.require()

    async def wait_fresh(self, seconds: float) -> None:
        """Wait up to `seconds` for a complete check; raise LeaseLost when none comes."""
        end = time.monotonic() + seconds
        while self.age_limit <= 0:
            if time.monotonic() >= end:
                raise LeaseLost("no complete ledger check yet")
            await asyncio.sleep(0.02)

    async def check(self) -> bool:
        """One check; True when complete. Raises what the stores raise, and then the lease simply runs out."""
        started = time.monotonic()
        node, mark = await self._read_mark()
        if mark is None or mark.node != node:
            complete = await self._replay(node, mark)
        else:
            snapshot = await read_ledger(await self._connection(), mark.xid)
            if snapshot.at_home and snapshot.ledger_id.hex == mark.ledger and mark.xid <= snapshot.horizon:
                complete = await self._apply(node, mark, snapshot)
            else:
                complete = await self._replay(node, mark)
        if complete:
            self._node = node
            self._fresh_until = started + self.lease_seconds
            self.checks += 1
        return complete

    async def _run(self) -> None:
        while True:
            pause = RETRY_AFTER_S
            try:
                if await self.check():
                    pause = CHECK_EVERY_S
            except (
                RedisError,
                OSError,
                TimeoutError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
            ) as fault:
                log.warning("ledger.check_failed", fault=type(fault).__name__)
                await self._let_go()
            except Exception:
                # A fault of ours: the lease runs out and everything answers 503, but the check goes on trying.
                log.exception("ledger.check_broken")
                await self._let_go()
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                # Not wait_for: until Python 3.12 it may swallow the cancellation of `stop`.
                async with asyncio.timeout(pause):
                    await self._wake.wait()
                # Somebody was refused: look again soon, but not in a hot loop.
                await asyncio.sleep(RETRY_AFTER_S / 4)

    async def _connection(self) -> Connection:
        """One connection of the pool, kept: a storm that has taken all the others must not cost the lease."""
        if self._held is None or self._held.is_closed():
            await self._let_go()
            self._held = await self._pool.acquire(timeout=self.lease_seconds)
        return self._held

    async def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._pool.release(held, timeout=1.0)

    async def _refuse_strangers(self, connection: AbstractConnection) -> None:
        """Runs on each new connection: a server that was not checked yet may not be asked anything."""
        await connection.send_command("INFO", "server")
        node = _run_id(await connection.read_response())
        if node != self._node:
            self._fresh_until = float("-inf")
            self._wake.set()
            raise RedisConnectionError("this Redis server has not been checked against the ledger yet")

    async def _read_mark(self) -> tuple[str, "_Mark | None"]:
        info, fields = await batch(self._own, ("INFO", "server"), ("HMGET", keys.MARK, "node", "ledger", "xid", "key"))
        node, ledger, xid, key = (None if field is None else field.decode() for field in fields)
        if key is not None and key != self._key_name:
            raise OtherTagKey
        return _run_id(info), _Mark(node, ledger, int(xid)) if node and ledger and xid else None

    async def _apply(self, node: str, mark: "_Mark", snapshot: Snapshot) -> bool:
        await apply_entries(self._own, self.tag_key, snapshot.entries)
        moved, info = await batch(
            self._own,
            ScriptCall(scripts.ADVANCE_MARK, [keys.MARK], [node, mark.ledger, snapshot.horizon]),
            ("INFO", "server"),
        )
        return bool(moved) and _run_id(info) == node

    async def _replay(self, node: str, mark: "_Mark | None") -> bool:
        """The whole ledger into this primary, by one process; the others answer 503 until it is done."""
        token = random_token()
        if not await command(self._own, "SET", keys.REPLAY_LOCK, token, "NX", "PX", REPLAY_LOCK_MS):
            return False
        database = await self._connection()
        snapshot = await horizon_of(database)
        if not snapshot.at_home or (mark and not mark.fits(snapshot)):
            known = await known_to_redis(self._own) if mark else "[]"
            await adopt_ledger(database, snapshot.ledger_id, known, raise_tenants=mark is None)
            snapshot = await horizon_of(database)
        async for entries in ledger_pages(database):
            await apply_entries(self._own, self.tag_key, entries)
            # A long replay must not let a second one begin beside it.
            await command(self._own, "PEXPIRE", keys.REPLAY_LOCK, REPLAY_LOCK_MS)
        fields = ("node", node, "ledger", snapshot.ledger_id.hex, "xid", snapshot.horizon, "key", self._key_name)
        _, _, info = await batch(self._own, ("HSET", keys.MARK, *fields), ("DEL", keys.REPLAY_LOCK), ("INFO", "server"))
        return _run_id(info) == node


class _Mark:
    """Up to which transaction (`xid`) of which ledger a primary (`node`) has everything."""

    __slots__ = ("ledger", "node", "xid")

    def __init__(self, node: str, ledger: str, xid: int) -> None:
        self.node, self.ledger, self.xid = node, ledger, xid

    def fits(self, snapshot: Snapshot) -> bool:
        """False for another ledger, and for a mark from this database's future: time has gone back."""
        return self.ledger == snapshot.ledger_id.hex and self.xid <= snapshot.horizon


def _run_id(info: object) -> str:
    text = info.decode() if isinstance(info, bytes) else info
    if isinstance(text, dict):
        return str(text["run_id"])
    if isinstance(text, str):
        for line in text.splitlines():
            if line.startswith("run_id:"):
                return line[7:].strip()
    raise RedisConnectionError("INFO server names no run_id")
