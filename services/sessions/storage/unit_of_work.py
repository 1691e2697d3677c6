"""Implements `sessions.ports.Writes`: each call is one transaction that ends with the ledger, and with its commit."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import orjson

from identity_core.audit import AuditRow, write_audit
from identity_core.db import Connection, Pool, transaction
from identity_core.events import write_events
from identity_core.ids import uuid7
from identity_core.secrets import hash_tag, pseudonym
from identity_core.session_store import LedgerEntry, ledger_key
from identity_core.telemetry import inject, store_span
from sessions import events
from sessions.ports import Act
from sessions.protocol.policy import Policy
from sessions.protocol.selectors import (
    ByClient,
    ByGrant,
    BySession,
    BySubject,
    ByTenant,
    Revocation,
    RevocationRequest,
    Selector,
    document_of,
    effects_of,
)
from sessions.storage import statements
from sessions.storage.reading import count_live

GRANT_REMEMBERED = timedelta(days=400)
"""Longer than any refresh token may live; as `sessions.end_v1` has it."""

REVOKED = "revoked"
"""Why a session ended, for its row and its event; the administrator's own words stand in revocation and audit."""
_SWEEPER_LOCK = 0x676873776565  # "ghswee": one sweeper at a time on one database


@dataclass(frozen=True, slots=True)
class _Matched:
    """How many live sessions match, the person they belong to, and the ledger's (kind, key)s."""

    found: int
    owner: UUID | None
    keys: Sequence[tuple[str, str]]


