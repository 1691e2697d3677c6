"""Sessions of browsers: the row in PostgreSQL first, then the live record, then the end of what had to make way.

Revocation rules 1, 2, 3 and 10: every opening writes one row through `sessions.open_v1`, every end before its time
goes through the ledger, and the stamps are those the password was checked with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from authz.interaction import SessionFacts
from authz.login_ports import OpenCookie, Opening, Refused
from identity_core import ids, secrets
from identity_core.audit import AuditRow, write_audit
from identity_core.base64url import encode as base64url
from identity_core.clock import Clock
from identity_core.contracts.stamps import Binding, Stamps
from identity_core.db import Connection, Pool, transaction
from identity_core.secrets import SessionCookie
from identity_core.session_store import (
    CreateRefused,
    LedgerEntry,
    NewSession,
    Revoker,
    SessionStore,
    StandingQuery,
    judge,
    ledger_key,
)

_DEFAULT_IDLE_S = 12 * 3600
_DEFAULT_ABSOLUTE_S = 7 * 24 * 3600
_LEDGER_MARGIN = timedelta(days=1)
# For a session whose end is not known any more.
_LEDGER_LONGEST = timedelta(days=400)

POLICY = """
SELECT max_sessions_per_user, on_limit, idle_seconds, absolute_seconds FROM sessions.policy_v1 WHERE tenant = $1
"""
OPEN = "SELECT sessions.open_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
END = "SELECT sessions.end_v1($1, $2, $3, $4, $5)"
ENDED = """
SELECT key, epoch, (extract(epoch FROM until) * 1000)::bigint FROM sessions.ledger_v1
WHERE tenant = $1 AND kind = 'session' AND key = ANY($2)
"""
REVOKE = "SELECT sessions.revoke_v1($1, $2, $3, $4, $5, $6, $7)"


@dataclass(frozen=True, slots=True)
class _Policy:
    limit: int | None = None
    on_limit: str = "end_oldest"
    idle_s: int = _DEFAULT_IDLE_S
    absolute_s: int = _DEFAULT_ABSOLUTE_S


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an opening comes to: the cookie, its policy, and whether it renews the session the browser came with."""

    cookie: SessionCookie
    policy: _Policy
    renews: bool
    absolute_end: datetime


@dataclass(frozen=True, slots=True)
class _End:
    """Sessions of one person to end. `until`: how long the ledger must know of one that has no row to tell it."""

    tenant: UUID
    tag: int
    sessions: Sequence[UUID]
    reason: str
    actor: str
    until: datetime


class LoginStore:
    """Raises the stores' faults (503)."""

    def __init__(self, pool: Pool, store: SessionStore, revoker: Revoker, *, clock: Clock) -> None:
        self._pool = pool
        self._store = store
        self._revoker = revoker
        self._clock = clock

    async def current(self, tenant: UUID, cookie: SessionCookie, client_id: str | None) -> OpenCookie | None:
        """The session of a cookie, if it lives. One round trip to Redis."""
        facts = await self._store.read(
            StandingQuery(
                tenant,
                cookie.tag,
                client_id=client_id,
                session_id=cookie.session_id,
                token_key=cookie_key(cookie),
            )
        )
        session = facts.session
        if session is None or not secrets.same(session.secret_hash, secrets.sha256(cookie.secret)):
            return None
        stamps = Stamps(session.tenant_epoch, facts.epochs.client, session.user_epoch)
        if judge(facts, Binding(cookie.tag, stamps, cookie.session_id), needs_session=True) is not None:
            return None
        held = SessionFacts(cookie.session_id, session.user_id, session.auth_time_ms, session.amr, facts.now_ms)
        return OpenCookie(
            cookie=cookie,
            facts=held,
            acr=session.acr,
            user_epoch=session.user_epoch,
            tenant_epoch=session.tenant_epoch,
            client_epoch=facts.epochs.client,
            absolute_end_ms=session.absolute_end_ms,
        )

    async def open(self, opening: Opening) -> OpenCookie | Refused:
        """Open or renew a session: one transaction of three to six statements, one Lua call, then the reads of
        `current`; ending somebody takes one more transaction and one more round trip."""
        made = await self._write(opening)
        if made is None:
            return Refused("ended")
        plan, ledger = made
        await self._revoker.confirm(ledger)
        created = await self._store.create(_new_session(opening, plan))
        if isinstance(created, CreateRefused):
            # Of two tabs that renew one session at once the first has replaced the secret: it is theirs, and lives.
            if not plan.renews:
                await self._end_all(opening, [plan.cookie.session_id], created.reason)
            return Refused(created.reason)
        await self._end_all(opening, created.evicted, "limit")
        # What was just opened is read like any other cookie: whatever has been revoked meanwhile is dead here.
        opened = await self.current(opening.tenant, plan.cookie, opening.client_id)
        if opened is None:
            await self._end_all(opening, [plan.cookie.session_id], "ended")
            return Refused("ended")
        return opened

    async def end(self, tenant: UUID, session: OpenCookie, reason: str, audit: AuditRow) -> None:
        """End a session: one transaction of three statements (four for one whose row is lost), then one round trip to
        Redis."""
        actor = str(session.facts.user_id)
        async with transaction(self._pool) as connection:
            await write_audit(connection, "authz", _about(audit, session.cookie.session_id))
            entries = await _end(connection, _end_of(tenant, session, reason, actor))
        await self._revoker.confirm(entries)

    async def record(self, audit: AuditRow) -> None:
        """Write one audit row. One transaction of one statement."""
        async with transaction(self._pool) as connection:
            await write_audit(connection, "authz", audit)

    async def _write(self, opening: Opening) -> tuple[_Plan, list[LedgerEntry]] | None:
        """Row, audit and ledger in one transaction; None when the session to renew has ended."""
        async with transaction(self._pool) as connection:
            plan = self._plan(opening, await _policy(connection, opening.tenant))
            if not await connection.fetchval(OPEN, *_row(opening, plan)):
                return None
            await write_audit(connection, "authz", _about(opening.audit, plan.cookie.session_id))
            # The ledger comes last in its transaction: it holds the row that every revocation of this key needs.
            return plan, await self._ledger(connection, opening, plan)

    def _plan(self, opening: Opening, policy: _Policy) -> _Plan:
        evidence, previous = opening.evidence, opening.previous
        renews = previous is not None and previous.facts.user_id == evidence.user_id
        session_id = previous.cookie.session_id if previous is not None and renews else ids.uuid7()
        tag = self._store.tag(opening.tenant, evidence.user_id)
        cookie = SessionCookie(tag, session_id, secrets.random_token(128))
        end = self._clock.now() + timedelta(seconds=policy.absolute_s)
        if previous is not None and renews:
            # Signing in again does not prolong a session's life.
            end = datetime.fromtimestamp(previous.absolute_end_ms / 1000, UTC)
        return _Plan(cookie, policy, renews, end)

    async def _ledger(self, connection: Connection, opening: Opening, plan: _Plan) -> list[LedgerEntry]:
        """End what the new cookie takes the place of: the old secret, or another person's session."""
        previous, actor = opening.previous, str(opening.evidence.user_id)
        if previous is None:
            return []
        old = previous.cookie
        if not plan.renews:
            return await _end(connection, _end_of(opening.tenant, previous, "replaced", actor))
        key, until = ledger_key(old.tag, cookie_key(old)), plan.absolute_end + _LEDGER_MARGIN
        epoch = await connection.fetchval(REVOKE, opening.tenant, actor, "token", key, "rotated", ids.uuid7(), until)
        return [LedgerEntry(opening.tenant, "token", key, epoch, int(until.timestamp() * 1000))]

    async def _end_all(self, opening: Opening, sessions: Sequence[UUID], reason: str) -> None:
        if not sessions:
            return
        actor, tag = str(opening.evidence.user_id), self._store.tag(opening.tenant, opening.evidence.user_id)
        end = _End(opening.tenant, tag, sessions, reason, actor, self._clock.now() + _LEDGER_LONGEST)
        async with transaction(self._pool) as connection:
            entries = await _end(connection, end)
        await self._revoker.confirm(entries)


