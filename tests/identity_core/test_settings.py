"""Settings: every fault at once, one sentence each with its mend, and no secret in any."""

import base64
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from identity_core.settings import (
    Kind,
    ServiceSettings,
    SettingsError,
    boolean,
    choice,
    describe,
    integer,
    is_loopback,
    key,
    load,
    names,
    networks,
    number,
    path,
    setting,
    text,
    texts,
    url,
)

KEY = base64.b64encode(bytes(range(32))).decode()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExampleSettings(ServiceSettings):
    service: ClassVar[str] = "scim"

    tries: int = setting("GATEHOUSE_SCIM_TRIES", integer(1, 9), default=3, doc="How often.")
    pepper: bytes | None = setting("GATEHOUSE_SCIM_PEPPER", key(32), default=None, secret=True, doc="A secret.")

    def check(self) -> Iterator[str]:
        yield from super().check()
        if self.tries == 7:
            yield "GATEHOUSE_SCIM_TRIES must not be seven: choose another."


def environment(**more: str) -> dict[str, str]:
    return {
        "GATEHOUSE_SCIM_DATABASE_URL": "postgresql://gatehouse_scim:hidden@localhost/gatehouse",
        "GATEHOUSE_REDIS_URL": "redis://localhost:6379",
        "GATEHOUSE_TAG_KEY": KEY,
        "GATEHOUSE_ISSUER": "https://id.example",
        "GATEHOUSE_SCIM_BASE_URL": "https://scim.example/scim/v2",
        "GATEHOUSE_SESSIONS_BASE_URL": "https://sessions.example",
        "PATH": "/bin",
        **more,
    }


def faults(environ: dict[str, str], known_elsewhere: frozenset[str] = frozenset()) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(ExampleSettings, environ, known_elsewhere=known_elsewhere)
    return caught.value.faults


def test_a_full_environment_is_read_with_the_service_s_own_defaults() -> None:
    settings = load(ExampleSettings, environment())
    assert settings.env == "production"
    assert settings.database_url.endswith("/gatehouse")
    assert settings.tag_key == bytes(range(32))
    assert (settings.host, settings.port) == ("127.0.0.1", 8001)
    assert (settings.management_host, settings.management_port) == ("127.0.0.1", 8101)
    assert (settings.db_pool_size, settings.lease_seconds, settings.otel) == (10, 5.0, "off")
    assert settings.trusted_proxies == ()
    assert settings.tries == 3


def test_settings_are_frozen() -> None:
    settings = load(ExampleSettings, environment())
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]


def test_every_fault_is_told_at_once_with_its_mend() -> None:
    told = faults(
        {
            "GATEHOUSE_REDIS_URL": "localhost",
            "GATEHOUSE_SCIM_PORT": "eighty",
            "GATEHOUSE_ISUER": "https://id.example",
            "GATEHOUSE_TAG_KEY": "c2hvcnQ=",
            "GATEHOUSE_SCIM_BASE_URL": "https://scim.example?x=1",
            "GATEHOUSE_SESSIONS_BASE_URL": "https://sessions.example",
        }
    )
    assert [fault.split()[0] for fault in told] == [
        "GATEHOUSE_SCIM_DATABASE_URL",
        "GATEHOUSE_REDIS_URL",
        "GATEHOUSE_TAG_KEY",
        "GATEHOUSE_ISSUER",
        "GATEHOUSE_SCIM_BASE_URL",
        "GATEHOUSE_SCIM_PORT",
        "GATEHOUSE_ISUER",
    ]
    assert told[-1] == "GATEHOUSE_ISUER is not a setting: did you mean GATEHOUSE_ISSUER?"
    assert all("set it to" in fault for fault in told[:-1])
    assert all(fault.count("\n") == 0 for fault in told)


def test_no_secret_is_in_a_fault_or_in_the_repr() -> None:
    told = faults(environment(GATEHOUSE_REDIS_URL="hunter2-redis", GATEHOUSE_TAG_KEY="hunter2-key"))
    assert "hunter2" not in " ".join(told)
    shown = repr(load(ExampleSettings, environment()))
    assert "hidden" not in shown
    assert "tag_key" not in shown
    assert "id.example" in shown


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "tag_key"
    file.write_text(f"{KEY}\n")
    given = environment(GATEHOUSE_TAG_KEY_FILE=str(file))
    del given["GATEHOUSE_TAG_KEY"]
    assert load(ExampleSettings, given).tag_key == bytes(range(32))


def test_a_secret_given_twice_or_by_an_unreadable_file_is_a_fault(tmp_path: Path) -> None:
    [both] = faults(environment(GATEHOUSE_TAG_KEY_FILE="/dev/null"))
    assert both == "GATEHOUSE_TAG_KEY and GATEHOUSE_TAG_KEY_FILE are both set: keep one of them."
    given = environment(GATEHOUSE_TAG_KEY_FILE=str(tmp_path / "absent"))
    del given["GATEHOUSE_TAG_KEY"]
    assert faults(given) == ["GATEHOUSE_TAG_KEY_FILE cannot be read: give the path of a readable text file."]