class PostgresWrites:
    """See `sessions.ports.Writes`."""

    def __init__(self, pool: Pool, *, tag_key: bytes) -> None:
        self._pool = pool
        self._tag_key = tag_key

    async def end_session(self, act: Act, session_id: UUID) -> Sequence[LedgerEntry] | None:
        """Four statements between BEGIN and COMMIT."""
        with store_span("postgres.end_session"):
            async with transaction(self._pool) as connection:
                row = await connection.fetchrow(statements.COUNT_SESSION, act.tenant, session_id)
                if row is None:
                    return None
                audit = self._audit(act, "session.ended", BySession(session_id), row["user_id"], REVOKED)
                await write_audit(connection, "sessions", audit)
                await connection.fetchval(
                    statements.END_SESSION, act.tenant, session_id, REVOKED, act.actor, uuid7(), inject()
                )
                return await _entries(connection, act.tenant, _session_keys(row["tag"], session_id))

    async def revoke(
        self, act: Act, request: RevocationRequest, revocation_id: UUID
    ) -> tuple[Revocation, Sequence[LedgerEntry]] | None:
        """Five statements between BEGIN and COMMIT, whatever the selector and however many it ends."""
        selector = request.selector
        with store_span("postgres.revoke", kind=selector.kind):
            async with transaction(self._pool) as connection:
                matched = await self._matched(connection, act.tenant, selector)
                if matched is None:
                    return None
                detail = {"found": matched.found}
                row = self._audit(act, "sessions.revoked", selector, matched.owner, request.reason, detail)
                await write_audit(connection, "sessions", row)
                made = await self._record(connection, act, request, revocation_id, matched)
                event = events.revoked(act.tenant, selector, revocation_id, made.epoch, request.reason)
                await write_events(connection, "sessions", event)
                return made, await _entries(connection, act.tenant, matched.keys)

    async def confirmed(self, tenant: UUID, revocation_id: UUID) -> None:
        async with transaction(self._pool) as connection:
            await connection.execute(statements.CONFIRMED, tenant, revocation_id)

    async def set_policy(self, act: Act, policy: Policy) -> None:
        """Two statements between BEGIN and COMMIT."""
        values = (policy.max_sessions_per_user, policy.on_limit, policy.idle_seconds, policy.absolute_seconds)
        names = ("max_sessions_per_user", "on_limit", "idle_seconds", "absolute_seconds")
        row = AuditRow(
            tenant=act.tenant,
            action="policy.changed",
            outcome="success",
            actor_kind=act.actor_kind,
            actor=act.actor,
            target_kind="policy",
            client_id=act.client_id,
            network=act.network,
            detail=dict(zip(names, values, strict=True)),
        )
        with store_span("postgres.set_policy"):
            async with transaction(self._pool) as connection:
                await connection.execute(statements.SET_POLICY, act.tenant, *values)
                await write_audit(connection, "sessions", row)

    async def _matched(self, connection: Connection, tenant: UUID, selector: Selector) -> _Matched | None:
        if isinstance(selector, BySession):
            row = await connection.fetchrow(statements.COUNT_SESSION, tenant, selector.session_id)
            if row is None:
                return None
            return _Matched(row["live"], row["user_id"], _session_keys(row["tag"], selector.session_id))
        found = await count_live(connection, tenant, selector) or 0
        owner = selector.subject if isinstance(selector, BySubject | ByGrant) else None
        return _Matched(found, owner, [(selector.kind, self._ledger_key(tenant, selector))])

    def _ledger_key(self, tenant: UUID, selector: BySubject | ByClient | ByGrant | ByTenant) -> str:
        match selector:
            case BySubject(subject):
                return str(subject)
            case ByClient(client_id):
                return client_id
            case ByGrant(grant_id, subject):
                return ledger_key(hash_tag(self._tag_key, tenant, str(subject)), str(grant_id))
            case ByTenant():
                return ""

    async def _record(
        self, connection: Connection, act: Act, request: RevocationRequest, revocation_id: UUID, matched: _Matched
    ) -> Revocation:
        """The revocation's row and, in the same statement, the ledger's; the revocation's id is the cause."""
        selector, found = request.selector, matched.found
        document, effects = document_of(selector), effects_of(selector, found)
        values = (
            *(act.tenant, revocation_id, orjson.dumps(document).decode(), request.reason, act.actor, found),
            orjson.dumps(effects).decode(),
        )
        statement: str
        more: tuple[object, ...]
        if isinstance(selector, BySession):
            statement, more = statements.RECORD_SESSION_REVOCATION, (selector.session_id, inject())
        else:
            remembered = GRANT_REMEMBERED if isinstance(selector, ByGrant) else None
            statement, more = statements.RECORD_REVOCATION, (*matched.keys[0], remembered)
        (row,) = await connection.fetch(statement, *values, *more)
        epoch, at = row["epoch"], row["created_at"]
        return Revocation(
            revocation_id, document, request.reason, epoch, found, found, "committed", effects, created_at=at, now=at
        )

    def _audit(
        self,
        act: Act,
        action: str,
        selector: Selector,
        owner: UUID | None,
        reason: str,
        detail: Mapping[str, object] | None = None,
    ) -> AuditRow:
        """A person is named by pseudonym, everything else by its id."""
        target: str | None = None
        match selector:
            case BySession(session_id):
                target = str(session_id)
            case ByGrant(grant_id, _):
                target = str(grant_id)
            case ByClient(client_id):
                target = client_id
            case BySubject() | ByTenant():
                pass
        return AuditRow(
            tenant=act.tenant,
            action=action,
            outcome="success",
            actor_kind=act.actor_kind,
            actor=act.actor,
            subject_pseudonym=None if owner is None else pseudonym(self._tag_key, act.tenant, str(owner)),
            target_kind=selector.kind,
            target=target,
            client_id=act.client_id,
            network=act.network,
            reason=reason,
            detail=detail or {},
        )


@asynccontextmanager
async def sweeping(pool: Pool) -> AsyncIterator[Connection | None]:
    """A transaction of the sweeper; None while another process's runs."""
    async with transaction(pool) as connection:
        free = await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _SWEEPER_LOCK)
        yield connection if free else None


async def entries_of_sessions(
    connection: Connection, tenant: UUID, sessions: Sequence[tuple[int, UUID]]
) -> Sequence[LedgerEntry]:
    """The ledger rows of sessions, each given as its tag and id. One statement."""
    return await _entries(connection, tenant, [key for tag, session in sessions for key in _session_keys(tag, session)])


def _session_keys(tag: int, session_id: UUID) -> list[tuple[str, str]]:
    key = ledger_key(tag, str(session_id))
    return [("session", key), ("grant", key)]


async def _entries(connection: Connection, tenant: UUID, keys: Sequence[tuple[str, str]]) -> Sequence[LedgerEntry]:
    kinds, names = [kind for kind, _ in keys], [name for _, name in keys]
    rows = await connection.fetch(statements.LEDGER_ENTRIES, tenant, kinds, names)
    return [LedgerEntry(*row.values()) for row in rows]
