"""The session store: each operation one Lua call in one user's slot, behind the follower's lease."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson

from identity_core import ids
from identity_core.base64url import encode as base64url
from identity_core.clock import Clock
from identity_core.contracts.stamps import Binding, Stamps
from identity_core.redis import command
from identity_core.redis_batch import ScriptCall, batch
from identity_core.secrets import AccessToken, hash_tag, sha256
from identity_core.session_store import keys, scripts
from identity_core.session_store.follower import Follower
from identity_core.session_store.ledger import LedgerEntry, apply_entries, ledger_key
from identity_core.session_store.records import (
    FORMAT,
    Created,
    CreateRefused,
    Ended,
    NewSession,
    SessionRecord,
    StandingFacts,
    StandingQuery,
    TokenFacts,
)

_NONE = "-"
"""Stands where a key names nothing; no identifier of ours is a lone dash."""


class SessionStore:
    """Live sessions, opaque tokens and standings. Raises LeaseLost and redis-py's errors, all of them store faults."""

    def __init__(self, follower: Follower, *, tag_key: bytes, clock: Clock) -> None:
        self._follower = follower
        self._clock = clock
        self.tag_key = tag_key

    def tag(self, tenant: UUID, user_id: UUID) -> int:
        """The hash tag (0 to 16383) of a user's slot."""
        return hash_tag(self.tag_key, tenant, str(user_id))

    def client_tag(self, tenant: UUID, client_id: str) -> int:
        """The hash tag under which a client's own tokens live."""
        return hash_tag(self.tag_key, tenant, f"client:{client_id}")

    async def create(self, new: NewSession) -> Created | CreateRefused:
        """Write the session within the concurrent limit, on every login path. One round trip.

        Refused when the session, or the evidence behind its stamps, was revoked meanwhile.
        """
        self._follower.require()
        prefix = keys.slot(new.tenant, new.tag)
        replaced = _NONE if new.replaces is None else f"c.{base64url(new.replaces)}"
        reply = await scripts.CREATE.call(
            self._follower.redis,
            [
                keys.session(prefix, new.session_id),
                keys.user_sessions(prefix, new.user_id),
                keys.user_epoch(prefix, new.user_id),
                keys.tombstone(prefix, "s", str(new.session_id)),
                keys.tombstone(prefix, "t", replaced),
            ],
            [
                self._clock.offset_ms,
                ids.short(new.session_id),
                ids.short(new.user_id),
                new.secret_hash,
                new.user_epoch,
                new.tenant_epoch,
                new.auth_time_ms,
                new.acr,
                " ".join(new.amr),
                new.idle_ms,
                new.absolute_end_ms,
                "" if new.limit is None else new.limit,
                new.on_limit,
                new.replaces or b"",
                prefix,
                FORMAT,
            ],
        )
        if reply[0] == b"ok":
            return Created(tuple(_uuid(short) for short in reply[1:]))
        return CreateRefused("limit" if reply[0] == b"limit" else "ended")

    async def read(self, query: StandingQuery) -> StandingFacts:
        """One standing: the user's slot and the tenant's epochs, two reads in one round trip."""
        self._follower.require()
        fields = ["t"] if query.client_id is None else ["t", keys.client_field(query.client_id)]
        slot, epochs = await batch(
            self._follower.redis,
            ScriptCall(scripts.READ, _standing_keys(query), [self._clock.offset_ms, _unknown_user(query)]),
            ("HMGET", keys.tenant_epochs(query.tenant, query.tag), *fields),
        )
        now_ms, session, user_epoch, *ended = slot
        stamps = Stamps(_int(epochs[0]), _int(epochs[1]) if len(epochs) > 1 else 0, _int(user_epoch))
        return StandingFacts(now_ms, _record(session), stamps, _ended(ended))

    async def put_token(
        self,
        tenant: UUID,
        token: AccessToken,
        record: dict[str, Any],
        binding: Binding,
        *,
        client_id: str,
        user_id: UUID | None,
        expires_ms: int,
    ) -> None:
        """Keep an opaque access token under its SHA-256 until `expires_ms`. One round trip."""
        self._follower.require()
        name = keys.token(keys.slot(tenant, token.tag), token_key(token))
        session, grant = binding.session_id, binding.grant_id
        await batch(
            self._follower.redis,
            (
                *(
                    "HSET",
                    name,
                    "v",
                    FORMAT,
                    "d",
                    orjson.dumps(record),
                    "c",
                    client_id,
                    "b",
                    binding.to_claim(),
                ),
                *("u", ids.short(user_id) if user_id else _NONE, "x", expires_ms),
                *("s", ids.short(session) if session else _NONE, "S", str(session or _NONE)),
                *("g", ids.short(grant) if grant else _NONE, "G", str(grant or _NONE)),
            ),
            ("PEXPIREAT", name, expires_ms),
        )

    async def read_token(self, tenant: UUID, token: AccessToken) -> TokenFacts | None:
        """An opaque token's record and the standing of all it hangs on; None when unknown or past its end.

        One round trip; a second one only where the tenant has ever had a client revoked, because the record alone
        says whose the token is.
        """
        self._follower.require()
        prefix, key = keys.slot(tenant, token.tag), token_key(token)
        tenant_key = keys.tenant_epochs(tenant, token.tag)
        reply, tenant_epoch, epochs_kept = await batch(
            self._follower.redis,
            ScriptCall(scripts.READ_TOKEN, [keys.token(prefix, key)], [self._clock.offset_ms, prefix, key]),
            ("HGET", tenant_key, "t"),
            ("HLEN", tenant_key),
        )
        if not reply:
            return None
        now_ms, record, client, claim, user, expires, session, user_epoch, *ended = reply
        binding, client_id = Binding.from_claim(claim.decode()), client.decode()
        if binding is None:
            return None
        client_epoch = None
        if epochs_kept > (tenant_epoch is not None):
            client_epoch = await command(self._follower.redis, "HGET", tenant_key, keys.client_field(client_id))
        stamps = Stamps(_int(tenant_epoch), _int(client_epoch), _int(user_epoch))
        return TokenFacts(
            record=orjson.loads(record),
            binding=binding,
            client_id=client_id,
            user_id=None if user == b"-" else _uuid(user),
            expires_ms=int(expires),
            facts=StandingFacts(now_ms, _record(session), stamps, _ended(ended)),
        )

    async def touch(self, tenant: UUID, tag: int, session_id: UUID, user_id: UUID) -> None:
        """Move the idle end, at most once in max(30 s, idle/20); nothing happens to a session that is not there."""
        self._follower.require()
        prefix = keys.slot(tenant, tag)
        await scripts.TOUCH.call(
            self._follower.redis,
            [
                keys.session(prefix, session_id),
                keys.user_sessions(prefix, user_id),
                keys.tombstone(prefix, "s", str(session_id)),
            ],
            [self._clock.offset_ms, ids.short(session_id)],
        )

    async def end(self, tenant: UUID, tag: int, session_id: UUID, epoch: int, until_ms: int) -> None:
        """Remove a session and leave its tombstone, after the ledger row is committed. One round trip."""
        entry = LedgerEntry(tenant, "session", ledger_key(tag, str(session_id)), epoch, until_ms)
        await apply_entries(self._follower.redis, self.tag_key, [entry])

    async def list_live(self, tenant: UUID, user_id: UUID) -> list[UUID]:
        """The ids of a user's sessions whose records are there, in no order. One round trip."""
        self._follower.require()
        name = keys.user_sessions(keys.slot(tenant, self.tag(tenant, user_id)), user_id)
        members = await command(self._follower.redis, "ZRANGE", name, 0, -1)
        return [session for session, there in await self.exist(tenant, user_id, members) if there]

    async def exist(
        self, tenant: UUID, user_id: UUID, members: Sequence[bytes | str | UUID]
    ) -> list[tuple[UUID, bool]]:
        """For each session of one user, whether its record is in Redis. One round trip."""
        self._follower.require()
        prefix = keys.slot(tenant, self.tag(tenant, user_id))
        sessions = [member if isinstance(member, UUID) else _uuid(member) for member in members]
        if not sessions:
            return []
        there = await batch(self._follower.redis, *(("EXISTS", keys.session(prefix, s)) for s in sessions))
        return [(session, bool(found)) for session, found in zip(sessions, there, strict=True)]


