"""Serving in processes of their own: two listeners, a clean stop, a taken port, workers that die and come back."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from identity_core.faults import StartFault
from identity_core.web.http_protocol import MAX_HEADER_BYTES, BoundedHttpProtocol
from identity_core.web.serve import bind, serve
from tests.identity_core.served import create_app, management_app_for, settings

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Served:
    def __init__(self, process: asyncio.subprocess.Process, port: int, inside: int) -> None:
        self.process = process
        self.public = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30)
        self.inside = httpx.AsyncClient(base_url=f"http://127.0.0.1:{inside}", timeout=30)
        self.port = port

    async def ready(self) -> None:
        async with asyncio.timeout(60):
            while True:
                try:
                    if (await self.inside.get("/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.05)

    async def ended(self) -> tuple[int, str]:
        async with asyncio.timeout(60):
            output, _ = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, output.decode()


Start = Callable[..., Awaitable[Served]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    started: list[Served] = []

    async def begin(workers: int = 1, **environment: str) -> Served:
        port, inside = free_port(), free_port()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.identity_core.served", str(port), str(inside), str(workers)),
            cwd=ROOT,
            env=os.environ | environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        started.append(Served(process, port, inside))
        return started[-1]

    yield begin
    for served in started:
        await served.public.aclose()
        await served.inside.aclose()
        if served.process.returncode is None:
            served.process.kill()
            await served.process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_running_request_is_finished_before_the_service_stops(
    start: Start, number: signal.Signals, tmp_path: Path
) -> None:
    served = await start(TEST_STOP_NOTE=str(tmp_path / "note"))
    await served.ready()
    assert (await served.public.get("/who")).headers.get("server") is None
    slow = asyncio.create_task(served.public.get("/slow"))
    await asyncio.sleep(0.2)
    served.process.send_signal(number)
    assert (await slow).text == "done"
    code, _ = await served.ended()
    assert code == 0
    assert (tmp_path / "note").read_text() == "stopped"


async def test_the_listeners_are_apart(start: Start) -> None:
    served = await start()
    await served.ready()
    assert (await served.public.get("/metrics")).status_code == 404
    assert (await served.inside.get("/who")).status_code == 404


async def test_a_start_fault_of_the_application_is_one_sentence(start: Start) -> None:
    served = await start(TEST_FAIL_START="1")
    code, output = await served.ended()
    assert code == 78
    assert output.strip().splitlines()[-1] == "The test's store is away: start it."
    assert "Traceback" not in output


async def test_a_taken_port_is_one_sentence_with_the_setting_to_change() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        app = create_app(settings())
        with pytest.raises(StartFault, match=rf"Port {taken} on 127\.0\.0\.1 is taken: .*GATEHOUSE_AUTHZ_PORT"):
            await serve(app, management_app_for(app), settings(taken))
        with pytest.raises(StartFault, match="GATEHOUSE_AUTHZ_MANAGEMENT_PORT"):
            await serve(app, management_app_for(app), settings(free_port(), taken))
    with pytest.raises(StartFault, match="cannot be listened on"):
        bind("192.0.2.1", 80, "GATEHOUSE_AUTHZ_PORT")


async def test_a_certificate_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    file.write_text("nonsense")
    given = {"GATEHOUSE_TLS_CERTFILE": str(file), "GATEHOUSE_TLS_KEYFILE": str(file)}
    app = create_app(settings())
    with pytest.raises(StartFault, match="TLS certificate or key cannot be used"):
        await serve(app, management_app_for(app), settings(free_port(), free_port(), **given))


async def test_workers_share_the_port_sum_their_metrics_and_are_replaced_when_they_die(start: Start) -> None:
    served = await start(workers=2)
    await served.ready()
    pids: set[int] = set()
    asked = 0
    async with asyncio.timeout(60):
        while len(pids) < 2:
            # A connection of its own each time, so that either worker may take it.
            async with httpx.AsyncClient(base_url=served.public.base_url) as client:
                answers = await asyncio.gather(*(client.get("/who") for _ in range(8)))
            asked += len(answers)
            pids |= {answer.json()["pid"] for answer in answers}
    page = (await served.inside.get("/metrics")).text
    counted = next(line for line in page.splitlines() if line.startswith("gatehouse_http_requests_total{"))
    assert 'route="/who"' in counted
    assert float(counted.rsplit(" ", 1)[1]) == asked

    victim = min(pids)
    os.kill(victim, signal.SIGKILL)
    later: set[int] = set()
    async with asyncio.timeout(60):
        while len(later - {victim}) < 2:
            async with httpx.AsyncClient(base_url=served.public.base_url) as client:
                answers = await asyncio.gather(*(client.get("/who") for _ in range(8)))
            later |= {answer.json()["pid"] for answer in answers}
    assert victim not in later

    served.process.terminate()
    code, output = await served.ended()
    assert code == 0
    assert '"event":"worker.died"' in output
    for pid in later:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_workers_that_cannot_start_end_with_their_sentence(start: Start) -> None:
    served = await start(workers=2, TEST_FAIL_START="1")
    code, output = await served.ended()
    assert code == 78
    assert output.strip().splitlines()[-1] == "The test's store is away: start it."


async def test_workers_whose_parent_vanished_stop(start: Start, tmp_path: Path) -> None:
    # A folder of ours: a killed parent cannot remove its own.
    served = await start(workers=2, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    await served.ready()
    served.process.kill()
    async with asyncio.timeout(60):
        while True:
            try:
                async with httpx.AsyncClient(base_url=served.public.base_url) as client:
                    await client.get("/who")
            except httpx.TransportError:
                break
            await asyncio.sleep(0.1)


class _Client:
    """A client that says exactly what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, text: bytes) -> bytes:
        self.writer.write(text)
        async with asyncio.timeout(30):
            return await self.reader.read(65536)


