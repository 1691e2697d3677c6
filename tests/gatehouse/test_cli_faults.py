"""How commands end badly: one sentence with the mend, or one JSON document, and the exit code of docs/exit-codes.md."""

import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from gatehouse.cli import app, settings_of
from gatehouse.dev.devservers import PostgresServer
from gatehouse.faults import CommandFault, ExitCode
from identity_core.settings import SettingsError
from identity_core.testing.stores import Postgres
from tests.gatehouse.cli_driver import Gatehouse

DOCUMENT = Path(__file__).parents[2] / "docs" / "exit-codes.md"


def test_every_exit_code_is_documented_with_its_word() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| `([a-z_]+)` \|", DOCUMENT.read_text(), re.MULTILINE))
    assert rows == {str(code.value): code.word for code in ExitCode}


@pytest.mark.parametrize(
    "arguments",
    [
        ["unknown"],
        ["client", "create"],
        ["serve", "nobody"],
        ["serve", "authz", "--workers", "0"],
        ["session", "revoke"],
        ["session", "revoke", "--everybody", "--user", "ada"],
        ["session", "revoke", "not-a-uuid"],
        ["dev", "--port-base", "-1"],
        ["dev", "--otel", "loud"],
    ],
)
def test_wrong_usage_is_2_and_points_to_the_help(gatehouse: Gatehouse, arguments: list[str]) -> None:
    ended = gatehouse(*arguments)
    assert ended.code == ExitCode.USAGE
    assert ended.err.startswith("gatehouse: ")
    assert "--help" in ended.err
    document = gatehouse(*arguments, "--json")
    assert document.code == ExitCode.USAGE
    assert document.error()["code"] == "usage"


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "authz"],
        ["migrate", "--check"],
        ["client", "list"],
        ["user", "create", "bob"],
        ["key", "list"],
        ["session", "list"],
    ],
)
def test_missing_settings_are_3(gatehouse: Gatehouse, arguments: list[str]) -> None:
    ended = gatehouse(*arguments, "--json")
    assert ended.code == ExitCode.SETTINGS
    error = ended.error()
    assert error["code"] == "settings"
    assert error["message"]
    assert error["mend"]


def test_an_unknown_setting_is_3_with_the_nearest_known_one(
    gatehouse: Gatehouse, postgres: Postgres, redis_url: str
) -> None:
    gatehouse.use(postgres, redis_url)
    gatehouse.set(GATEHOUSE_LOG_LEVLE="debug")
    ended = gatehouse("serve", "scim")
    assert ended.code == ExitCode.SETTINGS
    assert ended.err == "gatehouse: GATEHOUSE_LOG_LEVLE is not a setting: did you mean GATEHOUSE_LOG_LEVEL?\n"


def test_several_settings_faults_are_told_at_once(gatehouse: Gatehouse, postgres: Postgres, redis_url: str) -> None:
    gatehouse.use(postgres, redis_url)
    gatehouse.set(GATEHOUSE_TAG_KEY="short", GATEHOUSE_LOG_LEVEL="loud")
    ended = gatehouse("serve", "scim")
    assert ended.code == ExitCode.SETTINGS
    assert "GATEHOUSE_TAG_KEY" in ended.err
    assert "GATEHOUSE_LOG_LEVEL" in ended.err


def test_what_another_service_reads_is_no_unknown_setting(
    gatehouse: Gatehouse, postgres: Postgres, redis_url: str
) -> None:
    gatehouse.use(postgres, redis_url)
    gatehouse.set(GATEHOUSE_KEY_ENCRYPTION_KEY="k1:" + "A" * 43 + "=")
    assert gatehouse("session", "list").code == ExitCode.OK
    assert {"GATEHOUSE_KEY_ENCRYPTION_KEY", "GATEHOUSE_HASH_THREADS"} <= settings_of.EVERY_NAME


def test_an_unreachable_postgresql_is_4(gatehouse: Gatehouse, postgres: Postgres, redis_url: str) -> None:
    gatehouse.use(postgres, redis_url)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        gone = f"postgresql://gatehouse_scim:secret-pw@127.0.0.1:{nobody.getsockname()[1]}/gh"
        gatehouse.set(GATEHOUSE_SCIM_DATABASE_URL=gone, GATEHOUSE_DATABASE_URL=gone)
        for arguments in (["user", "create", "x"], ["serve", "scim"], ["migrate"]):
            gatehouse.set(GATEHOUSE_SCIM_PORT="0", GATEHOUSE_SCIM_MANAGEMENT_PORT="0")
            ended = gatehouse(*arguments)
            assert ended.code == ExitCode.STORE, arguments
            assert "cannot be reached" in ended.err
            assert "secret-pw" not in ended.err
            assert len(ended.err.splitlines()) == 1


def test_an_unreachable_redis_is_4(gatehouse: Gatehouse, postgres: Postgres, redis_url: str) -> None:
    gatehouse.use(postgres, redis_url)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        gatehouse.set(
            GATEHOUSE_REDIS_URL=f"redis://:secret-pw@127.0.0.1:{nobody.getsockname()[1]}/0",
            GATEHOUSE_AUTHZ_PORT="0",
            GATEHOUSE_AUTHZ_MANAGEMENT_PORT="0",
        )
        ended = gatehouse("serve", "authz")
    assert ended.code == ExitCode.STORE
    assert "Redis at 127.0.0.1" in ended.err
    assert "secret-pw" not in ended.err


