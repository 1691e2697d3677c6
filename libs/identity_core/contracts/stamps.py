"""Stamps: the epochs that were in force when something was first trusted, carried by all that follows from it.

Whoever accepts a session, code, grant or token refuses it when one of its stamps is lower than the current epoch.
Nothing re-reads stamps when it issues: they travel from the evidence (password, code, refresh row) onwards.
"""

from dataclasses import dataclass
from uuid import UUID

from identity_core import ids
from identity_core.secrets import parse_tag, tag_text

_VERSION = "1"
_MAX_EPOCH = 1 << 53


@dataclass(frozen=True, slots=True)
class Stamps:
    """The epochs of tenant, client and user (microseconds or counters, 0 = never raised)."""

    tenant: int = 0
    client: int = 0
    user: int = 0


@dataclass(frozen=True, slots=True)
class Binding:
    """What a token or code hangs on: its slot, stamps, session and grant.

    An `offline` grant outlives the idle or absolute end of its session; everything else dies with the session.
    A client's own token has neither session nor grant.
    """

    tag: int
    stamps: Stamps
    session_id: UUID | None = None
    grant_id: UUID | None = None
    offline: bool = False

    def to_claim(self) -> str:
        """The `gh` claim: version, tag, three stamps, session, grant, `o` (offline) or `n`; dot-separated."""
        return ".".join(
            (
                _VERSION,
                tag_text(self.tag),
                str(self.stamps.tenant),
                str(self.stamps.client),
                str(self.stamps.user),
                ids.short(self.session_id) if self.session_id else "-",
                ids.short(self.grant_id) if self.grant_id else "-",
                "o" if self.offline else "n",
            )
        )

    @classmethod
    def from_claim(cls, claim: object) -> "Binding | None":
        """The binding of a `gh` claim, or None when it is anything but what `to_claim` writes."""
        if not isinstance(claim, str) or len(claim) > 200:
            return None
        parts = claim.split(".")
        if len(parts) != 8 or parts[0] != _VERSION or parts[7] not in ("o", "n"):
            return None
        tag = parse_tag(parts[1])
        epochs = [_epoch(part) for part in parts[2:5]]
        session, grant = ids.from_short(parts[5]), ids.from_short(parts[6])
        if (
            tag is None
            or None in epochs
            or any(found is None and text != "-" for found, text in ((session, parts[5]), (grant, parts[6])))
        ):
            return None
        tenant, client, user = (epoch or 0 for epoch in epochs)
        return cls(tag, Stamps(tenant, client, user), session, grant, parts[7] == "o")


def _epoch(text: str) -> int | None:
    if not text.isascii() or not text.isdigit() or len(text) > 16 or (len(text) > 1 and text[0] == "0"):
        return None
    value = int(text)
    return value if value < _MAX_EPOCH else None
