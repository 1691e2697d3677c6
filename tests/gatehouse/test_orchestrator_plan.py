"""What `gatehouse dev` decides before it starts anything."""

import dataclasses
import socket
import stat
from pathlib import Path

import orjson
import pytest

from gatehouse.cli.settings_of import EVERY_NAME, settings_class
from gatehouse.dev import devjson, secrets
from gatehouse.dev.certificate import ensure_certificate
from gatehouse.dev.plan import SERVICES, Plan, Ports, role_urls, service_environment, taken_ports
from gatehouse.dev.spans import SpanReader
from gatehouse.faults import CommandFault, ExitCode
from identity_core.settings import load

OWNER = "postgresql://gatehouse:pw@127.0.0.1:5432/gatehouse"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(data=tmp_path, ports=Ports.from_base(8000), environ={})


def described(plan: Plan, made: secrets.DevSecrets) -> dict[str, object]:
    return devjson.document(plan, made, database_url=OWNER, redis_url="redis://127.0.0.1:6379/0")


def test_the_addresses_are_those_of_the_house(plan: Plan) -> None:
    found = described(plan, secrets.make())
    assert found["issuer"] == "http://localhost:8000"
    assert found["scim_base_url"] == "http://localhost:8001/scim/v2"
    assert found["sessions_base_url"] == "http://localhost:8002"
    assert found["management"] == {
        "authz": "http://localhost:8100",
        "scim": "http://localhost:8101",
        "sessions": "http://localhost:8102",
    }
    assert found["demo_url"] == "http://127.0.0.1:8010"


def test_dev_json_has_its_documented_shape(plan: Plan) -> None:
    """docs/dev-json.md."""
    made = secrets.make()
    found = described(plan, made)
    assert set(found) == {
        "issuer", "scim_base_url", "sessions_base_url", "management", "user", "scim", "admin", "clients",
        "database_url", "redis_url", "demo_url",
    }  # fmt: skip
    assert found["user"] == {"username": "ada", "password": made.user_password, "email": "ada@example.com"}
    assert found["scim"] == {"token": made.scim_token}
    assert found["admin"] == {
        "client_id": "admin",
        "client_secret": made.admin_secret,
        "token_endpoint": "http://localhost:8000/token",
    }
    clients = found["clients"]
    assert isinstance(clients, dict)
    assert clients["web"]["client_secret"] == made.web_secret
    assert clients["web"]["token_endpoint_auth_method"] == "client_secret_basic"
    assert "http://127.0.0.1:8010/callback" in clients["web"]["redirect_uris"]
    assert clients["spa"]["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in clients["spa"]


def test_dev_json_is_for_its_owner_alone(plan: Plan) -> None:
    path = devjson.write(plan.data, described(plan, secrets.make()))
    path.chmod(0o644)
    devjson.write(plan.data, described(plan, secrets.make()))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert devjson.load(plan.data) == orjson.loads(path.read_bytes())


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_read_the_settings_it_is_given(plan: Plan, service: str) -> None:
    environment = service_environment(plan, secrets.make(), service, database_url=OWNER, redis_url="redis://127.0.0.1")
    settings = load(settings_class(service), environment, known_elsewhere=EVERY_NAME)
    assert f"gatehouse_{service}:" in settings.database_url
    assert settings.issuer == "http://localhost:8000"


def test_with_tls_every_address_is_https_and_the_services_serve_it(tmp_path: Path) -> None:
    plan = Plan(data=tmp_path, ports=Ports.from_base(8000), environ={}, certificates=ensure_certificate(tmp_path))
    found = described(plan, secrets.make())
    assert found["issuer"] == "https://localhost:8000"
    assert found["ca_file"] == str(tmp_path / "tls" / "ca.pem")
    environment = service_environment(plan, secrets.make(), "authz", database_url=OWNER, redis_url="redis://127.0.0.1")
    assert load(settings_class("authz"), environment).tls_certfile == tmp_path / "tls" / "cert.pem"


def test_the_callers_settings_reach_the_services_but_not_the_operators(plan: Plan) -> None:
    environ = {"GATEHOUSE_LOG_LEVEL": "debug", "GATEHOUSE_DATABASE_URL": OWNER, "GATEHOUSE_DEVSERVERS": "wheels"}
    given = service_environment(
        dataclasses.replace(plan, environ=environ),
        secrets.make(),
        "scim",
        database_url=OWNER,
        redis_url="redis://127.0.0.1",
    )
    assert given["GATEHOUSE_LOG_LEVEL"] == "debug"
    assert not {"GATEHOUSE_DATABASE_URL", "GATEHOUSE_DEVSERVERS"} & set(given)


def test_each_role_has_its_own_password_at_the_owners_address() -> None:
    made = secrets.make()
    urls = role_urls(OWNER, made)
    assert set(urls) == {"gatehouse_authz", "gatehouse_scim", "gatehouse_sessions"}
    assert urls["gatehouse_scim"] == (
        f"postgresql://gatehouse_scim:{made.role_passwords['scim']}@127.0.0.1:5432/gatehouse"
    )
    assert len(set(made.role_passwords.values())) == 3


def test_any_free_ports_are_all_different() -> None:
    ports = Ports.from_base(0).named()
    assert len(set(ports.values())) == len(ports) == 7


def test_a_taken_port_is_found_and_named() -> None:
    ports = Ports.from_base(0)
    assert taken_ports(ports, demo=True) == []
    with socket.create_server(("127.0.0.1", ports.scim)):
        assert taken_ports(ports, demo=True) == [("scim", ports.scim)]


def test_the_demos_port_does_not_matter_without_the_demo() -> None:
    ports = Ports.from_base(0)
    with socket.create_server(("127.0.0.1", ports.demo)):
        assert taken_ports(ports, demo=False) == []
        assert taken_ports(ports, demo=True) == [("demo", ports.demo)]


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    first = secrets.load_or_make(tmp_path)
    assert secrets.load_or_make(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert secrets.make() != secrets.make()


def test_secrets_do_not_show_themselves() -> None:
    made = secrets.make()
    assert made.user_password not in repr(made)
    assert made.web_secret not in repr(made)


def test_lost_secrets_are_not_replaced_while_their_database_is_there(tmp_path: Path) -> None:
    secrets.load_or_make(tmp_path)
    (tmp_path / "secrets.json").unlink()
    (tmp_path / "postgresql-18").mkdir()
    with pytest.raises(CommandFault) as caught:
        secrets.load_or_make(tmp_path)
    assert caught.value.exit_code is ExitCode.SETTINGS
    assert "make clean-dev" in caught.value.mend
    assert not (tmp_path / "secrets.json").exists()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": 2}', '{"format": 1, "tag_key": "x"}'])
def test_a_damaged_secrets_file_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "secrets.json").write_text(content)
    with pytest.raises(CommandFault, match=r"secrets\.json cannot be read"):
        secrets.load_or_make(tmp_path)


def test_spans_are_found_among_log_lines_however_they_arrive() -> None:
    span = b'{\n    "name": "POST /token",\n    "status": {\n        "x": 1\n    }\n}\n'
    stream = b'{"event": "service.started"}\n' + span + b"plain\n"
    for size in (1, 7, len(stream)):
        reader = SpanReader()
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        spans = [span for piece in pieces for span in reader.feed(piece)]
        assert spans == ['{"name":"POST /token","status":{"x":1}}']
