"""The generator against a small server: what it counts is what was served."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from load.generator.jobs import repeat_job, walks_of
from load.generator.runner import GeneratorFault, Runner
from load.generator.wire import request

RIGHT = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
WRONG = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"


class Server:
    """Answers each request with what `reply` gives for its number; b"" closes the connection."""

    def __init__(self, reply: Callable[[int], bytes]) -> None:
        self.served = 0
        self.port = 0
        self._reply = reply

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.served += 1
                if not (answer := self._reply(self.served)):
                    break
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(reply: Callable[[int], bytes]) -> AsyncIterator[Server]:
    server = Server(reply)
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


def runner(port: int, connections: int = 4) -> Runner:
    job = repeat_job([request("GET", "/", "localhost")], must_hold="good")
    return Runner("127.0.0.1", port, walks_of(job | {"connections": connections}))


async def test_every_served_answer_is_counted_once() -> None:
    async with serving(lambda _: RIGHT) as server:
        load = runner(server.port)
        await load.prepare()
        assert server.served == 0
        tally = await load.run(0.05)
        load.close()
    assert tally.operations == tally.requests == server.served > 0
    assert tally.bad == 0


async def test_wrong_bodies_are_counted_and_named() -> None:
    async with serving(lambda number: WRONG if number % 2 else RIGHT) as server:
        load = runner(server.port)
        await load.prepare()
        tally = await load.run(0.02)
        load.close()
    assert tally.bad > 0
    assert tally.bad + tally.operations == server.served
    assert tally.faults["the body lacks good"] == tally.bad


async def test_a_lost_connection_is_counted_and_ends_only_its_own_work() -> None:
    async with serving(lambda number: b"" if number == 1 else RIGHT) as server:
        load = runner(server.port)
        await load.prepare()
        tally = await load.run(0.05)
        again = await load.run(0.02)
        load.close()
    assert tally.faults == {"the connection was closed": 1}
    assert tally.operations > 0
    assert again.bad == 0


async def test_a_second_run_begins_to_count_anew() -> None:
    async with serving(lambda _: RIGHT) as server:
        load = runner(server.port)
        await load.prepare()
        first = await load.run(0.02)
        second = await load.run(0.02)
        load.close()
    assert first.operations + second.operations == server.served


async def test_nobody_listening_is_said_in_a_sentence() -> None:
    async with serving(lambda _: RIGHT) as server:
        port = server.port
    with pytest.raises(GeneratorFault, match="cannot be reached"):
        await runner(port).prepare()
