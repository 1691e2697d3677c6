"""Run the steps of deploy/Dockerfile without a container engine: each stage in a copy of an empty Debian, by chroot.

    python3 deploy/dockerfile_steps.py --target authz --base FOLDER --work FOLDER [-- COMMAND…]

`--base` is a folder that stands for the Python image. The stages that the target needs are made in order below
`--work`; COPY honours .dockerignore and `--from`, RUN is run by chroot as the stage's user, ENV, WORKDIR and USER are
kept. Mounts of RUN (secrets, caches) are left out: the settings of package clients come from the environment and from
what the caller has mounted. At the end the COMMAND, or the image's own, is run as the image's user.

What is not understood is refused. Of a Dockerfile's many forms it reads those that ours uses. Needs root, and the
standard library alone.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

DOCKERFILE = Path(__file__).with_name("Dockerfile")
CONTEXT = DOCKERFILE.parent.parent
_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")
_OPTION = re.compile(r"--([a-z-]+)=(\S+)\s+")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Of the caller's environment, what tells package clients their way.
_INDEX = re.compile(r"(PIP|UV|SSL_CERT)_\w+|(REQUESTS|CURL)_CA_BUNDLE|(https?|all|no)_proxy", re.IGNORECASE)


class NotUnderstood(Exception):
    """A line of the Dockerfile that this program does not know how to run."""


@dataclass(frozen=True)
class Step:
    """One instruction: its word, its `--name=value` options, and the rest."""

    word: str
    options: tuple[tuple[str, str], ...]
    rest: str

    def option(self, name: str) -> str | None:
        """The value of an option, None where it is not given."""
        return dict(self.options).get(name)

    def words(self) -> list[str]:
        """The JSON form as it stands, the shell form through the shell, as Docker does."""
        if self.rest.startswith("["):
            words: list[str] = json.loads(self.rest)
            return words
        return ["/bin/sh", "-c", self.rest]


@dataclass(frozen=True)
class Stage:
    """One FROM and what follows; `base` is an image or another stage's name."""

    name: str
    base: str
    steps: tuple[Step, ...]

    def last(self, word: str) -> Step | None:
        """The instruction that counts where the last one does."""
        return next((step for step in reversed(self.steps) if step.word == word), None)


@dataclass(frozen=True)
class Image:
    """What a stage leaves behind besides its files."""

    root: Path
    user: str = "root"
    folder: str = "/"
    environment: Mapping[str, str] = field(default_factory=lambda: {"PATH": _PATH})
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


def parse(text: str) -> dict[str, Stage]:
    """The stages by name, in order. Global ARGs are replaced in FROM lines."""
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    current: Stage | None = None
    for step in _steps(text):
        if step.word == "FROM":
            base, _, name = _replaced(step.rest, arguments).partition(" AS ")
            current = Stage(name or str(len(stages)), base, ())
        elif current is None:
            name, _, default = step.rest.partition("=")
            if step.word != "ARG":
                raise NotUnderstood(f"{step.word} before FROM")
            arguments[name] = default
            continue
        else:
            current = replace(current, steps=(*current.steps, step))
        stages[current.name] = current
    return stages


def _steps(text: str) -> Iterator[Step]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for logical in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = logical.strip().partition(" ")
        rest, options = rest.strip(), []
        while match := _OPTION.match(rest):
            options.append((match[1], match[2]))
            rest = rest[match.end() :]
        yield Step(word.upper(), tuple(options), rest)


def _replaced(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: values.get(match[1] or match[2], ""), text)


def needed(stages: Mapping[str, Stage], target: str) -> list[str]:
    """The stages that `target` is made of, each after those it stands on."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in stages or name in order:
            return
        visit(stages[name].base)
        for step in stages[name].steps:
            visit(step.option("from") or "")
        order.append(name)

    visit(target)
    return order


class Context:
    """The files a build may copy: all but what .dockerignore names, the last pattern that matches deciding."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._patterns: list[tuple[bool, re.Pattern[str]]] = []
        for line in (folder / ".dockerignore").read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                pattern = line.strip().removeprefix("!").strip("/")
                self._patterns.append((not line.startswith("!"), _as_expression(pattern)))

    def admits(self, path: str) -> bool:
        """Whether a file, by its path from the context, is sent to the builder."""
        ignored = False
        for ignores, pattern in self._patterns:
            if pattern.fullmatch(path):
                ignored = ignores
        return not ignored

    def files(self, source: str) -> Iterator[str]:
        """The admitted files at or below `source`."""
        start = self._folder / source
        found = [start] if start.is_file() else sorted(path for path in start.rglob("*") if path.is_file())
        for path in found:
            relative = path.relative_to(self._folder).as_posix()
            if self.admits(relative):
                yield relative

    def copy(self, source: str, target: Path, into: bool) -> None:
        """Copy a file, or the content of a folder, to `target`; `into` puts a file below it."""
        files = list(self.files(source))
        if not files:
            raise NotUnderstood(f"COPY {source}: nothing of that name is in the context")
        for file in files:
            below = os.path.relpath(file, source)
            place = target / Path(source).name if below == "." and into else target if below == "." else target / below
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self._folder / file, place)


