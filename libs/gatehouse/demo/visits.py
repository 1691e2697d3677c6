"""Who is signed in here: tokens stay in this process, the browser's cookie holds only the visit's id."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from identity_core.secrets import random_token

_MOST = 1_000
_SECONDS = 12 * 3600.0


@dataclass(frozen=True)
class Visit:
    """One signed-in browser. `claims` are the verified ID token's; `expires_at` is the access token's end, epoch."""

    subject: str
    claims: Mapping[str, Any]
    id_token: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: float
    scope: str

    def renewed(self, token: Mapping[str, Any], claims: Mapping[str, Any] | None) -> Visit:
        """After a refresh: what the answer leaves out stays as it was (RFC 6749 §6)."""
        return replace(
            self,
            claims=claims or self.claims,
            id_token=token.get("id_token") or self.id_token,
            access_token=token["access_token"],
            refresh_token=token.get("refresh_token") or self.refresh_token,
            expires_at=float(token.get("expires_at") or 0),
            scope=token.get("scope") or self.scope,
        )


def visit_from(token: Mapping[str, Any], claims: Mapping[str, Any]) -> Visit:
    """The visit that begins with a token response whose ID token was verified."""
    return Visit(
        subject=str(claims["sub"]),
        claims=claims,
        id_token=token["id_token"],
        access_token=token["access_token"],
        refresh_token=token.get("refresh_token"),
        expires_at=float(token.get("expires_at") or 0),
        scope=token.get("scope") or "",
    )


class Visits:
    """At most a thousand, each for at most twelve hours; gone with the process."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kept: OrderedDict[str, tuple[float, Visit]] = OrderedDict()

    def begin(self, visit: Visit) -> str:
        """Keep it under a new id."""
        while len(self._kept) >= _MOST:
            self._kept.popitem(last=False)
        visit_id = random_token()
        self._kept[visit_id] = (self._now() + _SECONDS, visit)
        return visit_id

    def get(self, visit_id: object) -> Visit | None:
        """The visit, unless it is over."""
        if not isinstance(visit_id, str) or visit_id not in self._kept:
            return None
        end, visit = self._kept[visit_id]
        if self._now() >= end:
            del self._kept[visit_id]
            return None
        return visit

    def replace(self, visit_id: str, visit: Visit) -> None:
        """New tokens for a visit that goes on; nothing when it has ended meanwhile."""
        if visit_id in self._kept:
            self._kept[visit_id] = (self._kept[visit_id][0], visit)

    def end(self, visit_id: object) -> Visit | None:
        """Forget it; answers what it was."""
        if not isinstance(visit_id, str):
            return None
        _, visit = self._kept.pop(visit_id, (0.0, None))
        return visit
