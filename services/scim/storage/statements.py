"""The statements, by name. Columns of a user come in the order of `USER_COLUMNS` wherever they are read."""

from scim.protocol.paging import PAGE_BYTES

USER_COLUMNS = (
    "id, resource, email_verified, phone_number_verified, gender, birthdate, website, version, created_at, modified_at"
)

GET_USER = f"SELECT {USER_COLUMNS} FROM directory.user_resource WHERE tenant = $1 AND id = $2"

LOCK_USER = f"{GET_USER} FOR UPDATE"

# The page and the number of all in one snapshot; one row with a null id when the page is empty.
_PAGE = """
SELECT counted.total, page.*
FROM (SELECT count(*) AS total FROM directory.user_resource WHERE {condition}) counted
LEFT JOIN ({rows}) page ON true
ORDER BY page.created_at, page.id
"""

_ROWS = """
    SELECT {columns} FROM directory.user_resource WHERE {condition} ORDER BY created_at, id OFFSET $2 LIMIT $3
"""

# The page ends before its resources are more than PAGE_BYTES, so that no answer is more than both sides can bear.
_BOUNDED_ROWS = """
    SELECT {columns}
    FROM (
        SELECT *, sum(octet_length(resource) + octet_length(to_json(concat(gender, birthdate, website))::text))
            OVER (ORDER BY created_at, id ROWS UNBOUNDED PRECEDING) AS bytes
        FROM (
            SELECT {as_text} FROM directory.user_resource
            WHERE {condition} ORDER BY created_at, id OFFSET $2 LIMIT $3
        ) asked
    ) measured
    WHERE bytes <= {bytes}
"""


def _page(condition: str, rows: str = _BOUNDED_ROWS) -> str:
    as_text = USER_COLUMNS.replace("resource", "resource::text AS resource")
    selected = rows.format(condition=condition, columns=USER_COLUMNS, as_text=as_text, bytes=PAGE_BYTES)
    return _PAGE.format(condition=condition, rows=selected)


PAGE_OF_USERS = _page("tenant = $1")
# Of a name and of an id there is one user at most: nothing to measure.
USERS_BY: dict[str, str] = {
    "userName": _page("tenant = $1 AND user_name_key = $4", _ROWS),
    "externalId": _page("tenant = $1 AND external_id = $4"),
    "id": _page("tenant = $1 AND id = $4", _ROWS),
}

INSERT_USER = """
INSERT INTO directory.user_resource
    (tenant, id, user_name, user_name_key, external_id, active, resource, email_verified, phone_number_verified,
     gender, birthdate, website, claims, source_id, created_at, modified_at)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9, $10, $11, $12, $13::jsonb, $14, $15, $15)
ON CONFLICT (tenant, user_name_key) DO NOTHING
RETURNING id
"""

UPDATE_USER = """
UPDATE directory.user_resource
SET user_name = $3, user_name_key = $4, external_id = $5, active = $6, resource = $7::jsonb, email_verified = $8,
    phone_number_verified = $9, gender = $10, birthdate = $11, website = $12, claims = $13::jsonb, modified_at = $14,
    version = version + 1
WHERE tenant = $1 AND id = $2
"""

DELETE_USER = "DELETE FROM directory.user_resource WHERE tenant = $1 AND id = $2"

SET_PASSWORD = "SELECT authz.set_password_hash_v1($1, $2, $3)"

REVOKE_USER = "SELECT sessions.revoke_v1($1, $2, 'user', $3, $4, $5)"

USER_EPOCH = "SELECT epoch FROM sessions.ledger_v1 WHERE tenant = $1 AND kind = 'user' AND key = $2"

CALLER_OF_TOKEN = """
SELECT s.tenant, s.id, t.slug,
       k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute' AS use_is_news
FROM directory.source_token k
JOIN directory.source s ON s.tenant = k.tenant AND s.id = k.source_id
JOIN authz.tenant_v1 t ON t.id = s.tenant
WHERE k.token_hash = $1 AND s.active AND t.active AND (k.expires_at IS NULL OR k.expires_at > now())
"""

# In one order, and past rows that others hold: two processes note the same tokens without waiting for each other.
NOTE_TOKEN_USES = """
WITH used AS MATERIALIZED (
    SELECT token_hash FROM directory.source_token
    WHERE token_hash = ANY($1::bytea[]) AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
    ORDER BY token_hash FOR UPDATE SKIP LOCKED
)
UPDATE directory.source_token k SET last_used_at = now() FROM used WHERE k.token_hash = used.token_hash
"""

INSERT_SOURCE = "INSERT INTO directory.source (tenant, id, name) VALUES ($1, $2, $3)"

INSERT_SOURCE_TOKEN = """
INSERT INTO directory.source_token (token_hash, tenant, source_id, id, expires_at) VALUES ($1, $2, $3, $4, $5)
"""

TRY_LOCK = "SELECT pg_try_advisory_xact_lock($1)"

RECALL = """
SELECT fingerprint, status, headers, body FROM directory.idempotency
WHERE tenant = $1 AND source = $2 AND key = $3 AND expires_at > now()
"""

# An expired record of the same key is replaced; a live one cannot be there, since the key's lock is held.
REMEMBER = """
INSERT INTO directory.idempotency AS i (tenant, source, key, fingerprint, status, headers, body, expires_at)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, now() + make_interval(hours => $8))
ON CONFLICT (tenant, source, key) DO UPDATE
SET fingerprint = excluded.fingerprint, status = excluded.status, headers = excluded.headers, body = excluded.body,
    created_at = now(), expires_at = excluded.expires_at
"""

PURGE_IDEMPOTENCY = """
WITH old AS MATERIALIZED (
    SELECT tenant, source, key FROM directory.idempotency WHERE expires_at <= now()
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
DELETE FROM directory.idempotency i USING old WHERE (i.tenant, i.source, i.key) = (old.tenant, old.source, old.key)
"""

# Event ids are UUIDv7: the first of the moment bounds the range that has to be read.
PURGE_EVENTS = """
WITH old AS MATERIALIZED (
    SELECT id FROM directory.event
    WHERE id < (lpad(to_hex((extract(epoch FROM now() - $2::interval) * 1000)::bigint), 12, '0')
                || '00000000000000000000')::uuid
      AND at < now() - $2::interval
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
)
DELETE FROM directory.event e USING old WHERE e.id = old.id
"""
