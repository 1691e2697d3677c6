"""The sweeper's statements: they work for all tenants, at most `BATCH` rows each, in the order of the key.

Candidates are looked for without locks; each `END_…` locks them, looks again, and ends what is still due.
"""

from typing import Final

BATCH: Final = 200

_RULED_BY: Final = """
    LEFT JOIN sessions.ledger u ON u.tenant = s.tenant AND u.kind = 'user' AND u.key = s.user_id::text
    LEFT JOIN sessions.ledger t ON t.tenant = s.tenant AND t.kind = 'tenant' AND t.key = ''
"""
_RULED: Final = "(coalesce(u.epoch, 0) > s.user_epoch OR coalesce(t.epoch, 0) > s.tenant_epoch)"

# $1 cause, $2 traceparent
END_EXPIRED: Final = f"""
WITH due AS MATERIALIZED (
    SELECT s.tenant, s.id FROM sessions.session s
    WHERE s.ended_at IS NULL AND s.absolute_end <= now()
    ORDER BY s.tenant, s.id LIMIT {BATCH} FOR UPDATE OF s SKIP LOCKED
)
SELECT sessions.end_v1(due.tenant, due.id, 'expired', 'system', $1, false, true, $2) FROM due
"""

# $3 tenants, $4 sessions. The epoch rules already: natural, no ledger row. A person who signed in again meanwhile
# has raised the row's stamps, so the rule is looked at once more under the lock.
END_RULED: Final = f"""
WITH due AS MATERIALIZED (
    SELECT s.tenant, s.id
    FROM sessions.session s JOIN unnest($3::uuid[], $4::uuid[]) AS k(tenant, id) ON s.tenant = k.tenant AND s.id = k.id
    {_RULED_BY}
    WHERE s.ended_at IS NULL AND {_RULED}
    ORDER BY s.tenant, s.id FOR UPDATE OF s SKIP LOCKED
)
SELECT sessions.end_v1(due.tenant, due.id, 'revoked', 'system', $1, false, true, $2) FROM due
"""

# $3 tenants, $4 sessions. Not natural: the ledger keeps a lost Redis record from ever coming back.
END_IDLE: Final = """
WITH due AS MATERIALIZED (
    SELECT s.tenant, s.id, s.tag
    FROM sessions.session s JOIN unnest($3::uuid[], $4::uuid[]) AS k(tenant, id) ON s.tenant = k.tenant AND s.id = k.id
    WHERE s.ended_at IS NULL AND s.absolute_end > now()
    ORDER BY s.tenant, s.id FOR UPDATE OF s SKIP LOCKED
)
SELECT due.tenant, due.id, due.tag, sessions.end_v1(due.tenant, due.id, 'idle', 'system', $1, false, false, $2)
FROM due
"""

# $1 the horizon of the last look. A rewritten ledger (another database identity) is simply looked at again.
RAISED: Final = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon, l.tenant, l.kind, l.key
FROM (SELECT 1) one
LEFT JOIN sessions.ledger l ON l.xid >= $1::text::xid8 AND l.kind IN ('user', 'tenant')
"""
HORIZON: Final = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"

# $1 tenants, $2 users
RULED_OF_USERS: Final = f"""
SELECT s.tenant, s.id
FROM sessions.session s
JOIN unnest($1::uuid[], $2::uuid[]) AS k(tenant, user_id) ON s.tenant = k.tenant AND s.user_id = k.user_id
{_RULED_BY}
WHERE s.ended_at IS NULL AND {_RULED}
ORDER BY s.tenant, s.id LIMIT {BATCH}
"""
# $1 tenant, $2 the session after which to go on
RULED_OF_TENANT: Final = f"""
SELECT s.tenant, s.id
FROM sessions.session s {_RULED_BY}
WHERE s.ended_at IS NULL AND s.tenant = $1 AND s.id > $2 AND {_RULED}
ORDER BY s.tenant, s.id LIMIT {BATCH}
"""

# $1 tenant, $2 session after which to go on, $3 the age from which Redis may judge
WALK: Final = f"""
SELECT s.tenant, s.id, s.tag, {_RULED} AS ruled, s.created_at < now() - $3::interval AS settled
FROM sessions.session s {_RULED_BY}
WHERE s.ended_at IS NULL AND (s.tenant, s.id) > ($1, $2)
ORDER BY s.tenant, s.id LIMIT {BATCH}
"""

# $1 retention
PURGE_SESSIONS: Final = f"""
WITH old AS MATERIALIZED (
    SELECT tenant, id FROM sessions.session WHERE ended_at < now() - $1::interval
    ORDER BY ended_at LIMIT {BATCH} FOR UPDATE SKIP LOCKED
)
DELETE FROM sessions.session s USING old WHERE s.tenant = old.tenant AND s.id = old.id
"""
# Event ids are UUIDv7: the first of the moment bounds the range that has to be read.
PURGE_EVENTS: Final = f"""
WITH old AS MATERIALIZED (
    SELECT id FROM sessions.event
    WHERE id < (lpad(to_hex((extract(epoch FROM now() - $1::interval) * 1000)::bigint), 12, '0')
                || '00000000000000000000')::uuid
      AND at < now() - $1::interval
    ORDER BY id LIMIT {BATCH} FOR UPDATE SKIP LOCKED
)
DELETE FROM sessions.event e USING old WHERE e.id = old.id
"""

# Only transactions that write hold back the horizon from which the ledger is followed. Their age is visible to a
# superuser alone, their identity to everyone.
OLDEST_WRITER: Final = """
SELECT pid, coalesce(application_name, '') AS application_name, backend_xid::text AS xid
FROM pg_stat_activity
WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
ORDER BY age(backend_xid) DESC LIMIT 1
"""

PURGE_LEDGER = "SELECT sessions.purge_ledger_v1($1, $2)"
