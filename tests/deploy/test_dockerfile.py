"""deploy/Dockerfile: what it installs and copies, and the program that runs its steps without an engine."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from authz.settings import AuthzSettings
from deploy.dockerfile_steps import Builder, Context, NotUnderstood, needed, parse
from identity_core.settings import ServiceSettings, describe
from scim.settings import ScimSettings
from sessions.settings import SessionsSettings
from tests.deploy.house import REPOSITORY, inherited, stages

OURS = ("authz", "scim", "sessions", "demo", "migrate")
SERVICES: dict[str, type[ServiceSettings]] = {
    "authz": AuthzSettings,
    "scim": ScimSettings,
    "sessions": SessionsSettings,
}


@pytest.fixture
def context() -> Context:
    return Context(REPOSITORY)


def default_of(settings: type[ServiceSettings], name: str) -> str:
    return next(row.default for row in describe(settings) if row.name == name)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_asked_for_its_health_where_it_manages(name: str) -> None:
    port = default_of(SERVICES[name], f"GATEHOUSE_{name.upper()}_MANAGEMENT_PORT")
    asked = inherited(stages()[name], "HEALTHCHECK")
    assert f"http://127.0.0.1:{port}/readyz" in asked
    assert json.loads(asked.removeprefix("CMD").strip())[:2] == ["python", "-c"]
    assert inherited(stages()[name], "EXPOSE") == default_of(SERVICES[name], f"GATEHOUSE_{name.upper()}_PORT")


@pytest.mark.parametrize("name", OURS)
def test_an_image_installs_its_own_groups_and_nothing_of_the_workshop(name: str) -> None:
    [step] = [step for step in stages()[f"{name}-packages"].steps if step.word == "RUN"]
    groups = step.rest.removeprefix("sh install-groups.sh ").split()
    expected = {"demo": ["base", "demo"], "migrate": ["authz", "scim"]}
    assert groups == expected.get(name, [name])


@pytest.mark.parametrize("name", OURS)
def test_an_image_is_made_of_code_that_its_user_cannot_change(name: str) -> None:
    assert inherited(stages()[name], "USER") == "10001:10001"
    copies = [step for stage in needed(stages(), name) for step in stages()[stage].steps if step.word == "COPY"]
    assert copies
    assert all(step.option("chown") is None for step in copies)


def test_packages_are_refused_without_a_hash_of_the_lock() -> None:
    script = (REPOSITORY / "deploy/install-groups.sh").read_text()
    lines = script.replace("\\\n", " ").splitlines()
    installs = [line for line in lines if re.search(r"pip\W{1,2}install", line)]
    assert len(installs) == 2
    assert all("--require-hashes" in line for line in installs)
    assert "--constraint requirements.lock" in installs[1]


def test_everything_that_is_copied_is_in_the_context(context: Context) -> None:
    sources = {
        source
        for stage in stages().values()
        for step in stage.steps
        if step.word == "COPY" and not step.option("from")
        for source in step.rest.split()[:-1]
    }
    assert {"libs", "services", "migrations", "requirements.lock"} <= sources
    for source in sources:
        assert any(context.files(source)), source


@pytest.mark.parametrize(
    "path",
    [
        ".env", ".git/config", ".gatehouse/secrets.json", ".venv/pyvenv.cfg", "tests/conftest.py", "compose.yaml",
        "libs/gatehouse/__pycache__/faults.cpython-311.pyc", "deploy/make-env.sh", "load/README.md",
    ],
)  # fmt: skip
def test_secrets_data_and_the_workshop_stay_out_of_the_context(context: Context, path: str) -> None:
    assert not context.admits(path)


def test_the_last_matching_pattern_decides(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("# a comment\n*\n!kept\nkept/not\n**/*.pyc\n")
    context = Context(tmp_path)
    assert context.admits("kept/deep/file.py")
    assert not context.admits("kept/not/file.py")
    assert not context.admits("kept/deep/file.pyc")
    assert not context.admits("elsewhere")


def test_a_target_needs_its_base_and_what_it_copies_from_and_nothing_else() -> None:
    assert set(needed(stages(), "scim")) == {"runtime", "packages", "scim-packages", "scim"}
    order = needed(stages(), "scim")
    assert order.index("packages") < order.index("scim-packages") < order.index("scim")


def test_lines_are_joined_comments_left_out_and_options_read() -> None:
    text = (
        "ARG BASE=one:1\n# nothing\nFROM ${BASE} AS first\nRUN --mount=type=cache,target=/x \\\n"
        "    # in between\n    a && \\\n    b\nFROM first\nCOPY --from=first --chmod=644 /a /b\n"
    )
    made = parse(text)
    assert made["first"].base == "one:1"
    assert list(made) == ["first", "1"]
    assert made["1"].steps[0].options == (("from", "first"), ("chmod", "644"))
    [run] = made["first"].steps
    assert (run.word, " ".join(run.rest.split())) == ("RUN", "a && b")
    assert run.option("mount") == "type=cache,target=/x"


@pytest.mark.parametrize("line", ["ADD a b", "VOLUME /data", "SHELL /bin/bash", "ONBUILD RUN true"])
def test_an_instruction_that_is_not_understood_is_refused(tmp_path: Path, line: str) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (tmp_path / ".dockerignore").write_text("")
    made = parse(f"FROM anything AS target\n{line}\n")
    with pytest.raises(NotUnderstood, match=line.partition(" ")[0]):
        Builder(made, base, tmp_path / "work", Context(tmp_path)).build("target")


def test_a_stage_copies_from_the_context_and_from_another_stage(tmp_path: Path) -> None:
    base, context = tmp_path / "base", tmp_path / "context"
    for folder in (base, context / "code"):
        folder.mkdir(parents=True)
    (context / ".dockerignore").write_text("*\n!code\n**/hidden\n")
    for name in ("a.py", "hidden"):
        (context / "code" / name).write_text(name)
    made = parse(
        "FROM image AS one\nWORKDIR /app\nCOPY code code\nCOPY code/a.py ./\n"
        "FROM image AS two\nENV A=1 B=$A\nWORKDIR /srv\nCOPY --from=one /app/code got\nUSER 10:10\n"
    )
    image = Builder(made, base, tmp_path / "work", Context(context)).build("two")
    files = sorted(path.relative_to(tmp_path / "work").as_posix() for path in (tmp_path / "work").rglob("*.py"))
    assert files == ["one/app/a.py", "one/app/code/a.py", "two/srv/got/a.py"]
    assert not (tmp_path / "work/two/srv/got/hidden").exists()
    assert (image.user, image.folder, image.environment["A"]) == ("10:10", "/srv", "1")


@pytest.mark.soak
@pytest.mark.skipif(os.geteuid() != 0, reason="debootstrap and chroot need root")
@pytest.mark.parametrize("name", OURS)
def test_the_steps_make_an_image_that_serves_as_its_user(name: str) -> None:
    """In an empty Debian: the packages install by hash, the code imports, nothing can be written, and the image's
    own command reads its settings (exit 3: there are none)."""
    module = {"demo": "gatehouse.demo.app", "migrate": "gatehouse.dev.seed"}.get(name, f"{name}.app")
    command = {"demo": "deploy/serve_demo.py", "migrate": "-m gatehouse migrate"}.get(
        name, f"-m gatehouse serve {name}"
    )
    checks = (
        f"python -c 'import {module}' && test $(id -u) = 10001 && ! touch /app/new && python {command}; test $? = 3"
    )
    done = subprocess.run(
        ["bash", "deploy/run-dockerfile-steps.sh", name, "sh", "-c", checks],
        check=False,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
