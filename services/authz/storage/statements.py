"""The hand-kept statements of the token endpoint and its neighbours, checked against the tables by a test."""

from typing import Final

# One person's epochs and tombstones, all by primary key. `r` is the row they are asked for.
_STANDING: Final = """
    LEFT JOIN directory.subject_v1 s ON s.tenant = r.tenant AND s.subject = r.user_id
    CROSS JOIN LATERAL (
        SELECT coalesce(max(l.epoch) FILTER (WHERE l.kind = 'user'), 0) AS user_now,
               coalesce(max(l.epoch) FILTER (WHERE l.kind = 'client'), 0) AS client_now,
               coalesce(max(l.epoch) FILTER (WHERE l.kind = 'tenant'), 0) AS tenant_now,
               coalesce(bool_or(l.kind = 'grant'), false) AS grant_ended,
               coalesce(bool_or(l.kind = 'session'), false) AS session_ended
        FROM sessions.ledger_v1 l
        WHERE l.tenant = r.tenant AND (l.kind, l.key) IN (
            ('user', r.user_id::text), ('client', r.client_id), ('tenant', ''),
            ('grant', lpad(to_hex(r.tag::integer), 4, '0') || ':' || r.grant_id::text),
            ('grant', lpad(to_hex(r.tag::integer), 4, '0') || ':' || r.session_id::text),
            ('session', lpad(to_hex(r.tag::integer), 4, '0') || ':' || r.session_id::text))
    ) e
"""

_STATE: Final = """
    r.*, r.ended_at IS NULL AND now() < r.idle_end AND now() < r.absolute_end AND coalesce(s.active, false)
         AND r.user_epoch >= e.user_now AND r.client_epoch >= e.client_now AND r.tenant_epoch >= e.tenant_now
         AND NOT e.grant_ended AND (r.offline OR NOT e.session_ended) AS alive
"""

OPEN_GRANT: Final = """
WITH opened AS (
    INSERT INTO authz.authorization_grant (tenant, id, user_id, client_id, session_id, offline, scopes)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT DO NOTHING RETURNING tenant, id
), family AS (
    INSERT INTO authz.refresh_family (tenant, id, grant_id, client_id, user_id, session_id, offline, tag, key_id, salt,
                                      scopes, context, user_epoch, client_epoch, tenant_epoch, idle_end, absolute_end)
    SELECT o.tenant, $8::uuid, o.id, $4, $3, $5, $6, $9, $10, $11, $7, $12::jsonb, $13, $14, $15,
           now() + $16::interval, now() + $17::interval
    FROM opened o WHERE $8::uuid IS NOT NULL
)
SELECT count(*) FROM opened
"""
"""Redeeming a code: the grant and, with $8, its refresh family; 0 when a replay has ended the grant already."""

ROTATE: Final = f"""
WITH r AS MATERIALIZED (
    SELECT * FROM authz.refresh_family WHERE tenant = $1 AND id = $2 AND salt = $3 FOR UPDATE
), state AS MATERIALIZED (
    SELECT {_STATE}, now() <= r.rotated_at + $8::interval AS within_grace FROM r {_STANDING}
), moved AS (
    UPDATE authz.refresh_family f
    SET generation = f.generation + 1, rotated_at = clock_timestamp(),
        idle_end = least(now() + $9::interval, f.absolute_end)
    FROM state
    WHERE f.tenant = state.tenant AND f.id = state.id AND f.generation = state.generation AND f.ended_at IS NULL
      AND state.alive AND state.generation = $4 AND state.client_id = $5 AND state.scopes @> $6::text[]
      AND ARRAY(SELECT jsonb_array_elements_text(state.context -> 'resource')) @> $7::text[]
    RETURNING f.generation
)
SELECT state.*, moved.generation IS NOT NULL AS moved FROM state LEFT JOIN moved ON true
"""
"""Takes a generation and records the next in one statement; the row's state before it either way."""

FAMILY: Final = f"""
SELECT {_STATE}, now() <= r.rotated_at + $4::interval AS within_grace, false AS moved
FROM authz.refresh_family r {_STANDING} WHERE r.tenant = $1 AND r.id = $2 AND r.salt = $3
"""
"""The same look without taking anything."""

END_GRANT: Final = """
INSERT INTO authz.authorization_grant AS g (tenant, id, user_id, client_id, session_id, offline, scopes, ended_at,
                                            end_reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, now(), $8)
ON CONFLICT (tenant, id) DO UPDATE SET ended_at = now(), end_reason = excluded.end_reason WHERE g.ended_at IS NULL
RETURNING id
"""
"""Answers a row when this call ended the grant, none when it had ended before. Inserted ended when it never began."""

END_FAMILIES: Final = """
UPDATE authz.refresh_family SET ended_at = now(), end_reason = $3
WHERE tenant = $1 AND grant_id = $2 AND ended_at IS NULL
"""

REVOKE: Final = """
SELECT sessions.revoke_v1($1, $2, $3, $4, $5, $6, now() + $7::interval) AS epoch,
       (extract(epoch FROM now() + $7::interval) * 1000)::bigint AS until_ms
"""
"""One ledger row; always the last statement of its transaction. Answers its epoch and how long it is remembered."""

ENDED_TOKEN: Final = """
SELECT epoch, (extract(epoch FROM until) * 1000)::bigint AS until_ms FROM sessions.ledger_v1
WHERE tenant = $1 AND kind = 'token' AND key = $2
"""
"""The end of an access token that has been ended already."""

SUBJECT: Final = """
SELECT claims, extract(epoch FROM updated_at)::bigint AS updated_at
FROM directory.subject_v1 WHERE tenant = $1 AND subject = $2 AND active
"""

CLIENT: Final = """
SELECT c.metadata, c.secret_hash, c.first_party,
       coalesce((SELECT l.epoch FROM sessions.ledger_v1 l
                 WHERE l.tenant = c.tenant AND l.kind = 'client' AND l.key = c.id), 0) AS client_epoch,
       coalesce((SELECT l.epoch FROM sessions.ledger_v1 l
                 WHERE l.tenant = c.tenant AND l.kind = 'tenant' AND l.key = ''), 0) AS tenant_epoch
FROM authz.client c WHERE c.tenant = $1 AND c.id = $2 AND c.active
"""
"""A client with the epochs in force in the same snapshot: the stamps of what it will be trusted with."""

TENANT: Final = "SELECT id, slug, name, policy FROM authz.tenant WHERE slug = $1 AND active"

SIGNING_KEYS: Final = """
SELECT kid, alg, public_jwk, private_sealed,
       publish_at <= now() AND (retire_at IS NULL OR now() < retire_at) AS published,
       publish_at <= now() AND sign_from <= now() AND (retire_at IS NULL OR now() < retire_at) AS signs
FROM authz.signing_key WHERE tenant = $1 AND revoked_at IS NULL
ORDER BY alg, sign_from DESC, kid
"""

MAC_KEYS: Final = """
SELECT id, sealed, retire_at IS NULL OR now() < retire_at AS mints
FROM authz.mac_key WHERE tenant = $1 AND purpose = $2 ORDER BY id
"""
