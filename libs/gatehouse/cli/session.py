"""`gatehouse session`: who is signed in, and ending that for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast
from uuid import UUID

import typer

from gatehouse.cli.output import DEFAULT_DATA, DataOption, JsonOption, say_json, say_table
from gatehouse.cli.tenants import DEFAULT_TENANT, TenantOption
from gatehouse.faults import CommandFault, ExitCode

if TYPE_CHECKING:
    from sessions.protocol.selectors import Selector

app = typer.Typer(help="List and end sessions.")
FRESH_SECONDS = 5.0


class State(StrEnum):
    """Which sessions to list."""

    LIVE = "live"
    ENDED = "ended"
    ALL = "all"


@app.command("list")
def list_sessions(
    user: Annotated[str | None, typer.Option(help="Only this person's (user name or id).")] = None,
    state: Annotated[State, typer.Option(help="Which of them.")] = State.LIVE,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many, newest first.")] = 100,
    tenant: TenantOption = DEFAULT_TENANT,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """List sessions, newest first."""
    from gatehouse.cli.surroundings import wait_for

    found = wait_for(_list(user, state, limit, tenant, data))
    if as_json:
        say_json({"sessions": found})
        return
    rows = [
        (
            s["session_id"],
            s["username"] or s["subject"],
            s["created_at"],
            s["absolute_end"],
            s["network"],
            s["ended_at"],
        )
        for s in found
    ]
    say_table(
        "Sessions",
        ("Session", "Person", "Began", "Ends at the latest", "Network", "Ended"),
        rows,
        empty="Nobody is signed in.",
    )


@app.command("revoke")
def revoke(
    session_id: Annotated[UUID | None, typer.Argument(metavar="[SESSION]", help="One session.")] = None,
    user: Annotated[str | None, typer.Option(help="Everything of this person (user name or id).")] = None,
    client: Annotated[str | None, typer.Option(help="Everything issued to this client.")] = None,
    everybody: Annotated[bool, typer.Option("--everybody", help="Everything of the tenant.")] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")] = "revoked by the operator",
    tenant: TenantOption = DEFAULT_TENANT,
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """End sessions and all that was issued from them. Returns when nobody accepts them any more."""
    from gatehouse.cli.surroundings import wait_for

    if sum((session_id is not None, user is not None, client is not None, everybody)) != 1:
        raise CommandFault(
            ExitCode.USAGE,
            "`session revoke` needs exactly one of SESSION, --user, --client and --everybody",
            "see `gatehouse session revoke --help`",
        )
    done = wait_for(_revoke(Target(session_id, user, client), reason, tenant, data))
    if as_json:
        say_json(done)
    else:
        typer.echo(f"Revoked; {done['found']} live sessions matched. Nobody accepts them any more.")


@dataclass(frozen=True)
class Target:
    """What to end; nothing given means the whole tenant."""

    session_id: UUID | None
    user: str | None
    client: str | None


_USER = "SELECT subject FROM directory.subject_v1 WHERE tenant = $1 AND (username_key = $2 OR subject::text = $3)"
_NAMES = "SELECT subject, username FROM directory.subject_v1 WHERE tenant = $1 AND subject = ANY($2::uuid[])"


async def _list(user: str | None, state: State, limit: int, tenant: str, data: Path) -> list[dict[str, Any]]:
    from gatehouse.cli.revoking import follower_for
    from gatehouse.cli.surroundings import database_of
    from gatehouse.cli.tenants import tenant_of
    from sessions.ports import LiveKey
    from sessions.protocol.listing import Listing, verdict
    from sessions.storage.live import LiveSessions
    from sessions.storage.reading import PostgresReads

    async with database_of("sessions", data) as (settings, pool), follower_for(settings, pool) as follower:
        tenant_id = await tenant_of(pool, tenant)
        user_id = await _user_of(pool, tenant_id, user) if user is not None else None
        rows = await PostgresReads(pool).page(tenant_id, Listing(user_id, state.value, limit))
        await follower.wait_fresh(FRESH_SECONDS)
        seen = await LiveSessions(follower).seen([LiveKey(tenant_id, row.tag, row.id) for row in rows])
        names = {
            row["subject"]: row["username"]
            for row in await pool.fetch(_NAMES, tenant_id, [row.user_id for row in rows])
        }
    found = []
    for row, last in zip(rows, seen, strict=True):
        judged = verdict(row, last)
        if state is not State.ALL and judged.state != state.value:
            continue
        found.append(
            {
                "session_id": row.id,
                "subject": row.user_id,
                "username": names.get(row.user_id),
                "state": judged.state,
                "client_ids": row.client_ids,
                "device": row.device,
                "network": row.network,
                "acr": row.acr,
                "amr": row.amr,
                "auth_time": _plain(row.auth_time),
                "created_at": _plain(row.created_at),
                "seen_at": _plain(last),
                "absolute_end": _plain(row.absolute_end),
                "ended_at": _plain(judged.ended_at),
                "end_reason": judged.end_reason,
            }
        )
    return found


async def _revoke(target: Target, reason: str, tenant: str, data: Path) -> dict[str, Any]:
    from gatehouse.cli.revoking import revoker_for
    from gatehouse.cli.surroundings import database_of
    from gatehouse.cli.tenants import tenant_of
    from identity_core.ids import uuid7
    from sessions.ports import Act
    from sessions.protocol.selectors import RevocationRequest
    from sessions.storage.unit_of_work import PostgresWrites

    async with database_of("sessions", data) as (settings, pool), revoker_for(settings, pool) as revoker:
        tenant_id = await tenant_of(pool, tenant)
        selector = await _selector(pool, tenant_id, target)
        act = Act(tenant_id, cast(Any, "operator"), "operator", "", None)
        writes = PostgresWrites(pool, tag_key=settings.tag_key)
        done = await writes.revoke(act, RevocationRequest(selector, reason), uuid7())
        if done is None:
            raise CommandFault(
                ExitCode.NOT_FOUND,
                f"There is no session {target.session_id}",
                "see `gatehouse session list --state all`",
            )
        revocation, entries = done
        await revoker.confirm(entries)
        await writes.confirmed(tenant_id, revocation.id)
    return {
        "id": revocation.id,
        "selector": revocation.selector,
        "reason": reason,
        "epoch": revocation.epoch,
        "found": revocation.found,
        "ended": revocation.ended,
        "status": "confirmed",
    }


async def _selector(pool: Any, tenant: UUID, target: Target) -> Selector:
    from sessions.protocol.selectors import ByClient, BySession, BySubject, ByTenant

    if target.session_id is not None:
        return BySession(target.session_id)
    if target.user is not None:
        return BySubject(await _user_of(pool, tenant, target.user))
    return ByTenant() if target.client is None else ByClient(target.client)


async def _user_of(pool: Any, tenant: UUID, named: str) -> UUID:
    from identity_core.usernames import username_key

    found: UUID | None = await pool.fetchval(_USER, tenant, username_key(named), named.lower())
    if found is None:
        raise CommandFault(ExitCode.NOT_FOUND, f"There is no user {named}", "give a user name or id that exists")
    return found


def _plain(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat(timespec="seconds")