async def _end(connection: Connection, end: _End) -> list[LedgerEntry]:
    """One statement a session, two where its row was lost in a restore, and one to read what must be confirmed."""
    keys = []
    for session_id in sorted(end.sessions):
        key, cause = ledger_key(end.tag, str(session_id)), ids.uuid7()
        if await connection.fetchval(END, end.tenant, session_id, end.reason, end.actor, cause) is None:
            await connection.execute(REVOKE, end.tenant, end.actor, "session", key, end.reason, cause, end.until)
        keys.append(key)
    rows = await connection.fetch(ENDED, end.tenant, keys)
    return [LedgerEntry(end.tenant, "session", *row) for row in rows]


def _end_of(tenant: UUID, session: OpenCookie, reason: str, actor: str) -> _End:
    until = datetime.fromtimestamp(session.absolute_end_ms / 1000, UTC) + _LEDGER_MARGIN
    return _End(tenant, session.cookie.tag, [session.cookie.session_id], reason, actor, until)


def cookie_key(cookie: SessionCookie) -> str:
    """The name of a session cookie in the ledger and its tombstone: `c.` and base64url of its secret's SHA-256."""
    return f"c.{base64url(secrets.sha256(cookie.secret))}"


def _about(audit: AuditRow, session_id: UUID) -> AuditRow:
    return replace(audit, target_kind="session", target=str(session_id))


async def _policy(connection: Connection, tenant: UUID) -> _Policy:
    row = await connection.fetchrow(POLICY, tenant)
    return _Policy() if row is None else _Policy(*row)


def _row(opening: Opening, plan: _Plan) -> tuple[object, ...]:
    evidence = opening.evidence
    return (
        *(opening.tenant, plan.cookie.session_id, evidence.user_id, plan.cookie.tag),
        *(evidence.user_epoch, evidence.tenant_epoch, opening.device, opening.network, [opening.client_id]),
        *(opening.acr, list(evidence.amr), datetime.fromtimestamp(opening.auth_time_ms / 1000, UTC)),
        plan.absolute_end,
    )


def _new_session(opening: Opening, plan: _Plan) -> NewSession:
    evidence, previous = opening.evidence, opening.previous
    replaces = secrets.sha256(previous.cookie.secret) if previous is not None and plan.renews else None
    return NewSession(
        tenant=opening.tenant,
        session_id=plan.cookie.session_id,
        user_id=evidence.user_id,
        tag=plan.cookie.tag,
        secret_hash=secrets.sha256(plan.cookie.secret),
        user_epoch=evidence.user_epoch,
        tenant_epoch=evidence.tenant_epoch,
        auth_time_ms=opening.auth_time_ms,
        acr=opening.acr,
        amr=evidence.amr,
        idle_ms=plan.policy.idle_s * 1000,
        absolute_end_ms=int(plan.absolute_end.timestamp() * 1000),
        limit=plan.policy.limit,
        on_limit="refuse" if plan.policy.on_limit == "refuse" else "end_oldest",
        replaces=replaces,
    )
