"""`gatehouse client`: OAuth clients, by RFC 7591 metadata."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import orjson
import typer

from gatehouse.cli.output import DEFAULT_DATA, DataOption, JsonOption, say_fields, say_json, say_table
from gatehouse.cli.tenants import DEFAULT_TENANT, TenantOption
from gatehouse.faults import CommandFault, ExitCode

app = typer.Typer(help="Register and list OAuth clients.")
_OURS = ("client_id", "client_secret")


@app.command("create")
def create(
    name: Annotated[str, typer.Option(help="The name people see on the consent page.")],
    redirect_uri: Annotated[list[str], typer.Option(help="Where codes may be sent; may be repeated.")] = [],  # noqa: B006
    scope: Annotated[str | None, typer.Option(help="What it may ask for, separated by spaces.")] = None,
    grant_type: Annotated[list[str], typer.Option(help="May be repeated; the code flow if left out.")] = [],  # noqa: B006
    public: Annotated[bool, typer.Option("--public", help="No secret: browser and installed applications.")] = False,
    first_party: Annotated[bool, typer.Option("--first-party", help="Yours: no consent page.")] = False,
    client_id: Annotated[str | None, typer.Option(help="Its id; made if left out.")] = None,
    secret_stdin: Annotated[bool, typer.Option("--secret-stdin", help="Read its secret; made if left out.")] = False,
    tenant: TenantOption = DEFAULT_TENANT,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Register one client. Its secret is shown now and never again."""
    metadata: dict[str, Any] = {"client_name": name}
    if client_id:
        metadata["client_id"] = client_id
    if redirect_uri:
        metadata["redirect_uris"] = redirect_uri
    if scope is not None:
        metadata["scope"] = scope
    if grant_type:
        metadata["grant_types"] = grant_type
    if public:
        metadata["token_endpoint_auth_method"] = "none"
    if secret_stdin:
        metadata["client_secret"] = sys.stdin.readline().rstrip("\r\n")
    [registered] = _register([metadata], tenant, data, first_party=first_party)
    if as_json:
        say_json(registered)
    else:
        say_fields(f"Registered {name}", registered)


@app.command("import")
def import_clients(
    file: Annotated[Path, typer.Argument(help="A JSON list of RFC 7591 metadata; `-` is standard input.")],
    first_party: Annotated[bool, typer.Option("--first-party", help="Yours: no consent page.")] = False,
    tenant: TenantOption = DEFAULT_TENANT,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Register every client of a file, or none. `client_id` and `client_secret` may be given or are made."""
    registered = _register(_read(file), tenant, data, first_party=first_party)
    if as_json:
        say_json({"clients": registered})
    else:
        rows = [(c["client_id"], c.get("client_name"), c.get("client_secret")) for c in registered]
        say_table(
            "Registered; secrets are shown this once", ("Client", "Name", "Secret"), rows, empty="The file is empty."
        )


@app.command("list")
def list_clients(
    tenant: TenantOption = DEFAULT_TENANT, data: DataOption = DEFAULT_DATA, as_json: JsonOption = False
) -> None:
    """List a tenant's clients."""
    from gatehouse.cli.surroundings import wait_for

    found = wait_for(_all(tenant, data))
    if as_json:
        say_json({"clients": found})
        return
    rows = [
        (
            c["client_id"],
            c.get("client_name"),
            c.get("token_endpoint_auth_method"),
            c.get("grant_types"),
            c.get("scope"),
        )
        for c in found
    ]
    say_table(
        "Clients", ("Client", "Name", "Authentication", "Grants", "Scope"), rows, empty="There are no clients yet."
    )


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except FileNotFoundError as error:
        raise CommandFault(ExitCode.NOT_FOUND, f"There is no file {file}", "name one that exists") from error
    except OSError as error:
        raise CommandFault(
            ExitCode.REFUSED, f"{file} cannot be read ({error.strerror})", "name a readable file"
        ) from error
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise CommandFault(
            ExitCode.REFUSED, f"{file} is not JSON ({error.msg}, line {error.lineno})", "mend the file"
        ) from error
    if not isinstance(document, list) or not all(isinstance(entry, dict) for entry in document):
        raise CommandFault(
            ExitCode.REFUSED, f"{file} is not a JSON list of objects", "give a list of RFC 7591 client metadata"
        )
    return document


def _register(
    documents: Sequence[Mapping[str, Any]], tenant: str, data: Path, *, first_party: bool
) -> list[dict[str, Any]]:
    from gatehouse.cli.surroundings import wait_for

    return wait_for(_register_all(documents, tenant, data, first_party))


async def _register_all(
    documents: Sequence[Mapping[str, Any]], tenant: str, data: Path, first_party: bool
) -> list[dict[str, Any]]:
    from gatehouse.cli.surroundings import database_of
    from gatehouse.cli.tenants import tenant_of
    from identity_core.db import transaction

    async with database_of("authz", data) as (_, pool):
        tenant_id = await tenant_of(pool, tenant)
        async with transaction(pool) as connection:
            return [
                await _register_one(connection, tenant_id, document, number, first_party)
                for number, document in enumerate(documents, start=1)
            ]


async def _register_one(
    connection: Any, tenant: UUID, document: Mapping[str, Any], number: int, first_party: bool
) -> dict[str, Any]:
    from asyncpg import UniqueViolationError

    from authz.storage import clients

    client_id, secret = document.get("client_id"), document.get("client_secret")
    if not all(given is None or isinstance(given, str) for given in (client_id, secret)):
        raise _refused(number, "client_id and client_secret must be texts")
    metadata = {name: value for name, value in document.items() if name not in _OURS}
    try:
        made = await clients.register(
            connection, tenant, metadata, client_id=client_id, secret=secret, first_party=first_party
        )
    except clients.MetadataRefused as refused:
        raise _refused(number, str(refused)) from refused
    except UniqueViolationError as error:
        raise CommandFault(
            ExitCode.CONFLICT,
            f"There is a client {client_id} already",
            "choose another client_id; nothing was registered",
        ) from error
    shown = {"client_id": made.client_id}
    if made.client_secret is not None:
        shown["client_secret"] = made.client_secret
    return shown | dict(made.metadata)


def _refused(number: int, why: str) -> CommandFault:
    return CommandFault(
        ExitCode.REFUSED, f"Client {number} is refused, {why}", "correct its metadata; nothing was registered"
    )


async def _all(tenant: str, data: Path) -> list[dict[str, Any]]:
    from authz.storage import clients
    from gatehouse.cli.surroundings import database_of
    from gatehouse.cli.tenants import tenant_of

    async with database_of("authz", data) as (_, pool):
        tenant_id = await tenant_of(pool, tenant)
        async with pool.acquire() as connection:
            found = await clients.list_clients(connection, tenant_id)
    return [
        {
            "client_id": client["client_id"],
            "active": client["active"],
            "first_party": client["first_party"],
            "created_at": client["created_at"].isoformat(timespec="seconds"),
        }
        | client["metadata"]
        for client in found
    ]
