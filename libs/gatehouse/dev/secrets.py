"""The secrets of one development house, made once and kept in `secrets.json` (mode 0600) beside its data."""

from __future__ import annotations

import base64
import os
import secrets as system_random
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from gatehouse.faults import CommandFault, ExitCode
from identity_core import secrets

_FORMAT = 1
_FILE = "secrets.json"


@dataclass(frozen=True, kw_only=True)
class DevSecrets:
    """`tag_key`: base64 of 32 bytes; `key_encryption_key`: `id:base64`; the rest as they are used."""

    role_passwords: dict[str, str] = field(repr=False)
    tag_key: str = field(repr=False)
    key_encryption_key: str = field(repr=False)
    user_password: str = field(repr=False)
    web_secret: str = field(repr=False)
    admin_secret: str = field(repr=False)
    scim_token: str = field(repr=False)
    demo_cookie_key: str = field(repr=False)


def make() -> DevSecrets:
    """New ones, from the system's generator."""
    return DevSecrets(
        role_passwords={service: secrets.random_token() for service in ("authz", "scim", "sessions")},
        tag_key=_key(),
        key_encryption_key=f"dev1:{_key()}",
        user_password=_password(),
        web_secret=secrets.client_secret(),
        admin_secret=secrets.client_secret(),
        scim_token=secrets.source_token(),
        demo_cookie_key=secrets.random_token(256),
    )


def load_or_make(data: Path) -> DevSecrets:
    """The secrets of `data`, made at the first call.

    Raises CommandFault where the file cannot be used, or is gone while the database it belongs to is still there.
    """
    path = data / _FILE
    if (kept := _load(path)) is not None:
        return kept
    if any(child.is_dir() for child in data.glob("postgresql-*")):
        raise CommandFault(
            ExitCode.SETTINGS,
            f"{path} is gone, and the database in {data} cannot be read without its keys",
            "put the file back, or run `make clean-dev` and start anew",
        )
    made = make()
    write_private(path, {"format": _FORMAT} | asdict(made))
    return made


def load(data: Path) -> DevSecrets | None:
    """The secrets of `data`, None where there are none yet."""
    return _load(data / _FILE)


def write_private(path: Path, document: dict[str, Any]) -> None:
    """Write JSON that only its owner can read: at once or not at all."""
    making = path.with_name(f".{path.name}.new")
    making.unlink(missing_ok=True)
    with os.fdopen(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    making.replace(path)


def _load(path: Path) -> DevSecrets | None:
    try:
        document = orjson.loads(path.read_bytes())
        if document.pop("format") != _FORMAT:
            raise ValueError
        return DevSecrets(**document)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CommandFault(
            ExitCode.SETTINGS,
            f"{path} cannot be read ({type(error).__name__})",
            "put the right file back, or run `make clean-dev` and start anew",
        ) from error


def _key() -> str:
    return base64.b64encode(system_random.token_bytes(32)).decode()


def _password() -> str:
    """Twenty letters and digits in four groups (about 100 bits) that a person can read from one screen to another."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(system_random.choice(alphabet) for _ in range(5)) for _ in range(4))