def _as_expression(pattern: str) -> re.Pattern[str]:
    """Docker's patterns: `*` within a name, `**/` any folders; a match takes all below with it."""
    parts = re.split(r"(\*\*/|\*)", pattern)
    known = {"**/": "(?:.*/)?", "*": "[^/]*"}
    return re.compile("".join(known.get(part, re.escape(part)) for part in parts) + "(?:/.*)?")


class Builder:
    """Makes stages below `work`, each from a copy of `base` or of another stage."""

    def __init__(self, stages: Mapping[str, Stage], base: Path, work: Path, context: Context) -> None:
        self._stages = stages
        self._base = base
        self._work = work
        self._context = context
        self._images: dict[str, Image] = {}

    def build(self, target: str) -> Image:
        """The image of a target. Raises NotUnderstood, CalledProcessError."""
        for name in needed(self._stages, target):
            self._images[name] = self._make(self._stages[name])
        return self._images[target]

    def _make(self, stage: Stage) -> Image:
        root = self._work / stage.name
        parent = self._images.get(stage.base)
        _copy_tree(parent.root if parent else self._base, root)
        image = replace(parent, root=root) if parent else Image(root)
        for step in stage.steps:
            print(f"[{stage.name}] {step.word} {step.rest}", flush=True)
            image = self._take(image, step)
        return image

    def _take(self, image: Image, step: Step) -> Image:
        match step.word:
            case "ENV":
                given = dict(word.split("=", 1) for word in shlex.split(step.rest))
                values = {name: _replaced(value, image.environment) for name, value in given.items()}
                return replace(image, environment={**image.environment, **values})
            case "WORKDIR":
                (image.root / step.rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
                return replace(image, folder=step.rest)
            case "USER":
                return replace(image, user=step.rest)
            case "ENTRYPOINT":
                return replace(image, entrypoint=tuple(step.words()), command=())
            case "CMD":
                return replace(image, command=tuple(step.words()))
            case "COPY":
                self._copy(image, step)
            case "RUN":
                run(image, step.words(), check=True)
            case "EXPOSE" | "HEALTHCHECK" | "LABEL":
                pass
            case _:
                raise NotUnderstood(f"{step.word} {step.rest}")
        return image

    def _copy(self, image: Image, step: Step) -> None:
        *sources, target = shlex.split(step.rest)
        place = image.root / os.path.join(image.folder, target).lstrip("/")
        into = target.endswith("/") or len(sources) > 1
        for source in sources:
            if stage := step.option("from"):
                _copy_tree(self._images[stage].root / source.lstrip("/"), place)
            else:
                self._context.copy(source, place, into)


def _copy_tree(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # One file system: what is mounted in a stage is not part of it.
    command = [
        "cp",
        "--archive",
        "--one-file-system",
        "--reflink=auto",
        "--no-target-directory",
        str(source),
        str(target),
    ]
    subprocess.run(command, check=True)  # noqa: S603


def run(image: Image, command: list[str], *, check: bool) -> int:
    """Run a command in an image as its user; answers the exit code."""
    passed = {name: value for name, value in os.environ.items() if _INDEX.fullmatch(name)}
    owner = image.user if image.user != "root" else "0:0"
    entered = [
        *("chroot", f"--userspec={owner}", "--groups=", str(image.root), "/usr/bin/env", f"--chdir={image.folder}"),
        *command,
    ]
    environment = {"HOME": "/root" if owner == "0:0" else "/nonexistent", **passed, **image.environment}
    mount = ["mount", "--types", "proc", "proc", str(image.root / "proc")]
    subprocess.run(mount, check=True)  # noqa: S603
    try:
        return subprocess.run(entered, check=check, env=environment).returncode  # noqa: S603
    finally:
        subprocess.run(["umount", str(image.root / "proc")], check=True)  # noqa: S603, S607


def main() -> int:
    """The exit code of the command at the end; 2 for a Dockerfile that cannot be run here, 1 for a failed step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("command", nargs="*")
    options = parser.parse_args()
    stages = parse(DOCKERFILE.read_text())
    if options.target not in stages:
        parser.error(f"there is no target {options.target}")
    try:
        image = Builder(stages, options.base, options.work, Context(CONTEXT)).build(options.target)
    except NotUnderstood as fault:
        print(f"deploy/Dockerfile: {fault}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as fault:
        print(f"deploy/Dockerfile: a step ended with {fault.returncode}", file=sys.stderr)
        return 1
    command = options.command or [*image.entrypoint, *image.command]
    print(f"[{options.target}] as {image.user}: {shlex.join(command)}", flush=True)
    return run(image, command, check=False)


if __name__ == "__main__":
    sys.exit(main())
