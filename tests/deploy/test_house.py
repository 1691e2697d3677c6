"""The house of compose.yaml without containers: its commands and its environments, as processes of this machine.

Host names of the compose network become addresses here; everything else is what the file says, the default ports
included, so nothing may listen on them.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from gatehouse.dev.devservers import PostgresServer
from gatehouse.dev.devservers.programs import find_valkey
from tests.deploy.house import REPOSITORY, filled, inherited, make_env, read_env, services, stages

READY_SECONDS = 60


class Spans:
    """Stands where the collector is: counts what is sent to /v1/traces."""

    def __init__(self) -> None:
        self.received = 0
        outer = self

        class Sink(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                outer.received += self.path == "/v1/traces"
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"


class House:
    """What the processes need: the filled file, and where each name of its network is on this machine."""

    def __init__(self, env: dict[str, str], addresses: dict[str, str], folder: Path) -> None:
        self.env = env
        self.folder = folder
        self._addresses = addresses

    def environment(self, name: str) -> dict[str, str]:
        given: dict[str, str] = filled(services()[name]["environment"], self.env)
        for there, here in self._addresses.items():
            given = {key: value.replace(there, here) for key, value in given.items()}
        return {"PATH": os.defpath, "LANG": "C.UTF-8"} | given

    def run(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command],
            check=False,
            env=self.environment(name),
            cwd=self.folder,
            capture_output=True,
            text=True,
        )

    @contextmanager
    def lasting(self, name: str, *command: str) -> Iterator[None]:
        """The process, from the moment its image's own health check passes until its clean end."""
        log = self.folder / f"{name}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, *command], env=self.environment(name), cwd=self.folder, stdout=output, stderr=output
            )
        asked = json.loads(inherited(stages()[name], "HEALTHCHECK").removeprefix("CMD"))
        until = time.monotonic() + READY_SECONDS
        try:
            while subprocess.run([sys.executable, *asked[1:]], check=False, capture_output=True).returncode:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.2)
            yield
        finally:
            process.terminate()
            code = process.wait(30)
        assert code == 0, log.read_text()


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    assert make_env(tmp_path).returncode == 0
    return read_env(tmp_path)


@pytest.fixture
def valkey(env: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The compose file's own command with the machine's Valkey; answers its address."""
    programs, data = tmp_path / "programs", tmp_path / "valkey"
    for folder in (programs, data):
        folder.mkdir()
    (programs / "valkey-server").symlink_to(find_valkey().path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    service = filled(services()["valkey"], env)
    *shell, script = service["command"]
    script = script.replace("/data", str(data)).replace("appendonly", f"port {port}\nappendonly", 1)
    process = subprocess.Popen(
        [*shell, script],
        env=service["environment"] | {"PATH": f"{programs}:{os.defpath}"},
        stdout=subprocess.DEVNULL,
    )
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


@pytest.fixture
async def postgres(env: dict[str, str], private_postgres: Callable[[], PostgresServer]) -> str:
    """A server with the user and the database that the compose file has made; answers its address."""
    server = private_postgres()
    made = services()["postgres"]["environment"]
    owner, database = made["POSTGRES_USER"], made["POSTGRES_DB"]
    connection = await asyncpg.connect(server.url)
    # The superuser of a private server has the same name as the image's.
    assert owner == await connection.fetchval("SELECT current_user")
    await connection.execute(f"ALTER ROLE {owner} PASSWORD '{env['POSTGRES_PASSWORD']}'")
    if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", database):
        await connection.execute(f"CREATE DATABASE {database}")
    await connection.close()
    return server.url.rpartition("@")[2].partition("/")[0]


@pytest.mark.slow
def test_valkey_asks_for_the_password_and_evicts_nothing(valkey: str, env: dict[str, str]) -> None:
    host, _, port = valkey.partition(":")
    client = redis.Redis(
        host,
        int(port),
        password=env["VALKEY_PASSWORD"],
        retry=Retry(ConstantBackoff(0.1), 50),
    )
    assert client.ping()
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert client.config_get("appendonly") == {"appendonly": "yes"}
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(host, int(port)).ping()


@pytest.mark.soak
async def test_the_whole_house_starts_in_order_and_the_demo_signs_in(
    env: dict[str, str], postgres: str, valkey: str, tmp_path: Path
) -> None:
    spans = Spans()
    addresses = {"postgres:5432": postgres, "valkey:6379": valkey, "collector:4318": spans.address}
    house = House(env, addresses, tmp_path)
    for name, command in (("migrate", ("-m", "gatehouse", "migrate")), ("seed", (f"{REPOSITORY}/deploy/seed.py",))):
        for _ in range(2):  # a second `up` runs the jobs again
            done = house.run(name, *command)
            assert done.returncode == 0, done.stdout + done.stderr

    facts = {"demo_url": "http://127.0.0.1:8010"} | {
        "user": {"username": "ada", "password": env["USER_PASSWORD"], "email": "ada@example.com"}
    }
    (tmp_path / "dev.json").write_text(json.dumps(facts))
    with ExitStack() as running:
        for name in ("authz", "scim", "sessions"):
            running.enter_context(house.lasting(name, "-m", "gatehouse", "serve", name))
        running.enter_context(house.lasting("demo", f"{REPOSITORY}/deploy/serve_demo.py"))
        signed_in = house.run("demo", f"{REPOSITORY}/deploy/sign_in.py", "--dev-json", str(tmp_path / "dev.json"))
        assert signed_in.returncode == 0, signed_in.stderr
        assert "Ada" in signed_in.stdout
    assert spans.received > 0
