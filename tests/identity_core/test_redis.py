"""Redis through `identity_core.redis`: nothing sent twice, nothing read by another, no unchecked connection."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gatehouse.dev.devservers import ValkeyServer
from identity_core.faults import StartFault
from identity_core.redis import Script, check_redis, command, create_redis
from identity_core.testing.spec import spec


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    client = create_redis(redis_url, max_connections=8)
    yield client
    await client.aclose()


async def test_replies_are_bytes(client: Redis) -> None:
    assert await command(client, "SET", "test:a", "1") in (True, b"OK")
    assert await command(client, "GET", "test:a") == b"1"


@spec("revocation rule 12")
async def test_no_reply_crosses_callers_however_they_are_cancelled(client: Redis) -> None:
    crossed: list[tuple[bytes, Any]] = []
    answered = 0

    async def ask(number: int) -> None:
        nonlocal answered
        word = b"word-%d" % number
        for _ in range(3):
            reply = await command(client, "ECHO", word)
            answered += 1
            if reply != word:
                crossed.append((word, reply))

    chance = random.Random(42)
    for _ in range(30):
        tasks = [asyncio.create_task(ask(number)) for number in range(24)]
        for task in tasks:
            if chance.random() < 0.6:
                for _ in range(chance.randrange(6)):
                    await asyncio.sleep(0)
                if chance.random() < 0.3:
                    await asyncio.sleep(chance.random() * 0.002)
                task.cancel()
                if chance.random() < 0.3:
                    await asyncio.sleep(0)
                    task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [result for result in results if isinstance(result, Exception)]
    assert crossed == []
    assert answered > 500


async def test_a_caller_cancelled_again_while_giving_back_does_not_take_the_connection_along(
    redis_url: str,
) -> None:
    client = create_redis(redis_url, max_connections=1)
    pool: Any = client.connection_pool
    connection = await pool.get_connection()
    async with pool._condition:
        giving_back = asyncio.create_task(pool.release(connection))
        await asyncio.sleep(0)
        giving_back.cancel()
        with pytest.raises(asyncio.CancelledError):
            await giving_back
    assert await command(client, "ECHO", b"1") == b"1"
    await client.aclose()


@spec("revocation rule 12")
async def test_a_silent_server_is_a_timeout_and_the_call_is_not_repeated(
    private_valkey: Callable[..., ValkeyServer],
) -> None:
    server = private_valkey()
    client = create_redis(server.url, socket_timeout=0.2)
    await command(client, "SET", "n", 0)
    server.freeze()
    with pytest.raises(RedisTimeoutError):
        await command(client, "INCR", "n")
    server.thaw()
    # The frozen server has the command in its socket: it runs once, and once only.
    async with asyncio.timeout(10):
        while await command(client, "GET", "n") == b"0":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert await command(client, "GET", "n") == b"1"
    await client.aclose()


async def test_a_server_that_is_gone_is_a_connection_error(private_valkey: Callable[..., ValkeyServer]) -> None:
    server = private_valkey()
    client = create_redis(server.url)
    await command(client, "PING")
    server.kill()
    with pytest.raises(RedisConnectionError):
        await command(client, "PING")
    with pytest.raises(StartFault, match="does not answer") as caught:
        await check_redis(client, server.url)
    assert "@" not in str(caught.value)
    await client.aclose()


async def test_an_exhausted_pool_is_a_connection_error(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("identity_core.redis.POOL_WAIT_S", 0.05)
    client = create_redis(redis_url, max_connections=1)
    pool: Any = client.connection_pool
    held = await pool.get_connection()
    with pytest.raises(RedisConnectionError):
        await command(client, "PING")
    await pool.release(held)
    assert await command(client, "PING") in (True, b"PONG")
    await client.aclose()


async def test_the_hook_runs_on_each_new_connection_before_its_first_command(redis_url: str) -> None:
    seen: list[Any] = []

    async def check(connection: AbstractConnection) -> None:
        await connection.send_command("ECHO", "checked")
        seen.append(await connection.read_response())

    client = create_redis(redis_url, on_connect=check)
    await asyncio.gather(*(command(client, "PING") for _ in range(3)))
    assert seen == [b"checked"] * len(client.connection_pool._available_connections)
    await client.connection_pool.disconnect()
    before = len(seen)
    await command(client, "PING")
    assert len(seen) == before + 1
    await client.aclose()


class _Refused(Exception):
    pass


async def test_a_connection_its_hook_refuses_is_never_used(redis_url: str) -> None:
    refuse = True

    async def check(connection: AbstractConnection) -> None:
        if refuse:
            raise _Refused

    client = create_redis(redis_url, on_connect=check)
    for _ in range(3):
        with pytest.raises(_Refused):
            await command(client, "PING")
    refuse = False
    assert await command(client, "PING") in (True, b"PONG")
    await client.aclose()


async def test_a_connection_whose_check_was_cancelled_is_checked_again(redis_url: str) -> None:
    finished = 0
    gate = asyncio.Event()

    async def check(connection: AbstractConnection) -> None:
        nonlocal finished
        await gate.wait()
        finished += 1

    client = create_redis(redis_url, max_connections=1, on_connect=check)
    waiting = asyncio.create_task(command(client, "PING"))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gate.set()
    await command(client, "PING")
    assert finished == 1
    await client.aclose()


async def test_a_script_unknown_to_the_server_is_loaded_and_run(client: Redis) -> None:
    script = Script("add", "return redis.call('INCRBY', KEYS[1], ARGV[1])")
    await command(client, "DEL", "test:sum")
    await command(client, "SCRIPT", "FLUSH")
    assert await script.call(client, ["test:sum"], [2]) == 2
    assert await script.call(client, ["test:sum"], [3]) == 5


async def test_a_script_that_fails_is_not_run_again(client: Redis) -> None:
    script = Script("fail", "redis.call('INCR', KEYS[1]); return redis.error_reply('NO such thing')")
    await command(client, "DEL", "test:runs")
    with pytest.raises(ResponseError):
        await script.call(client, ["test:runs"])
    assert await command(client, "GET", "test:runs") == b"1"


@pytest.mark.parametrize("url", ["http://localhost", "redis://localhost?db=x"])
def test_a_url_that_is_none_is_one_sentence(url: str) -> None:
    with pytest.raises(StartFault, match="write it as redis://"):
        create_redis(url)