def test_a_database_that_was_never_migrated_is_5(
    gatehouse: Gatehouse, redis_url: str, private_postgres: Callable[[], PostgresServer]
) -> None:
    url = private_postgres().url
    gatehouse.use(Postgres(url, url, url, url), redis_url)
    gatehouse.set(GATEHOUSE_SCIM_PORT="0", GATEHOUSE_SCIM_MANAGEMENT_PORT="0")
    for arguments in (["migrate", "--check"], ["serve", "scim"], ["client", "list"]):
        ended = gatehouse(*arguments)
        assert ended.code == ExitCode.MIGRATION, ended.err
        assert "run `gatehouse migrate`" in ended.err


def test_a_taken_port_is_6_and_names_the_setting(gatehouse: Gatehouse, postgres: Postgres, redis_url: str) -> None:
    gatehouse.use(postgres, redis_url)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gatehouse.set(GATEHOUSE_AUTHZ_PORT=str(port), GATEHOUSE_AUTHZ_MANAGEMENT_PORT="0")
        ended = gatehouse("serve", "authz")
    assert ended.code == ExitCode.PORT
    assert f"Port {port} on 127.0.0.1 is taken" in ended.err
    assert "GATEHOUSE_AUTHZ_PORT" in ended.err


def test_dev_on_taken_ports_is_6_and_starts_nothing(gatehouse: Gatehouse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        base = taken.getsockname()[1]
        if base > 65_000:
            base -= 1_000
            with socket.create_server(("127.0.0.1", base)):
                ended = gatehouse("dev", "--port-base", str(base))
        else:
            ended = gatehouse("dev", "--port-base", str(base))
    assert ended.code == ExitCode.PORT
    assert f"{base} (authz)" in ended.err
    assert "--port-base" in ended.err
    assert not gatehouse.data.exists()


def test_dev_tells_a_wrong_setting_before_anything_starts(gatehouse: Gatehouse) -> None:
    gatehouse.set(GATEHOUSE_LOG_LEVEL="loud")
    ended = gatehouse("dev", "--port-base", "0")
    assert ended.code == ExitCode.SETTINGS
    assert "GATEHOUSE_LOG_LEVEL" in ended.err
    assert ended.out == ""
    assert not (gatehouse.data / "logs").exists()


def test_dev_in_a_folder_that_cannot_be_used_is_3(gatehouse: Gatehouse, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = gatehouse("dev", "--port-base", "0", "--data", str(tmp_path / "file" / "data"))
    assert ended.code == ExitCode.SETTINGS
    assert "--data" in ended.err


def test_an_interruption_is_130(gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(data: Path) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("gatehouse.cli.surroundings.owner_environment", interrupted)
    assert gatehouse("migrate").code == ExitCode.INTERRUPTED


def test_what_nobody_foresaw_is_1_and_a_file_holds_the_traceback(
    gatehouse: Gatehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(data: Path) -> NoReturn:
        raise ZeroDivisionError("password=hunter2")

    monkeypatch.setattr("gatehouse.cli.surroundings.owner_environment", broken)
    ended = gatehouse("migrate")
    assert ended.code == ExitCode.UNEXPECTED
    assert "hunter2" not in ended.err
    assert "Traceback" not in ended.err
    found = re.search(r"the details are in (\S+\.log)", ended.err)
    assert found
    log = Path(found[1])
    assert "ZeroDivisionError" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
    log.unlink()


def test_without_the_packages_it_is_12_and_one_sentence(tmp_path: Path) -> None:
    source = Path(app.__file__).parents[2]
    # -S: an interpreter without site-packages, as outside the virtual environment.
    command = [sys.executable, "-S", "-m", "gatehouse", "doctor"]
    for extra in ([], ["--json"]):
        ended = subprocess.run(
            [*command, *extra],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(source)},
            cwd=tmp_path,
            check=False,
        )
        assert ended.returncode == ExitCode.NOT_INSTALLED
        assert len(ended.stderr.splitlines()) == 1
        assert "make venv" in ended.stderr


def test_help_is_no_fault(gatehouse: Gatehouse) -> None:
    for arguments in ([], ["--help"], ["client", "--help"], ["session", "revoke", "--help"]):
        ended = gatehouse(*arguments)
        assert ended.code == ExitCode.OK
        assert "Usage" in ended.out


@pytest.mark.parametrize(
    ("sentence", "message", "mend"),
    [
        ("Port 1 is taken: stop it.", "Port 1 is taken", "stop it"),
        ("PostgreSQL at a:1 is away; start it.", "PostgreSQL at a:1 is away", "start it"),
        ("It is broken.", "It is broken", ""),
    ],
)
def test_a_sentence_of_another_room_becomes_a_fault(sentence: str, message: str, mend: str) -> None:
    fault = CommandFault.from_sentence(ExitCode.STORE, sentence)
    assert (fault.message, fault.mend) == (message, mend)
    assert fault.document() == {"error": {"code": "store", "message": message, "mend": mend}}


def test_many_settings_faults_stand_in_the_document_too() -> None:
    fault = app.as_fault(SettingsError(["A is missing: set it to x.", "B is missing: set it to y."]))
    assert fault.exit_code is ExitCode.SETTINGS
    assert "A is missing" in fault.mend
    assert "B is missing" in fault.mend