def test_only_secrets_may_come_from_files() -> None:
    [told] = faults(environment(GATEHOUSE_ISSUER_FILE="/etc/hostname"))
    assert told.startswith("GATEHOUSE_ISSUER_FILE is not a setting")


def test_names_of_other_rooms_are_accepted_and_typing_errors_are_not() -> None:
    load(
        ExampleSettings,
        environment(GATEHOUSE_AUTHZ_PORT="1", GATEHOUSE_DATABASE_URL="x", GATEHOUSE_KEY_ENCRYPTION_KEY_FILE="/x"),
    )
    load(ExampleSettings, environment(GATEHOUSE_LATER="1"), known_elsewhere=frozenset({"GATEHOUSE_LATER"}))
    assert faults(environment(GATEHOUSE_LATER="1")) == ["GATEHOUSE_LATER is not a setting: remove it."]
    [told] = faults(environment(GATEHOUSE_SCIM_TRYS="1"))
    assert "did you mean GATEHOUSE_SCIM_TRIES?" in told


def test_rules_between_fields_are_faults_too() -> None:
    assert faults(environment(GATEHOUSE_SCIM_TRIES="7")) == ["GATEHOUSE_SCIM_TRIES must not be seven: choose another."]
    [tls] = faults(environment(GATEHOUSE_TLS_CERTFILE="/etc/hostname"))
    assert "set both or neither" in tls
    [otel] = faults(environment(GATEHOUSE_OTEL="otlp"))
    assert "GATEHOUSE_OTEL_ENDPOINT" in otel


@pytest.mark.parametrize("issuer", ["http://id.example", "http://localhost.example"])
def test_http_is_for_development_and_loopback(issuer: str) -> None:
    [told] = faults(environment(GATEHOUSE_ISSUER=issuer))
    assert "must be https" in told
    load(ExampleSettings, environment(GATEHOUSE_ISSUER=issuer, GATEHOUSE_ENV="development"))
    load(ExampleSettings, environment(GATEHOUSE_ISSUER="http://localhost:8000"))


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (url(), "https://A.Example:443/x/", "https://a.example/x"),
        (url(), "http://[::1]:8000", "http://[::1]:8000"),
        (boolean(), "true", True),
        (boolean(), "0", False),
        (integer(-5, 5), "-5", -5),
        (number(0, 1), "0.25", 0.25),
        (networks(), "10.0.0.0/8, 192.0.2.1", 2),
        (networks(), "", 0),
        (texts(), "a, b", ("a", "b")),
        (texts(), "", ()),
        (key(2), "_-8", bytes([0xFF, 0xEF])),
        (text(pattern="[a-z]+"), "abc", "abc"),
        (choice("a", "b"), "b", "b"),
        (path(), __file__, Path(__file__)),
    ],
)
def test_what_is_well_written_is_read(kind: Kind[object], raw: str, value: object) -> None:
    parsed = kind.parse(raw)
    assert (len(parsed) if kind.name == "list of CIDR" else parsed) == value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (url(), "ftp://a"),
        (url(), "https://user@a"),
        (url(), "https://a#f"),
        (url(), "https://a?"),
        (url(), "https://"),
        (url(), "https://a:99999"),
        (url(), "https://ä.example"),
        (url(), "https://a\\b"),
        (boolean(), "yes"),
        (boolean(), ""),
        (integer(0, 9), "10"),
        (integer(0, 9), "٣"),
        (integer(0, 9), " 1"),
        (number(0, 1), "nan"),
        (number(0, 1), "1e-1"),
        (number(0, 1), "1.5"),
        (networks(), "10.0.0.1/8"),
        (networks(), "all"),
        (texts(), "a,,b"),
        (key(2), "AAAA"),
        (key(2), "A*AA"),
        (text(), ""),
        (text(), "two\nlines"),
        (text(prefixes=("redis://",)), "http://x"),
        (choice("a"), "A"),
        (path(), "/nowhere/at/all"),
    ],
)
def test_what_is_ill_written_is_refused(kind: Kind[object], raw: str) -> None:
    assert kind.parse(raw) is None


def test_the_settings_describe_themselves() -> None:
    rows = {row.name: row for row in describe(ExampleSettings)}
    assert rows["GATEHOUSE_TAG_KEY"].required
    assert rows["GATEHOUSE_TAG_KEY"].secret
    assert rows["GATEHOUSE_SCIM_PORT"].default == "8001"
    assert rows["GATEHOUSE_TLS_CERTFILE"].default == "none"
    assert all(row.doc.endswith(".") for row in rows.values())
    assert {"GATEHOUSE_TAG_KEY", "GATEHOUSE_TAG_KEY_FILE", "GATEHOUSE_ISSUER"} <= names(ExampleSettings)
    assert "GATEHOUSE_ISSUER_FILE" not in names(ExampleSettings)


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.9", "::1"])
def test_loopback_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example", "10.0.0.1", "", "127.0.0.1.example"])
def test_names_that_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)
