"""`gatehouse user`: people in the directory and their passwords. Passwords never stand on a command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from gatehouse.cli.output import DEFAULT_DATA, DataOption, JsonOption, say_fields, say_json
from gatehouse.cli.tenants import DEFAULT_TENANT, TenantOption
from gatehouse.faults import CommandFault, ExitCode
from identity_core.secrets import random_token

app = typer.Typer(help="Create people and set their passwords.")
StdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input; made if left out.")
]
_USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
_BY_NAME = "SELECT subject FROM directory.subject_v1 WHERE tenant = $1 AND username_key = $2"


@app.command("create")
def create(
    username: Annotated[str, typer.Argument(help="The name to sign in with.")],
    email: Annotated[str | None, typer.Option(help="E-mail address.")] = None,
    given_name: Annotated[str | None, typer.Option(help="First name.")] = None,
    family_name: Annotated[str | None, typer.Option(help="Last name.")] = None,
    password_stdin: StdinOption = False,
    tenant: TenantOption = DEFAULT_TENANT,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Create a person who can sign in."""
    from gatehouse.cli.surroundings import wait_for

    resource: dict[str, Any] = {"schemas": [_USER_SCHEMA], "userName": username, "active": True}
    if email:
        resource["emails"] = [{"value": email, "primary": True}]
    if name := {k: v for k, v in (("givenName", given_name), ("familyName", family_name)) if v}:
        resource["name"] = name
    password, made = _password(password_stdin, username)
    user_id = wait_for(_create(resource, password, tenant, data))
    _say(f"Created {username}", {"id": str(user_id), "username": username}, made, as_json)


@app.command("set-password")
def set_password(
    username: Annotated[str, typer.Argument(help="Whose.")],
    password_stdin: StdinOption = False,
    tenant: TenantOption = DEFAULT_TENANT,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Set a person's password; every session and token they have ends."""
    from gatehouse.cli.surroundings import wait_for

    password, made = _password(password_stdin, username)
    user_id = wait_for(_set_password(username, password, tenant, data))
    _say(f"Password of {username} set", {"id": str(user_id), "username": username}, made, as_json)


def _password(from_stdin: bool, username: str) -> tuple[str, str | None]:
    """The password, and the same again when it was made here and must be shown."""
    from identity_core.passwords import acceptable

    if not from_stdin:
        made = random_token()
        return made, made
    given = sys.stdin.readline().rstrip("\r\n")
    fault = acceptable(given, context_words=(username, "gatehouse"))
    if fault:
        raise CommandFault(ExitCode.REFUSED, "The password is refused", fault)
    return given, None


async def _create(resource: dict[str, Any], password: str, tenant: str, data: Path) -> UUID:
    from gatehouse.cli.surroundings import database_of
    from gatehouse.cli.tenants import tenant_of
    from identity_core.db import transaction
    from scim.protocol.errors import ScimError
    from scim.storage.users import create_user

    hashed = await _hash(password)
    async with database_of("scim", data) as (settings, pool):
        tenant_id = await tenant_of(pool, tenant)
        async with transaction(pool) as connection:
            created = await create_user(connection, tenant_id, resource, hashed, tag_key=settings.tag_key)
            if isinstance(created, ScimError):
                raise refusal(created)
    return created.id


async def _set_password(username: str, password: str, tenant: str, data: Path) -> UUID:
    from datetime import UTC, datetime

    from gatehouse.cli.revoking import revoker_for
    from gatehouse.cli.surroundings import database_of
    from gatehouse.cli.tenants import tenant_of
    from identity_core.usernames import username_key
    from scim.ports import Act, Caller, Draft
    from scim.protocol.errors import ScimError
    from scim.storage.users import UserStore

    hashed = await _hash(password)
    async with database_of("scim", data) as (settings, pool), revoker_for(settings, pool) as revoker:
        tenant_id = await tenant_of(pool, tenant)
        user_id: UUID | None = await pool.fetchval(_BY_NAME, tenant_id, username_key(username))
        if user_id is None:
            raise CommandFault(
                ExitCode.NOT_FOUND, f"There is no user {username}", "create one with `gatehouse user create`"
            )
        act = Act(Caller(tenant_id, tenant, "operator", "operator"), datetime.now(UTC), settings.tag_key)
        changed = await UserStore(pool, revoker).change(act, user_id, lambda stored: Draft(stored.resource, hashed))
        if isinstance(changed, ScimError):
            raise refusal(changed)
    return user_id


async def _hash(password: str) -> str:
    from identity_core.passwords import PasswordHasher

    hasher = PasswordHasher(threads=1, queue_limit=0)
    try:
        return await hasher.hash(password)
    finally:
        hasher.close()


def refusal(error: Any) -> CommandFault:
    """A SCIM refusal in the operator's words."""
    taken = error.scim_type == "uniqueness"
    missing = error.status == 404
    code = ExitCode.CONFLICT if taken else ExitCode.NOT_FOUND if missing else ExitCode.REFUSED
    mend = "choose another user name" if taken else "correct it and try again"
    return CommandFault(code, f"The directory refused: {error.detail}", mend)


def _say(title: str, fields: dict[str, Any], made: str | None, as_json: bool) -> None:
    if made is not None:
        fields["password"] = made
    if as_json:
        say_json(fields)
    else:
        say_fields(title, fields)
