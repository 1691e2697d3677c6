"""Authorization codes in Redis: one key each, in the user's slot, made and taken by one Lua call (revocation rule 8).

    T:{tag}:k:<grant>   hash   v format, h SHA-256 of the secret, r record, x end, t when taken (the tombstone)

A tombstone outlives the longest access token, so that a replay still finds what it must end.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import orjson

from authz.ports import CodeRecord, Replayed, Taken
from authz.storage import scripts
from identity_core import ids, secrets
from identity_core.clock import Clock
from identity_core.contracts.stamps import Binding
from identity_core.secrets import AuthorizationCode
from identity_core.session_store import Follower
from identity_core.session_store.keys import slot

_FORMAT = "1"
# Longer than any access token may live (settings allow an hour) plus the clocks' leeway.
_TOMBSTONE_MS = 2 * 3600 * 1000

__all__ = ["CodeRecord", "CodeStore", "Replayed", "Taken"]


class CodeStore:
    """`lifetime_s`: how long a code is good. Raises the store's faults (503) and LeaseLost."""

    def __init__(self, follower: Follower, *, clock: Clock, lifetime_s: float) -> None:
        self._follower = follower
        self._clock = clock
        self._lifetime_ms = int(lifetime_s * 1000)

    async def put(self, record: CodeRecord) -> str:
        """A new code for `record`, with a grant id and a secret of its own. One round trip."""
        self._follower.require()
        code = AuthorizationCode(record.binding.tag, ids.uuid7(), secrets.random_token(128))
        bound = replace(record, binding=replace(record.binding, grant_id=code.grant_id))
        written = await scripts.PUT_CODE.call(
            self._follower.redis,
            [_key(record.tenant, code)],
            [self._clock.offset_ms, _FORMAT, secrets.sha256(code.secret), _encode(bound), self._lifetime_ms],
        )
        if written != 1:
            raise RuntimeError("A new authorization code met an old one of the same id.")
        return code.encode()

    async def take(self, tenant: UUID, code: AuthorizationCode) -> Taken | Replayed | None:
        """Take the code; see `authz.ports.Codes`. One round trip."""
        self._follower.require()
        answer = await scripts.TAKE_CODE.call(
            self._follower.redis,
            [_key(tenant, code)],
            [self._clock.offset_ms, secrets.sha256(code.secret), _TOMBSTONE_MS],
        )
        if not answer:
            return None
        outcome = Taken if answer[0] == b"taken" else Replayed
        return outcome(code.grant_id, _decode(tenant, answer[2]), int(answer[1]))


def _key(tenant: UUID, code: AuthorizationCode) -> str:
    return f"{slot(tenant, code.tag)}k:{ids.short(code.grant_id)}"


def _encode(record: CodeRecord) -> bytes:
    return orjson.dumps(
        {
            "c": record.client_id,
            "ru": record.redirect_uri,
            "rg": record.redirect_uri_given,
            "sc": record.scopes,
            "u": record.user_id,
            "s": record.session_id,
            "b": record.binding.to_claim(),
            "cc": record.code_challenge,
            "n": record.nonce,
            "at": record.auth_time,
            "ac": record.acr,
            "am": record.amr,
            "re": record.resource,
            "si": record.sid,
            "tp": record.traceparent,
        }
    )


def _decode(tenant: UUID, raw: bytes) -> CodeRecord:
    fields: dict[str, Any] = orjson.loads(raw)
    binding = Binding.from_claim(fields["b"])
    if binding is None:
        raise RuntimeError("An authorization code's record has an unreadable binding.")
    return CodeRecord(
        tenant=tenant,
        client_id=fields["c"],
        redirect_uri=fields["ru"],
        redirect_uri_given=fields["rg"],
        scopes=tuple(fields["sc"]),
        user_id=UUID(fields["u"]),
        session_id=None if fields["s"] is None else UUID(fields["s"]),
        binding=binding,
        code_challenge=fields["cc"],
        nonce=fields["n"],
        auth_time=fields["at"],
        acr=fields["ac"],
        amr=tuple(fields["am"]),
        resource=tuple(fields["re"]),
        sid=fields["si"],
        traceparent=fields.get("tp"),
    )
