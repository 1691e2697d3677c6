"""The session data plane: live sessions in Redis, the ledger's image beside them, and the lease that keeps it honest.

Owns every Redis key of sessions, epochs and tombstones, and the rules by which they are read. It writes no
PostgreSQL table: the ledger is written by its owner's functions (`sessions.revoke_v1`, `open_v1`, `end_v1`), in the
caller's transaction, before anything here is told. Every call is one Lua call in one user's slot.
"""

from identity_core.session_store.follower import Follower
from identity_core.session_store.ledger import LedgerEntry, ledger_key
from identity_core.session_store.records import (
    Created,
    CreateRefused,
    NewSession,
    SessionRecord,
    StandingFacts,
    StandingQuery,
    TokenFacts,
)
from identity_core.session_store.revoker import Revoker
from identity_core.session_store.store import SessionStore
from identity_core.session_store.verdict import Dead, judge

__all__ = [
    "CreateRefused",
    "Created",
    "Dead",
    "Follower",
    "LedgerEntry",
    "NewSession",
    "Revoker",
    "SessionRecord",
    "SessionStore",
    "StandingFacts",
    "StandingQuery",
    "TokenFacts",
    "judge",
    "ledger_key",
]
