"""The statements of the endpoints. The sweeper's are in `sweep_statements`. A test prepares each of them."""

from typing import Final

from sessions.protocol.listing import State

COUNTED: Final = 100_000
"""Counting stops here: how many there are must never keep a revocation from being written."""

# A person's or tenant's revocation is one ledger row: until the sweeper closes the session rows, the epochs say it.
_FROM: Final = """
FROM sessions.session s
LEFT JOIN sessions.ledger u ON u.tenant = s.tenant AND u.kind = 'user' AND u.key = s.user_id::text
LEFT JOIN sessions.ledger t ON t.tenant = s.tenant AND t.kind = 'tenant' AND t.key = ''
"""
_RULED: Final = "(coalesce(u.epoch, 0) > s.user_epoch OR coalesce(t.epoch, 0) > s.tenant_epoch)"
_LIVE: Final = f"s.ended_at IS NULL AND s.absolute_end > now() AND NOT {_RULED}"

_ROW: Final = f"""
SELECT s.id, s.user_id, s.tag, s.device, s.network, s.acr, s.amr, s.auth_time, s.created_at, s.absolute_end,
       s.ended_at, s.end_reason, now() AS now,
       ARRAY(SELECT unnest(s.client_ids) UNION
             SELECT c.client_id FROM authz.session_client_v1 c WHERE c.tenant = s.tenant AND c.session_id = s.id
             ORDER BY 1) AS client_ids,
       least(CASE WHEN u.epoch > s.user_epoch THEN u.at END,
             CASE WHEN t.epoch > s.tenant_epoch THEN t.at END) AS ruled_at
{_FROM}
"""

SESSION: Final = f"{_ROW} WHERE s.tenant = $1 AND s.id = $2"

_IN_STATE: Final[dict[State, str]] = {"live": f"AND {_LIVE}", "ended": f"AND NOT ({_LIVE})", "all": ""}

# $1 tenant, $2 the session before which to begin, $3 limit, $4 subject
PAGES: Final[dict[State, str]] = {
    state: f"{_ROW} WHERE s.tenant = $1 AND s.id < $2 {condition} ORDER BY s.id DESC LIMIT $3"
    for state, condition in _IN_STATE.items()
}
PAGES_OF_SUBJECT: Final[dict[State, str]] = {
    state: f"{_ROW} WHERE s.tenant = $1 AND s.id < $2 AND s.user_id = $4 {condition} ORDER BY s.id DESC LIMIT $3"
    for state, condition in _IN_STATE.items()
}

COUNT_TENANT: Final = f"SELECT count(*) FROM (SELECT 1 {_FROM} WHERE s.tenant = $1 AND {_LIVE} LIMIT {COUNTED}) live"
COUNT_SUBJECT: Final = (
    f"SELECT count(*) FROM (SELECT 1 {_FROM} WHERE s.tenant = $1 AND s.user_id = $2 AND {_LIVE} LIMIT {COUNTED}) live"
)
# The scalar subquery with LIMIT is looked up by session, never turned into a join over all grants of the tenant.
COUNT_CLIENT: Final = f"""
SELECT count(*)
FROM (SELECT s.tenant, s.id, s.client_ids {_FROM} WHERE s.tenant = $1 AND {_LIVE} LIMIT {COUNTED}) s
WHERE $2 = ANY (s.client_ids)
   OR (SELECT true FROM authz.session_client_v1 c
       WHERE c.tenant = s.tenant AND c.session_id = s.id AND c.client_id = $2 LIMIT 1)
"""
COUNT_SESSION: Final = f"SELECT ({_LIVE})::integer AS live, s.user_id, s.tag {_FROM} WHERE s.tenant = $1 AND s.id = $2"

END_SESSION: Final = "SELECT sessions.end_v1($1, $2, $3, $4, $5, true, false, $6)"

# The last words of their transactions: they take the ledger rows' locks.
RECORD_REVOCATION: Final = """
INSERT INTO sessions.revocation (tenant, id, selector, reason, actor, epoch, found, ended, status, effects)
VALUES ($1, $2, $3::jsonb, $4, $5,
        sessions.revoke_v1($1, $5, $8, $9, $4, $2, now() + $10::interval), $6, $6, 'committed', $7::jsonb)
RETURNING epoch, created_at
"""
RECORD_SESSION_REVOCATION: Final = """
INSERT INTO sessions.revocation (tenant, id, selector, reason, actor, epoch, found, ended, status, effects)
VALUES ($1, $2, $3::jsonb, $4, $5,
        sessions.end_v1($1, $8, 'revoked', $5, $2, true, false, $9), $6, $6, 'committed', $7::jsonb)
RETURNING epoch, created_at
"""

LEDGER_ENTRIES: Final = """
SELECT l.tenant, l.kind, l.key, l.epoch, (extract(epoch FROM l.until) * 1000)::bigint AS until_ms
FROM sessions.ledger l JOIN unnest($2::text[], $3::text[]) AS k(kind, key) ON l.kind = k.kind AND l.key = k.key
WHERE l.tenant = $1
"""

CONFIRMED: Final = "UPDATE sessions.revocation SET status = 'confirmed' WHERE tenant = $1 AND id = $2"
REVOCATION: Final = """
SELECT id, selector, reason, epoch, found, ended, status, effects, created_at, now() AS now
FROM sessions.revocation WHERE tenant = $1 AND id = $2
"""

POLICY: Final = """
SELECT max_sessions_per_user, on_limit, idle_seconds, absolute_seconds FROM sessions.policy WHERE tenant = $1
"""
SET_POLICY: Final = """
INSERT INTO sessions.policy (tenant, max_sessions_per_user, on_limit, idle_seconds, absolute_seconds)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant) DO UPDATE
    SET max_sessions_per_user = excluded.max_sessions_per_user, on_limit = excluded.on_limit,
        idle_seconds = excluded.idle_seconds, absolute_seconds = excluded.absolute_seconds, updated_at = now()
"""
