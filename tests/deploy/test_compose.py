"""compose.yaml: well-formed, known settings, hardened, and without a secret of its own.

`compose-spec.json` is the Compose Specification's own JSON schema (compose-spec/compose-spec, Apache-2.0).
"""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from authz.settings import AuthzSettings
from deploy import seed
from gatehouse.cli.settings_of import EVERY_NAME
from gatehouse.demo.settings import DemoSettings
from identity_core.settings import Settings, load, names
from scim.settings import ScimSettings
from sessions.settings import SessionsSettings
from tests.deploy.house import (
    REPOSITORY,
    VARIABLE,
    compose,
    compose_text,
    filled,
    inherited,
    is_job,
    make_env,
    read_env,
    services,
    stage_of,
    texts,
)

SETTINGS: dict[str, type[Settings]] = {
    "authz": AuthzSettings,
    "scim": ScimSettings,
    "sessions": SessionsSettings,
    "demo": DemoSettings,
}
# What the jobs read besides: `gatehouse migrate` takes the owner's URL and each role's.
JOBS = {
    "migrate": frozenset({"GATEHOUSE_DATABASE_URL"})
    | {f"GATEHOUSE_{service}_DATABASE_URL" for service in ("AUTHZ", "SCIM", "SESSIONS")},
    "seed": seed.NAMES,
}
FOREIGN = {
    "postgres": {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD", "POSTGRES_INITDB_ARGS"},
    "valkey": {"VALKEY_PASSWORD"},
}
EVERY = sorted(services())
LASTING = sorted(name for name, service in services().items() if not is_job(service))


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("house")
    assert make_env(folder).returncode == 0
    return read_env(folder)


@pytest.fixture(scope="module")
def schema() -> Any:
    return jsonschema_rs.validator_for(json.loads(Path(__file__).with_name("compose-spec.json").read_text()))


def test_it_is_a_compose_file_by_the_specifications_schema(schema: Any, env: dict[str, str]) -> None:
    assert [str(error) for error in schema.iter_errors(compose())] == []
    assert [str(error) for error in schema.iter_errors(filled(compose(), env))] == []


@pytest.mark.parametrize(
    ("service", "name", "wrong"),
    [
        ("authz", "ports", "8000"),
        ("authz", "depends_on", {"migrate": {"condition": "service_done"}}),
        ("postgres", "healthcheck", {"tests": ["CMD", "true"]}),
        ("valkey", "cap_drop", "ALL"),
        ("demo", "restarts", "always"),
    ],
)
def test_a_wrong_compose_file_is_refused(schema: Any, service: str, name: str, wrong: Any) -> None:
    broken = copy.deepcopy(compose())
    broken["services"][service][name] = wrong
    assert not schema.is_valid(broken)


@pytest.mark.parametrize("name", EVERY)
def test_every_variable_of_a_service_is_one_it_reads(name: str) -> None:
    given = set(services()[name].get("environment", {}))
    if name in SETTINGS:
        assert given <= names(SETTINGS[name])
    else:
        assert given == JOBS.get(name, FOREIGN.get(name, set()))


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_each_service_can_read_its_settings(name: str, env: dict[str, str]) -> None:
    load(SETTINGS[name], filled(services()[name]["environment"], env), known_elsewhere=EVERY_NAME)


def test_the_seed_is_given_secrets_of_the_right_form(env: dict[str, str]) -> None:
    from identity_core.secrets import parse_client_secret, parse_source_token

    made = seed.secrets_from(filled(services()["seed"]["environment"], env))
    assert parse_client_secret(made.web_secret)
    assert parse_client_secret(made.admin_secret)
    assert parse_source_token(made.scim_token)
    assert services()["demo"]["environment"]["GATEHOUSE_DEMO_CLIENT_SECRET"] in texts(services()["seed"])


@pytest.mark.parametrize("name", LASTING)
def test_every_lasting_service_tells_its_health(name: str) -> None:
    service = services()[name]
    stage = stage_of(service)
    asked = service.get("healthcheck", {}).get("test") or (stage and inherited(stage, "HEALTHCHECK"))
    assert asked
    assert asked != "NONE"


def test_jobs_end_and_are_waited_for() -> None:
    waited = {
        (needed, how["condition"])
        for service in services().values()
        for needed, how in service.get("depends_on", {}).items()
    }
    jobs = set(EVERY) - set(LASTING)
    assert jobs == {"migrate", "seed"}
    assert {name for name, condition in waited if condition == "service_completed_successfully"} == jobs
    assert {name for name, condition in waited if condition == "service_healthy"} <= set(LASTING)
    assert {condition for _, condition in waited} == {"service_healthy", "service_completed_successfully"}


@pytest.mark.parametrize("name", ["authz", "scim", "sessions"])
def test_no_service_starts_before_its_stores_and_its_schema(name: str) -> None:
    assert {"postgres", "valkey", "migrate"} <= set(services()[name]["depends_on"])


@pytest.mark.parametrize("name", EVERY)
def test_nobody_is_root(name: str) -> None:
    service = services()[name]
    stage = stage_of(service)
    user = service.get("user") or (inherited(stage, "USER") if stage else "")
    assert user in {"postgres", "valkey", "10001:10001"}


@pytest.mark.parametrize("name", EVERY)
def test_every_container_is_hardened(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert any(path.startswith("/tmp:size=") for path in service["tmpfs"])
    assert not {"privileged", "cap_add", "pid", "ipc", "devices"} & set(service)


def test_ports_are_published_on_the_loopback_alone_and_only_those_a_person_needs() -> None:
    published = [port for service in services().values() for port in service.get("ports", [])]
    assert sorted(published) == [f"127.0.0.1:{port}:{port}" for port in ("16686", "8000", "8001", "8002", "8010")]


def test_the_stores_can_be_reached_from_inside_only() -> None:
    networks = compose()["networks"]
    for name in ("postgres", "valkey"):
        service = services()[name]
        assert "ports" not in service
        assert all(networks[network]["internal"] for network in service["networks"])


def test_no_variable_has_a_default_and_make_env_writes_each(env: dict[str, str]) -> None:
    found = [match for match in VARIABLE.finditer(compose_text()) if match["name"]]
    assert {match["rest"] for match in found} == {":?run deploy/make-env.sh"}
    assert {match["name"] for match in found} == set(env)


def test_no_secret_stands_in_the_file() -> None:
    secret_names = {
        name.removesuffix("_FILE")
        for settings in SETTINGS.values()
        for name in names(settings)
        if name.endswith("_FILE") and name.removesuffix("_FILE") in names(settings)
    } | {"GATEHOUSE_DATABASE_URL", "POSTGRES_PASSWORD", "VALKEY_PASSWORD"}
    secret_names |= {name for name in seed.NAMES if name.startswith("SEED_")}
    given = [
        (name, variable, value)
        for name, service in services().items()
        for variable, value in service.get("environment", {}).items()
        if variable in secret_names
    ]
    assert {name for name, _, _ in given} >= {"postgres", "valkey", "migrate", "seed", "authz", "demo"}
    assert [entry for entry in given if "${" not in entry[2]] == []


def test_images_are_named_by_version() -> None:
    foreign = [service["image"] for service in services().values() if "build" not in service]
    arguments = [
        line.partition("=")[2]
        for line in (REPOSITORY / "deploy/Dockerfile").read_text().splitlines()
        if line.startswith("ARG ")
    ]
    for image in [*foreign, *arguments]:
        tag = image.rpartition(":")[2]
        assert tag[0].isdigit(), image


def test_spans_go_where_the_collector_listens_and_on_to_jaeger() -> None:
    collector = yaml.safe_load((REPOSITORY / "deploy/otel-collector.yaml").read_text())
    port = collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"].rpartition(":")[2]
    endpoints = {
        value
        for service in services().values()
        for variable, value in service.get("environment", {}).items()
        if variable.endswith("OTEL_ENDPOINT")
    }
    assert endpoints == {f"http://collector:{port}/v1/traces"}
    assert collector["exporters"]["otlp_http/jaeger"]["endpoint"] == "http://jaeger:4318"
    assert "jaeger" in services()
    for pipeline in collector["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= set(collector[kind])
    assert set(collector["service"]["extensions"]) <= set(collector["extensions"])


def test_make_env_writes_a_private_file_of_fresh_secrets(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        assert make_env(folder).returncode == 0
        assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    first, second = read_env(one), read_env(two)
    assert set(first) == set(second)
    assert [name for name in first if first[name] == second[name]] == []
    assert all(len(value) >= 20 for value in first.values())


def test_make_env_never_writes_over_what_is_there(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=mine\n")
    refused = make_env(tmp_path)
    assert refused.returncode == 1
    assert "left as it is" in refused.stderr
    assert (tmp_path / ".env").read_text() == "POSTGRES_PASSWORD=mine\n"
