"""Users in PostgreSQL: reads of one statement; writes of one transaction with their audit row, events and ends."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import orjson

from identity_core.audit import AuditRow, write_audit
from identity_core.db import Connection, Pool, Record, retry_on_stale_plan
from identity_core.events import write_events
from identity_core.ids import uuid7
from identity_core.secrets import pseudonym
from identity_core.session_store import Revoker
from identity_core.telemetry import store_span
from identity_core.usernames import username_key
from scim.events import USER_CREATED, USER_DELETED, change_types, user_event
from scim.ports import Act, Answer, Caller, Decide, Draft, Listing, Once, Permit, Render, Stored
from scim.protocol.changes import changed_names
from scim.protocol.errors import ScimError, not_found, uniqueness
from scim.protocol.filters import Lookup
from scim.protocol.identifiers import as_id
from scim.protocol.intake import read_resource
from scim.protocol.paging import Page
from scim.resource_types.user import USER, UserRow, from_row, to_row
from scim.storage import statements
from scim.storage.idempotency import claim, remember
from scim.storage.unit_of_work import UnitOfWork, reading, unit_of_work

T = TypeVar("T")
_TAKEN = "userName is taken"


class UserStore:
    """Port `ResourceStore` for users."""

    def __init__(self, pool: Pool, revoker: Revoker) -> None:
        self._pool = pool
        self._revoker = revoker

    async def get(self, tenant: UUID, id: UUID) -> Stored | None:
        """One statement."""

        async def work() -> Stored | None:
            async with reading(self._pool) as connection:
                row = await connection.fetchrow(statements.GET_USER, tenant, id)
            return None if row is None else _stored(row)

        with store_span("postgres.user_get"):
            return await retry_on_stale_plan(work)

    async def page(self, tenant: UUID, lookup: Lookup | None, page: Page) -> Listing:
        """In order of creation. One statement; none when an id is looked up that cannot be one."""
        statement, arguments = statements.PAGE_OF_USERS, list[Any]()
        if lookup is not None:
            wanted = _operand(lookup)
            if wanted is None:
                return Listing(0, [])
            statement, arguments = statements.USERS_BY[lookup.attribute], [wanted]

        async def work() -> Listing:
            async with reading(self._pool) as connection:
                rows = await connection.fetch(statement, tenant, page.start_index - 1, page.count, *arguments)
            return Listing(rows[0]["total"], [_stored(row) for row in rows if row["id"] is not None])

        with store_span("postgres.user_page"):
            return await retry_on_stale_plan(work)

    async def create(self, act: Act, draft: Draft, render: Render, once: Once | None = None) -> Answer | ScimError:
        """Three statements; one more for a password, three more with an idempotency key."""

        async def work(unit: UnitOfWork) -> Answer | ScimError:
            caller = act.caller
            if once is not None and (earlier := await claim(unit.connection, caller, once)) is not None:
                return earlier
            created = await _create(unit.connection, act, draft)
            if isinstance(created, ScimError):
                return created
            answer = render(created)
            if once is not None:
                await remember(unit.connection, caller, once, answer)
            return answer

        return await self._write("postgres.user_create", work)

    async def change(self, act: Act, id: UUID, decide: Decide) -> Stored | ScimError:
        """One statement when nothing changes, else four; one more for a password, one more for an end."""

        async def work(unit: UnitOfWork) -> Stored | ScimError:
            row = await unit.connection.fetchrow(statements.LOCK_USER, act.caller.tenant, id)
            if row is None:
                return not_found()
            stored = _stored(row)
            draft = decide(stored)
            return draft if isinstance(draft, ScimError) else await _change(unit, act, stored, draft)

        try:
            return await self._write("postgres.user_change", work)
        except asyncpg.UniqueViolationError:
            return uniqueness(_TAKEN)

    async def delete(self, act: Act, id: UUID, permit: Permit) -> ScimError | None:
        """Five statements. Of a user that is not there any more the end is confirmed once more."""

        async def work(unit: UnitOfWork) -> ScimError | None:
            tenant = act.caller.tenant
            row = await unit.connection.fetchrow(statements.LOCK_USER, tenant, id)
            if row is None:
                await unit.end_user_again(tenant, id)
                return not_found()
            if (refusal := permit(_stored(row))) is not None:
                return refusal
            await unit.connection.execute(statements.DELETE_USER, tenant, id)
            await write_audit(unit.connection, "directory", _audit(act, "scim.user.delete", id))
            await write_events(unit.connection, "directory", user_event(USER_DELETED, tenant, id))
            await unit.end_user(tenant, _actor(act.caller), id, "user deleted")
            return None

        return await self._write("postgres.user_delete", work)

    async def _write(self, name: str, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        async def whole() -> T:
            async with unit_of_work(self._pool, self._revoker) as unit:
                return await work(unit)

        with store_span(name):
            return await retry_on_stale_plan(whole)


async def create_user(
    connection: Connection,
    tenant: UUID,
    resource: Mapping[str, Any],
    password_hash: str | None = None,
    *,
    tag_key: bytes,
    source_id: UUID | None = None,
    now: datetime | None = None,
) -> Stored | ScimError:
    """For the operator's tools: a user from a SCIM resource, by the rules of a POST, in the caller's transaction.

    `password_hash`: argon2id. A password in the resource itself is refused unread. Three statements, or four.
    """
    intake = read_resource(USER.schema, resource)
    if isinstance(intake, ScimError):
        return intake
    if intake.write_only:
        return ScimError(400, "give the password's hash, not the password", "invalidValue")
    kept = USER.settle(None, intake.resource, None)
    act = Act(Caller(tenant, "", "operator", "operator", source_id), now or datetime.now(UTC), tag_key)
    return USER.fault(kept, {}) or await _create(connection, act, Draft(kept, password_hash))


async def _create(connection: Connection, act: Act, draft: Draft) -> Stored | ScimError:
    caller, user_id = act.caller, uuid7()
    row = to_row(draft.resource, act.now)
    inserted = await connection.fetchval(
        statements.INSERT_USER, caller.tenant, user_id, *_columns(row), caller.source_id, act.now
    )
    if inserted is None:
        return uniqueness(_TAKEN)
    if draft.password_hash is not None:
        await connection.execute(statements.SET_PASSWORD, caller.tenant, user_id, draft.password_hash)
    names = _names({}, draft)
    await write_audit(connection, "directory", _audit(act, "scim.user.create", user_id, names))
    await write_events(connection, "directory", user_event(USER_CREATED, caller.tenant, user_id, names))
    return Stored(user_id, draft.resource, 1, act.now, act.now)


async def _change(unit: UnitOfWork, act: Act, stored: Stored, draft: Draft) -> Stored:
    """Record what the decision comes to; the ledger row last."""
    tenant, connection, was, after = act.caller.tenant, unit.connection, stored.resource, draft.resource
    changed = _names(was, draft)
    ends = _end_reason(was, draft)
    if changed:
        row = to_row(after, act.now)
        await connection.execute(statements.UPDATE_USER, tenant, stored.id, *_columns(row), act.now)
        if draft.password_hash is not None:
            await connection.execute(statements.SET_PASSWORD, tenant, stored.id, draft.password_hash)
        await write_audit(connection, "directory", _audit(act, "scim.user.update", stored.id, changed, reason=ends))
        events = (user_event(kind, tenant, stored.id, changed) for kind in change_types(was, after, changed))
        await write_events(connection, "directory", *events)
    if ends is not None:
        await unit.end_user(tenant, _actor(act.caller), stored.id, ends)
    elif after.get("active") is not True:
        await unit.end_user_again(tenant, stored.id)
    if not changed:
        return stored
    return Stored(stored.id, after, stored.version + 1, stored.created_at, act.now)


def _end_reason(before: Mapping[str, Any], draft: Draft) -> str | None:
    """Why a change ends everything issued to the person: no longer active, or the password is another one."""
    if before.get("active") is True and draft.resource.get("active") is not True:
        return "user deactivated"
    return "password changed" if draft.password_hash is not None else None


def _names(before: Mapping[str, Any], draft: Draft) -> tuple[str, ...]:
    names = changed_names(before, draft.resource)
    return names if draft.password_hash is None else (*names, "password")


def _operand(lookup: Lookup) -> str | UUID | None:
    match lookup.attribute:
        case "userName":
            return username_key(lookup.value)
        case "id":
            return as_id(lookup.value)
        case _:
            return lookup.value


def _columns(row: UserRow) -> Sequence[object]:
    return (
        row.user_name,
        row.user_name_key,
        row.external_id,
        row.active,
        orjson.dumps(row.resource).decode(),
        row.email_verified,
        row.phone_number_verified,
        row.gender,
        row.birthdate,
        row.website,
        orjson.dumps(row.claims).decode(),
    )


def _stored(row: Record) -> Stored:
    resource = from_row(orjson.loads(row["resource"]), dict(row))
    return Stored(row["id"], resource, row["version"], row["created_at"], row["modified_at"])


def _audit(act: Act, action: str, user_id: UUID, names: Sequence[str] = (), *, reason: str | None = None) -> AuditRow:
    caller = act.caller
    return AuditRow(
        tenant=caller.tenant,
        action=action,
        outcome="success",
        actor_kind=caller.kind,
        actor=caller.name,
        subject_pseudonym=pseudonym(act.tag_key, caller.tenant, str(user_id)),
        target_kind="user",
        client_id=caller.name if caller.kind == "client" else None,
        network=act.network,
        reason=reason,
        detail={"attributes": list(names)} if names else {},
    )


def _actor(caller: Caller) -> str:
    return caller.key
