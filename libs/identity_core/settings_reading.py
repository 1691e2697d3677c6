"""How settings are declared on a class and read from the environment; see `identity_core.settings` for their
use."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar, cast

from identity_core.faults import StartFault
from identity_core.settings_kinds import Kind

PREFIX: Final = "GATEHOUSE_"
SERVICES: Final = ("authz", "scim", "sessions")
# Names that not every service reads, but that may stand in an environment shared by all of them.
SHARED_NAMES: Final = frozenset(
    {
        "GATEHOUSE_DATABASE_URL",
        "GATEHOUSE_DATABASE_URL_FILE",
        "GATEHOUSE_DEVSERVERS",
        "GATEHOUSE_HASH_QUEUE",
        "GATEHOUSE_HASH_THREADS",
        "GATEHOUSE_KEY_ENCRYPTION_KEY",
        "GATEHOUSE_KEY_ENCRYPTION_KEY_FILE",
    }
)
_MISSING: Final = object()

S = TypeVar("S", bound="Settings")


class SettingsError(StartFault):
    """The settings are not usable. `faults`: every reason, one sentence each, free of secret values."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class PerService:
    """A default that differs by service."""

    values: Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """What is known of one setting besides its field's name."""

    name: str
    kind: Kind[Any]
    doc: str
    default: Any = _MISSING
    secret: bool = False

    def name_for(self, service: str) -> str:
        return self.name.replace("{SERVICE}", service.upper())

    def default_for(self, service: str) -> Any:
        if isinstance(self.default, PerService):
            return self.default.values.get(service, _MISSING)
        return self.default


def setting(name: str, kind: Kind[Any], *, doc: str, default: Any = _MISSING, secret: bool = False) -> Any:
    """A field of a settings class; without `default` it is required."""
    return dataclasses.field(repr=not secret, metadata={"setting": Setting(name, kind, doc, default, secret)})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The base of every settings class. `service` names whose settings these are."""

    service: ClassVar[str] = ""

    def check(self) -> Iterator[str]:
        """Rules between fields, asked when every field is readable; one sentence for each broken one."""
        return iter(())


def load(cls: type[S], environ: Mapping[str, str], *, known_elsewhere: frozenset[str] = frozenset()) -> S:
    """Read `cls` from `environ`. Raises `SettingsError` with every fault."""
    faults: list[str] = []
    values: dict[str, Any] = {}
    for field, spec in _settings(cls):
        value = _read(spec, spec.name_for(cls.service), spec.default_for(cls.service), environ, faults)
        if value is not _MISSING:
            values[field] = value
    faults.extend(_unknown(cls, environ, known_elsewhere))
    if not faults:
        settings = cls(**values)
        faults.extend(settings.check())
        if not faults:
            return settings
    raise SettingsError(faults)


def names(cls: type[Settings]) -> frozenset[str]:
    """Every environment name `cls` reads: what another service may pass as `known_elsewhere`."""
    plain = {(spec.name_for(cls.service), spec.secret) for _, spec in _settings(cls)}
    return frozenset({name for name, _ in plain} | {f"{name}_FILE" for name, secret in plain if secret})


def name_of(cls: type[Settings], field: str) -> str:
    """The environment name of a field."""
    return dict(_settings(cls))[field].name_for(cls.service)


@dataclass(frozen=True)
class Row:
    """One line of the generated settings page.

    `default` is '' for a required setting, 'none' for an absent one.
    """

    name: str
    kind: str
    default: str
    required: bool
    secret: bool
    doc: str


def describe(cls: type[Settings]) -> list[Row]:
    """The settings of `cls` in the order of their fields."""
    return [_row(cls, spec) for _, spec in _settings(cls)]


def _row(cls: type[Settings], spec: Setting) -> Row:
    default = spec.default_for(cls.service)
    required = default is _MISSING
    shown = "" if required else "none" if default is None or default == () else str(default)
    return Row(spec.name_for(cls.service), spec.kind.name, shown, required, spec.secret, spec.doc)


def _settings(cls: type[Settings]) -> list[tuple[str, Setting]]:
    return [
        (field.name, cast(Setting, field.metadata["setting"]))
        for field in dataclasses.fields(cls)
        if "setting" in field.metadata
    ]


def _read(spec: Setting, name: str, default: Any, environ: Mapping[str, str], faults: list[str]) -> Any:
    raw = environ.get(name)
    file = environ.get(f"{name}_FILE") if spec.secret else None
    if raw is not None and file is not None:
        faults.append(f"{name} and {name}_FILE are both set: keep one of them.")
        return _MISSING
    if file is not None:
        try:
            raw = Path(file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, ValueError):
            faults.append(f"{name}_FILE cannot be read: give the path of a readable text file.")
            return _MISSING
        name = f"{name}_FILE"
    if raw is None:
        if default is _MISSING:
            or_file = f" (or {name}_FILE to the path of a file that holds it)" if spec.secret else ""
            faults.append(f"{name} is missing: set it to {spec.kind.expected}{or_file}.")
        return default
    value = spec.kind.parse(raw)
    if value is None:
        shown = "" if spec.secret else f" ({raw[:60]!r})"
        faults.append(f"{name} is not usable{shown}: set it to {spec.kind.expected}.")
        return _MISSING
    return value


def _unknown(cls: type[Settings], environ: Mapping[str, str], known_elsewhere: frozenset[str]) -> Iterator[str]:
    mine = names(cls)
    known = mine | SHARED_NAMES | known_elsewhere
    others = tuple(f"{PREFIX}{service.upper()}_" for service in SERVICES if service != cls.service)
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in known or name.startswith(others):
            continue
        # Without the prefix that all share, which would make everything look alike.
        rest = [one.removeprefix(PREFIX) for one in sorted(known)]
        near = difflib.get_close_matches(name.removeprefix(PREFIX), rest, n=1, cutoff=0.7)
        mend = f"did you mean {PREFIX}{near[0]}?" if near else "remove it."
        yield f"{name} is not a setting: {mend}"
