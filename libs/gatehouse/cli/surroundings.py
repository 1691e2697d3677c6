"""Where a command finds its stores: the GATEHOUSE_* environment, else the development house in `--data`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from gatehouse.cli.settings_of import EVERY_NAME, settings_class
from gatehouse.dev import devjson
from gatehouse.dev import secrets as dev_secrets
from gatehouse.dev.plan import ROLES, role_urls
from gatehouse.faults import CommandFault, ExitCode
from gatehouse.revisions import require_current
from identity_core.db import Pool, create_pool
from identity_core.settings import ServiceSettings, load

T = TypeVar("T")
_NOT_SETTINGS = ("GATEHOUSE_DATA", "GATEHOUSE_DEVSERVERS", "GATEHOUSE_TEST_")


def environment_for(service: str, data: Path, environ: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """The environment that `service`'s settings are read from.

    Raises CommandFault when nothing is set and there is no development house either.
    """
    environ = os.environ if environ is None else environ
    given = {k: v for k, v in environ.items() if not k.startswith(_NOT_SETTINGS)}
    if any(name.startswith("GATEHOUSE_") for name in given):
        return given
    return given | _of_house(service, data)


def owner_environment(data: Path, environ: Mapping[str, str] | None = None) -> tuple[str, dict[str, str]]:
    """The owner's URL and each role's URL, for `migrate` and `doctor`."""
    environ = os.environ if environ is None else environ
    if owner := _value(environ, "GATEHOUSE_DATABASE_URL"):
        named = {role: _value(environ, f"GATEHOUSE_{service.upper()}_DATABASE_URL") for service, role in ROLES.items()}
        return owner, {role: url for role, url in named.items() if url}
    described, secrets = _house(data, "GATEHOUSE_DATABASE_URL is not set")
    return described["database_url"], role_urls(described["database_url"], secrets)


def settings_for(service: str, data: Path) -> ServiceSettings:
    """The settings of a service as this command sees them. Raises SettingsError, CommandFault."""
    return load(settings_class(service), environment_for(service, data), known_elsewhere=EVERY_NAME)


@asynccontextmanager
async def database_of(service: str, data: Path) -> AsyncIterator[tuple[ServiceSettings, Pool]]:
    """A small pool as a service's own role, on a database that is up to date."""
    settings = settings_for(service, data)
    pool = await create_pool(settings.database_url, size=2, name="gatehouse-cli")
    try:
        await require_current(settings.database_url)
        yield settings, pool
    finally:
        await pool.close()


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's asynchronous part."""
    return asyncio.run(work)


def _of_house(service: str, data: Path) -> dict[str, str]:
    described, secrets = _house(data, "No GATEHOUSE_* setting is given")
    environment = {
        "GATEHOUSE_ENV": "development",
        "GATEHOUSE_REDIS_URL": described["redis_url"],
        "GATEHOUSE_TAG_KEY": secrets.tag_key,
        "GATEHOUSE_ISSUER": described["issuer"],
        "GATEHOUSE_SCIM_BASE_URL": described["scim_base_url"],
        "GATEHOUSE_SESSIONS_BASE_URL": described["sessions_base_url"],
        f"GATEHOUSE_{service.upper()}_DATABASE_URL": role_urls(described["database_url"], secrets)[ROLES[service]],
    }
    if service == "authz":
        environment["GATEHOUSE_KEY_ENCRYPTION_KEY"] = secrets.key_encryption_key
    return environment


def _house(data: Path, why: str) -> tuple[dict[str, Any], dev_secrets.DevSecrets]:
    described, secrets = devjson.load(data), dev_secrets.load(data)
    if described is None or secrets is None:
        raise CommandFault(
            ExitCode.SETTINGS,
            f"{why}, and there is no development house in {data}",
            "set the GATEHOUSE_* settings, or run `gatehouse dev` and name its folder with --data",
        )
    return described, secrets


def _value(environ: Mapping[str, str], name: str) -> str | None:
    if path := environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise CommandFault(
                ExitCode.SETTINGS, f"{name}_FILE cannot be read", "give the path of a readable text file"
            ) from error
    return environ.get(name)
