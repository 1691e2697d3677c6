"""The names of every Redis key of the data plane: tenant first, then the hash tag that decides the slot.

    T:{tag}:s:<session>      hash    a live session
    T:{tag}:u:<user>         zset    the user's sessions by end
    T:{tag}:e:<user>         string  the user's epoch
    T:{tag}:x:<k>:<ident>    string  tombstone of a session (s), grant (g) or token (t): its epoch
    T:{tag}:a:<sha256>       hash    an opaque access token
    T:{e0}…{ef}:p            hash    the tenant's epoch (t) and its clients' (c:<client_id>), once under each of 16 tags
    {gh}:mark                hash    up to which transaction this primary knows the ledger, and under which tag key
    {gh}:replay              string  the one process that replays the whole ledger

T is the tenant's UUID in 22 characters, {tag} four hexadecimal digits.
"""

from typing import Literal
from uuid import UUID

from identity_core import ids
from identity_core.secrets import tag_text

MARK = "{gh}:mark"
REPLAY_LOCK = "{gh}:replay"
TENANT_COPIES = 16

Tombstone = Literal["s", "g", "t"]
TOMBSTONES: dict[str, Tombstone] = {"session": "s", "grant": "g", "token": "t"}
KINDS: dict[str, str] = {short: kind for kind, short in TOMBSTONES.items()}


def slot(tenant: UUID, tag: int) -> str:
    """The common beginning of all keys of one tag: `T:{tag}:`."""
    return f"{ids.short(tenant)}:{{{tag_text(tag)}}}:"


def session(prefix: str, session_id: UUID) -> str:
    return f"{prefix}s:{ids.short(session_id)}"


def user_sessions(prefix: str, user_id: UUID) -> str:
    return f"{prefix}u:{ids.short(user_id)}"


def user_epoch(prefix: str, user_id: UUID) -> str:
    return f"{prefix}e:{ids.short(user_id)}"


def tombstone(prefix: str, kind: Tombstone, ident: str) -> str:
    return f"{prefix}x:{kind}:{ident}"


def token(prefix: str, token_key: str) -> str:
    return f"{prefix}a:{token_key}"


def tenant_epochs(tenant: UUID, copy: int) -> str:
    """One of the 16 copies of a tenant's epochs; `copy` is taken modulo 16, so a user's tag will do."""
    return f"{ids.short(tenant)}:{{e{copy % TENANT_COPIES:x}}}:p"


def client_field(client_id: str) -> str:
    return f"c:{client_id}"