@pytest.fixture
async def raw(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], Awaitable[_Client]]]:
    monkeypatch.setattr(BoundedHttpProtocol, "header_seconds", 0.3)
    stop, started = asyncio.Event(), asyncio.Event()
    listeners = bind("127.0.0.1", 0, "x"), bind("127.0.0.1", 0, "x")
    port = listeners[0].getsockname()[1]
    app = create_app(settings())
    serving = asyncio.create_task(
        serve(app, management_app_for(app), settings(), sockets=listeners, stop=stop, on_started=started.set)
    )
    await started.wait()
    writers: list[asyncio.StreamWriter] = []

    async def connect() -> _Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        return _Client(reader, writer)

    yield connect
    for writer in writers:
        writer.close()
    stop.set()
    await serving


Connect = Callable[[], Awaitable[_Client]]


async def test_ordinary_requests_are_answered_one_after_another(raw: Connect) -> None:
    client = await raw()
    for _ in range(3):
        answer = await client.say(b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        await asyncio.sleep(0.2)


async def test_a_slow_body_is_not_a_slow_header(raw: Connect) -> None:
    client = await raw()
    client.writer.write(b"POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\na")
    await asyncio.sleep(0.6)
    assert (await client.say(b"b")).endswith(b"2")


@pytest.mark.parametrize(
    "headers",
    [
        b"".join(b"x-%d: 1\r\n" % number for number in range(200)),
        b"x: " + b"y" * (MAX_HEADER_BYTES + 1) + b"\r\n",
    ],
)
async def test_too_many_or_too_large_headers_are_431(raw: Connect, headers: bytes) -> None:
    client = await raw()
    answer = await client.say(b"GET /who HTTP/1.1\r\nhost: x\r\n" + headers + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431")


async def test_a_header_that_never_ends_is_cut_off(raw: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHttpProtocol, "header_seconds", 3600)
    client = await raw()
    client.writer.write(b"GET /who HTTP/1.1\r\nhost: x\r\nx: ")

    async def go_on() -> None:
        while True:
            client.writer.write(b"y" * 4096)
            await client.writer.drain()
            await asyncio.sleep(0.001)

    async with asyncio.timeout(30):
        with pytest.raises(ConnectionError):
            await go_on()


@pytest.mark.parametrize("begin", [b"", b"\r\n", b"GET /who HTTP/1.1\r\nhost: x\r\n"])
async def test_headers_that_take_their_time_are_408(raw: Connect, begin: bytes) -> None:
    client = await raw()
    assert (await client.say(begin)).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    "begin", [b"NONSENSE\r\n\r\n", b"GET /who HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"]
)
async def test_what_is_no_http_is_400(raw: Connect, begin: bytes) -> None:
    client = await raw()
    assert (await client.say(begin)).startswith(b"HTTP/1.1 400")
