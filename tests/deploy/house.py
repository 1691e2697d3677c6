"""compose.yaml and deploy/Dockerfile as values, for the tests of this folder.

Knows as little of Compose as our file needs: the merge keys are YAML's own, variables have one form
(`${NAME:?sentence}`), and `$$` is a dollar sign.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.dockerfile_steps import Stage, parse

REPOSITORY = Path(__file__).resolve().parents[2]
VARIABLE = re.compile(r"\$\$|\$\{(?P<name>[A-Z_]+)(?P<rest>[^}]*)\}")


def compose_text() -> str:
    return (REPOSITORY / "compose.yaml").read_text()


def compose() -> dict[str, Any]:
    """The file with its merge keys resolved and its variables as they stand."""
    loaded: dict[str, Any] = yaml.safe_load(compose_text())
    return loaded


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def stages() -> dict[str, Stage]:
    return parse((REPOSITORY / "deploy/Dockerfile").read_text())


def stage_of(service: Mapping[str, Any]) -> Stage | None:
    """The Dockerfile's stage a service is built from; None for a foreign image."""
    return stages()[service["build"]["target"]] if "build" in service else None


def inherited(stage: Stage, word: str) -> str:
    """The last instruction of that word in a stage or in those it is built on; '' where there is none."""
    every = stages()
    current: Stage | None = stage
    while current is not None:
        if step := current.last(word):
            return step.rest
        current = every.get(current.base)
    return ""


def is_job(service: Mapping[str, Any]) -> bool:
    """Runs once and ends."""
    return service["restart"] == "no"


def filled(value: Any, env: Mapping[str, str]) -> Any:
    """A part of the file with its variables replaced, as Compose does."""
    if isinstance(value, str):
        return VARIABLE.sub(lambda match: "$" if match[0] == "$$" else env[match["name"]], value)
    if isinstance(value, dict):
        return {key: filled(each, env) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, env) for each in value]
    return value


def texts(value: Any) -> Iterator[str]:
    """Every string in a part of the file."""
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from texts(each)
        case list():
            for each in value:
                yield from texts(each)
        case _:
            pass


def make_env(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run make-env.sh as if the repository lay in `folder`."""
    (folder / "deploy").mkdir(exist_ok=True)
    script = shutil.copy2(REPOSITORY / "deploy/make-env.sh", folder / "deploy/make-env.sh")
    return subprocess.run(["sh", str(script)], check=False, capture_output=True, text=True)


def read_env(folder: Path) -> dict[str, str]:
    lines = (folder / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