def token_key(token: AccessToken) -> str:
    """The name of an opaque token in keys and in the ledger: base64url of the SHA-256 of its text."""
    return base64url(sha256(token.encode()))


def _standing_keys(query: StandingQuery) -> list[str]:
    prefix = keys.slot(query.tenant, query.tag)
    session = str(query.session_id or _NONE)
    return [
        f"{prefix}s:{ids.short(query.session_id) if query.session_id else _NONE}",
        f"{prefix}e:{ids.short(query.user_id) if query.user_id else _NONE}",
        keys.tombstone(prefix, "s", session),
        keys.tombstone(prefix, "g", str(query.grant_id or _NONE)),
        keys.tombstone(prefix, "g", session),
        keys.tombstone(prefix, "t", query.token_key or _NONE),
    ]


def _unknown_user(query: StandingQuery) -> str:
    """The slot prefix where only the session's record can say whose epoch to read, else ''."""
    return keys.slot(query.tenant, query.tag) if query.user_id is None and query.session_id is not None else ""


def _record(fields: list[bytes]) -> SessionRecord | None:
    if not fields:
        return None
    user, secret, created, auth_time, acr, amr, idle, absolute, seen, user_epoch, tenant_epoch = fields
    return SessionRecord(
        user_id=_uuid(user),
        secret_hash=secret,
        created_ms=int(created),
        auth_time_ms=int(auth_time),
        acr=acr.decode(),
        amr=tuple(amr.decode().split()),
        idle_ms=int(idle),
        absolute_end_ms=int(absolute),
        seen_ms=int(seen),
        user_epoch=int(user_epoch),
        tenant_epoch=int(tenant_epoch),
    )


def _ended(flags: Sequence[int]) -> frozenset[Ended]:
    names: tuple[Ended, ...] = ("session", "grant", "token")
    return frozenset(name for name, flag in zip(names, flags, strict=True) if flag)


def _uuid(short: bytes | str) -> UUID:
    found = ids.from_short(short.decode() if isinstance(short, bytes) else short)
    if found is None:
        raise ValueError("Redis holds an identifier that is none of ours")
    return found


def _int(value: bytes | str | int | None) -> int:
    return 0 if value is None else int(value)
