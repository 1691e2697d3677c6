"""Makes a PostgreSQL data folder: complete or not at all."""

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from gatehouse.dev.devservers.accounts import Account, give, named_account
from gatehouse.dev.devservers.errors import DevServerError
from gatehouse.dev.devservers.places import Place
from gatehouse.dev.devservers.programs import Program


def superuser_password(place: Place) -> str:
    """The password in `<base>/postgresql-18.password` (0600), made when there is none."""
    path = place.base / f"{place.data.name}.password"
    try:
        if not path.exists():
            _write_secret(path, secrets.token_urlsafe(24))
        return path.read_text().strip()
    except OSError as error:
        raise DevServerError(f"Cannot keep the database password in {path}: {error.strerror}.") from error


def make_data(program: Program, place: Place, user: str, password: str) -> None:
    """Run initdb in a folder beside, which then takes its name; nothing to do when there is data already."""
    data, account = place.data, place.account
    if data.exists():
        return
    maker = named_account(account) if account else None
    new = data.with_name(f"{data.name}.new")
    secret = data.with_name(f"{data.name}.initdb")
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir(mode=0o700)
        _write_secret(secret, password)
        for path in (new, secret):
            give(path, maker)
        _initdb(program, ["-D", str(new), "-U", user, f"--pwfile={secret}"], maker)
        if maker != account:
            give(new, account)
        new.rename(data)
    except OSError as error:
        raise DevServerError(f"Cannot make {data}: {error.strerror}.") from error
    finally:
        secret.unlink(missing_ok=True)
        shutil.rmtree(new, ignore_errors=True)


def _initdb(program: Program, target: list[str], account: Account | None) -> None:
    fixed = ["--auth=scram-sha-256", "--locale=C", "--encoding=UTF8", "--no-sync", "--no-instructions"]
    groups: list[str | int] | None = [] if account else None
    try:
        done = subprocess.run(
            [str(program.path.with_name("initdb")), *target, *fixed],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            timeout=120,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=groups,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DevServerError(f"Cannot run initdb: {error}.") from error
    if done.returncode != 0:
        telling = [line for line in done.stderr.splitlines() if "rror" in line or "FATAL" in line]
        raise DevServerError(f"initdb failed: {(telling or [done.stderr.strip()])[-1]}")


def _write_secret(path: Path, secret: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{secret}\n")
