"""Redis or Valkey: the client of one primary, and Lua scripts called by their hash.

* `create_redis(url)`: a bounded, blocking pool; half a second for connecting and for every reply; nothing is
  ever sent twice. A timeout, a broken connection or an exhausted pool is an error of redis-py
  (`ConnectionError`, `TimeoutError`), which `identity_core.web.unavailable` turns into 503: the outcome is
  unknown, so it is no try of ours.
* `on_connect`: awaited on each new connection after the handshake and before its first command; if it raises
  (or is cancelled), the connection is closed and never used. The revocation ledger's check of a new
  connection hangs here.
* `Script(name, source)`: EVALSHA; only NOSCRIPT is answered by loading the script and calling it again.

RESP2 on purpose: one round trip less per connection, and no push message can ever arrive on a request
connection. A cancelled call closes its connection (redis-py does so on any interruption between command and
reply), so an unread reply is never handed to the next caller.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.maint_notifications import MaintNotificationsConfig

from identity_core.faults import StartFault

OnConnect = Callable[[AbstractConnection], Awaitable[None]]
Argument: TypeAlias = bytes | str | int | float

SOCKET_TIMEOUT_S = 0.5
POOL_WAIT_S = 0.5
MAX_CONNECTIONS = 64


def create_redis(
    url: str,
    *,
    max_connections: int = MAX_CONNECTIONS,
    on_connect: OnConnect | None = None,
    socket_timeout: float = SOCKET_TIMEOUT_S,
) -> Redis:
    """A client of the primary at `url` (redis://, rediss:// or unix://). Connects lazily; raises `StartFault`
    on a bad URL.

    `on_connect(connection)` talks with `connection.send_command(…)` and `connection.read_response()`.
    Close with `await client.aclose()`.
    """
    try:
        options: dict[str, Any] = dict(parse_url(url))
    except ValueError as error:
        raise StartFault(
            "The Redis URL cannot be read: write it as redis://[user:password@]host:port[/database]."
        ) from error
    plain = options.pop("connection_class", Connection)
    if on_connect:
        options["hook"] = on_connect
    options.update(
        socket_timeout=socket_timeout,
        socket_connect_timeout=socket_timeout,
        retry=Retry(NoBackoff(), 0),
        retry_on_timeout=False,
        health_check_interval=0,
        decode_responses=False,
        protocol=2,
        driver_info=None,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    pool = _Pool(
        max_connections=max_connections,
        timeout=POOL_WAIT_S,
        connection_class=_HOOKED[plain] if on_connect else plain,
        **options,
    )
    return Redis.from_pool(pool)


async def command(client: Redis, *words: Argument) -> Any:
    """Send one command and answer its reply, untouched by redis-py's typed methods."""
    execute = cast(Callable[..., Awaitable[Any]], client.execute_command)
    return await execute(*words)


class Script:
    """A Lua script known by its SHA-1.

    `name` is for spans and metrics. `call` answers what the script returns (bytes, int, list or None) and
    raises redis-py's errors; of these only NOSCRIPT is mended here, because the server has done nothing then.
    """

    __slots__ = ("name", "sha", "source")

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    def __repr__(self) -> str:
        return f"Script({self.name})"

    async def call(self, client: Redis, keys: Sequence[bytes | str], args: Sequence[Argument] = ()) -> Any:
        try:
            return await command(client, "EVALSHA", self.sha, len(keys), *keys, *args)
        except NoScriptError:
            await command(client, "SCRIPT LOAD", self.source)
            return await command(client, "EVALSHA", self.sha, len(keys), *keys, *args)


class _Pool(BlockingConnectionPool):
    """The blocking pool, mended at one place: a caller cancelled twice must not take a connection with it."""

    async def release(self, connection: AbstractConnection) -> None:
        try:
            await super().release(connection)
        except asyncio.CancelledError:
            if connection in self._in_use_connections:
                self._in_use_connections.remove(connection)
                self._available_connections.append(connection)
            raise


class _Hook(AbstractConnection):
    """Runs `hook` after redis-py's own handshake; whatever interrupts either closes the connection."""

    def __init__(self, *, hook: OnConnect, **options: Any) -> None:
        self._hook = hook
        super().__init__(**options)

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        try:
            await super().on_connect_check_health(check_health=check_health)
            await self._hook(self)
        except BaseException:
            # redis-py closes on its own errors only: a foreign error or a cancellation would leave a
            # connection that looks ready in the pool although its check never ended.
            await self.disconnect(nowait=True)
            raise


class _HookedConnection(_Hook, Connection):
    pass


class _HookedSSLConnection(_Hook, SSLConnection):
    pass


class _HookedUnixConnection(_Hook, UnixDomainSocketConnection):
    pass


_HOOKED: dict[type[AbstractConnection], type[AbstractConnection]] = {
    Connection: _HookedConnection,
    SSLConnection: _HookedSSLConnection,
    UnixDomainSocketConnection: _HookedUnixConnection,
}


async def check_redis(client: Redis, url: str) -> None:
    """One PING at start. Raises `StartFault`, one sentence without the password."""
    try:
        await command(client, "PING")
    except RedisError as error:
        options = parse_url(url)
        where = options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
        raise StartFault(
            f"Redis at {where} does not answer ({type(error).__name__}): start it, or correct GATEHOUSE_REDIS_URL."
        ) from error
