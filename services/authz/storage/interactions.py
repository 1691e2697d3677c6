"""Sign-ins in progress, in Redis: one key each, bound to one browser, moved by one Lua call a step.

    T:{interaction}:i   hash   v format, b SHA-256 of the browser's secret, n step, r record, x end

They belong to nobody yet, so their slot is their own. They carry stamps but grant nothing: what a step comes to is
judged again when the session opens.
"""

from __future__ import annotations

import re
from importlib.resources import files
from uuid import UUID

import msgspec

from authz.login_ports import Interaction, Live, Stale
from identity_core import ids, secrets
from identity_core.clock import Clock
from identity_core.redis import Script, command
from identity_core.session_store import Follower

_FORMAT = "1"
_NAME = re.compile(r"[A-Za-z0-9_-]{22}")
_MAX_STEP = 1_000_000


def _script(name: str) -> Script:
    return Script(name, files("authz.storage.scripts").joinpath(f"{name}.lua").read_text("utf-8"))


_CREATE = _script("interaction_create")
_READ = _script("interaction_read")
_TAKE = _script("interaction_take")
_PUT = _script("interaction_put")


class InteractionStore:
    """`lifetime_s`: how long a person may take. Every method is one round trip and raises the store's faults (503)."""

    def __init__(self, follower: Follower, *, clock: Clock, lifetime_s: float) -> None:
        self._redis = follower.redis
        self._clock = clock
        self._lifetime_ms = int(lifetime_s * 1000)

    async def create(self, tenant: UUID, browser: bytes, interaction: Interaction) -> str:
        """Keep a new interaction at step 1; its name of 128 random bits."""
        name = secrets.random_token(128)
        written = await _CREATE.call(
            self._redis,
            [_key(tenant, name)],
            [self._clock.offset_ms, _FORMAT, browser, msgspec.json.encode(interaction), self._lifetime_ms],
        )
        if written != 1:
            raise RuntimeError("A new interaction met an old one of the same name.")
        return name

    async def read(self, tenant: UUID, name: str, browser: bytes) -> Live | None:
        """The interaction as it is; see `authz.login_ports.Interactions`."""
        if not _NAME.fullmatch(name):
            return None
        answer = await _READ.call(self._redis, [_key(tenant, name)], [self._clock.offset_ms, browser])
        return _live(name, answer[0], answer[1]) if answer else None

    async def take(self, tenant: UUID, name: str, browser: bytes, step: int) -> Live | Stale | None:
        """Take one step; see `authz.login_ports.Interactions`."""
        if not _NAME.fullmatch(name) or not 0 < step < _MAX_STEP:
            return None
        answer = await _TAKE.call(self._redis, [_key(tenant, name)], [self._clock.offset_ms, browser, step])
        if not answer:
            return None
        live = _live(name, answer[1], answer[2])
        return live if answer[0] == b"taken" else Stale(live)

    async def put(self, tenant: UUID, live: Live, interaction: Interaction) -> bool:
        """Write what the step has come to."""
        record = msgspec.json.encode(interaction)
        return bool(await _PUT.call(self._redis, [_key(tenant, live.id)], [live.step, record]))

    async def close(self, tenant: UUID, name: str) -> None:
        """Remove the interaction."""
        await command(self._redis, "DEL", _key(tenant, name))


def _key(tenant: UUID, name: str) -> str:
    return f"{ids.short(tenant)}:{{{name}}}:i"


def _live(name: str, step: int, record: bytes) -> Live:
    return Live(name, step, msgspec.json.decode(record, type=Interaction))
