"""The embedded PostgreSQL: what it is, what it keeps, how it is frozen and killed."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gatehouse.dev.devservers import DevServerError, PostgresServer
from gatehouse.dev.devservers.places import throw_away_place
from gatehouse.dev.devservers.processes import free_port, processes_in, wait_until

pytestmark = pytest.mark.stores

_OTHER_PROCESS = """
import sys, time
from pathlib import Path
from gatehouse.dev.devservers import PostgresServer
base = Path(sys.argv[1])
server = PostgresServer.start(base, keep=sys.argv[2] == "keep")
print(server.place.data, server.url, flush=True)
if sys.argv[3:] == ["freeze"]:
    server.freeze()
    print("frozen", flush=True)
time.sleep(600)
"""


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder that the servers' account can enter (pytest's own is closed to others)."""
    place = throw_away_place(None, "kept")
    kept = place.base / "kept"
    kept.mkdir(mode=0o755)
    yield kept
    place.close()


async def ask(url: str, question: str) -> Any:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def another_process(*words: str) -> tuple[subprocess.Popen[str], Path, str]:
    """Starts a PostgreSQL in a process of its own; returns it, the data folder and the URL."""
    process = subprocess.Popen([sys.executable, "-c", _OTHER_PROCESS, *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    data, url = process.stdout.readline().split()
    return process, Path(data), url


async def test_it_is_utf8_in_the_c_locale_with_200_connections(
    private_postgres: Callable[[], PostgresServer],
) -> None:
    url = private_postgres().url
    assert await ask(url, "SHOW server_encoding") == "UTF8"
    assert await ask(url, "SELECT datcollate FROM pg_database WHERE datname = current_database()") == "C"
    assert await ask(url, "SHOW max_connections") == "200"
    assert await ask(url, "SHOW timezone") == "UTC"
    assert await ask(url, "SELECT current_user || ' ' || rolsuper FROM pg_roles WHERE rolname = current_user") == (
        "gatehouse true"
    )


async def test_it_listens_on_loopback_and_asks_for_the_password(
    private_postgres: Callable[[], PostgresServer],
) -> None:
    server = private_postgres()
    assert await ask(server.url, "SHOW listen_addresses") == "127.0.0.1"
    assert await ask(server.url, "SHOW unix_socket_directories") == ""
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.url.replace(server.url.split(":")[2].split("@")[0], "wrong"))


async def test_it_syncs_to_disk_only_what_is_kept(base: Path) -> None:
    with PostgresServer.start() as thrown_away, PostgresServer.start(base, keep=True) as kept:
        assert await ask(thrown_away.url, "SHOW fsync") == "off"
        assert await ask(kept.url, "SHOW fsync") == "on"


async def test_several_run_at_once_and_know_nothing_of_each_other(
    private_postgres: Callable[[], PostgresServer],
) -> None:
    one, two = private_postgres(), private_postgres()
    one.execute("CREATE TABLE here ()", database="gatehouse")
    assert await ask(one.url, "SELECT to_regclass('here') IS NOT NULL") is True
    assert await ask(two.url, "SELECT to_regclass('here') IS NULL") is True


async def test_a_database_is_cloned_from_a_template_and_dropped_while_in_use(
    private_postgres: Callable[[], PostgresServer],
) -> None:
    server = private_postgres()
    server.execute("CREATE TABLE t AS SELECT 7 AS n", database=server.create_database("first").rpartition("/")[2])
    url = server.create_database("second", template="first")
    assert await ask(url, "SELECT n FROM t") == 7
    connection = await asyncpg.connect(url)
    server.drop_database("second")
    with pytest.raises(asyncpg.PostgresError):
        await asyncpg.connect(url)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await connection.execute("SELECT 1")


@pytest.mark.parametrize("name", ["", 'a"b', "a b", "A", "x; DROP DATABASE gatehouse", "a\n"])
def test_a_strange_database_name_is_refused(private_postgres: Callable[[], PostgresServer], name: str) -> None:
    with pytest.raises(DevServerError, match="plain database name"):
        private_postgres().create_database(name)


async def test_kept_data_and_password_outlive_the_server(base: Path) -> None:
    with PostgresServer.start(base, keep=True) as server:
        server.execute("CREATE TABLE t AS SELECT 1 AS n", database="gatehouse")
        name, secret = server.place.data.name, server.url.split("@")[0]
    assert name == f"postgresql-{server.version.split('.')[0]}"
    assert (base / name / "PG_VERSION").exists()
    assert stat.S_IMODE((base / f"{name}.password").stat().st_mode) == 0o600
    with PostgresServer.start(base, keep=True) as again:
        assert again.url.split("@")[0] == secret
        assert await ask(again.url, "SELECT n FROM t") == 1


def test_thrown_away_data_is_gone_after_stop() -> None:
    with PostgresServer.start() as server:
        assert server.place.data.is_dir()
    assert not server.place.base.exists()
    assert not server.alive


async def test_a_killed_server_recovers_what_was_committed(
    private_postgres: Callable[[], PostgresServer],
) -> None:
    server = private_postgres()
    url = server.url
    server.execute("CREATE TABLE t AS SELECT 1 AS n", database="gatehouse")
    server.kill()
    assert not server.alive
    assert processes_in(server.place.data) == []
    with pytest.raises(OSError):
        await asyncpg.connect(url)
    server.restart()
    assert server.url == url
    assert await ask(url, "SELECT n FROM t") == 1


async def test_a_frozen_server_answers_nothing_until_it_is_thawed(
    private_postgres: Callable[[], PostgresServer],
) -> None:
    server = private_postgres()
    connection = await asyncpg.connect(server.url)
    server.freeze()
    assert server.alive
    with pytest.raises(TimeoutError):
        await connection.fetchval("SELECT 1", timeout=0.3)
    with pytest.raises(TimeoutError):
        await asyncpg.connect(server.url, timeout=0.3)
    server.thaw()
    assert await ask(server.url, "SELECT 1") == 1


def test_a_frozen_server_can_be_stopped() -> None:
    server = PostgresServer.start()
    server.freeze()
    server.stop()
    assert not server.alive
    assert not server.place.base.exists()


def test_stopping_twice_is_no_error() -> None:
    server = PostgresServer.start()
    server.stop()
    server.stop()
    assert not server.alive


def test_a_folder_in_use_is_refused(base: Path) -> None:
    with (
        PostgresServer.start(base, keep=True),
        pytest.raises(DevServerError, match="in use by another run"),
    ):
        PostgresServer.start(base, keep=True)


def test_a_port_in_use_is_named(private_postgres: Callable[..., PostgresServer]) -> None:
    port = private_postgres().port
    with pytest.raises(DevServerError, match=f"port {port} is in use"):
        PostgresServer.start(port=port)


def test_a_port_can_be_chosen(private_postgres: Callable[..., PostgresServer]) -> None:
    port = free_port()
    assert private_postgres(port=port).port == port


def test_a_wrong_setting_is_told_in_the_servers_own_words() -> None:
    with pytest.raises(DevServerError, match="max_connections"):
        PostgresServer.start(settings={"max_connections": "many"})


def test_data_to_keep_needs_a_folder() -> None:
    with pytest.raises(DevServerError, match="folder"):
        PostgresServer.start(keep=True)


async def test_a_run_killed_in_the_middle_takes_its_server_with_it_and_the_next_one_starts(
    base: Path,
) -> None:
    process, data, url = another_process(str(base), "keep")
    assert await ask(url, "SELECT 1") == 1
    await ask(url, "CREATE TABLE t AS SELECT 5 AS n")
    process.kill()
    process.wait()
    with PostgresServer.start(base, keep=True) as server:
        assert server.place.data == data
        assert await ask(server.url, "SELECT n FROM t") == 5


def test_a_pid_file_left_behind_does_not_stop_the_next_start(base: Path) -> None:
    with PostgresServer.start(base, keep=True) as server:
        data = server.place.data
    # As after a power cut, when the old server's number now belongs to another process of the same user.
    sleeper = subprocess.Popen(["sleep", "600"], user=data.stat().st_uid if os.geteuid() == 0 else None)
    try:
        (data / "postmaster.pid").write_text(f"{sleeper.pid}\n{data}\n1\n5432\n\n127.0.0.1\n0 0\nready\n")
        with PostgresServer.start(base, keep=True) as again:
            assert again.alive
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_folder_left_frozen_by_a_killed_run_is_swept_by_the_next_start(base: Path) -> None:
    process, data, _ = another_process(str(base), "throw")
    process.send_signal(signal.SIGKILL)
    process.wait()
    frozen, frozen_data, _ = another_process(str(base), "throw", "freeze")
    assert frozen.stdout is not None
    assert frozen.stdout.readline() == "frozen\n"
    frozen.kill()
    frozen.wait()
    assert frozen_data.exists()
    PostgresServer.start(base).stop()
    assert not data.parent.exists()
    assert not frozen_data.parent.exists()
    wait_until(lambda: not processes_in(frozen_data), 10, lambda: "frozen processes were left")
