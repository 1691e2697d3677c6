"""Schema `sessions`: the ledger, the session rows, policy, revocations, events, audit.

Revision ID: sessions_0001
Revises:
"""

from alembic import op

from gatehouse.sql_script import run_script

revision = "sessions_0001"
down_revision = None
branch_labels = ("sessions",)
depends_on = None

TABLES = """
CREATE SCHEMA sessions;

-- Which database this ledger lives in. A restored, cloned or promoted database has another live identity
-- than the stored one: then ledger and Redis are merged before anything is answered (see adopt_v1).
CREATE TABLE sessions.ledger_identity (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    id uuid NOT NULL,
    system_identifier text NOT NULL,
    timeline integer NOT NULL,
    adopted_at timestamptz NOT NULL DEFAULT now()
);

-- One current row per thing that was ended. Keys: tenant '' ; client the client_id ; user the subject's UUID ;
-- session, grant and token '<tag>:<id>' where tag is the four-digit hash tag of the owner's slot.
CREATE TABLE sessions.ledger (
    tenant uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('tenant', 'client', 'user', 'session', 'grant', 'token')),
    key text NOT NULL,
    epoch bigint NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    reason text NOT NULL,
    actor text NOT NULL,
    cause_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    until timestamptz,
    PRIMARY KEY (tenant, kind, key)
);
CREATE INDEX ledger_by_xid ON sessions.ledger (xid);
CREATE INDEX ledger_by_until ON sessions.ledger (until) WHERE until IS NOT NULL;

CREATE TABLE sessions.ledger_history (
    tenant uuid NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    cause_id uuid NOT NULL,
    epoch bigint NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, kind, key, cause_id)
);
CREATE INDEX ledger_history_by_at ON sessions.ledger_history (at);

CREATE TABLE sessions.policy (
    tenant uuid PRIMARY KEY,
    max_sessions_per_user integer CHECK (max_sessions_per_user > 0),
    on_limit text NOT NULL DEFAULT 'end_oldest' CHECK (on_limit IN ('end_oldest', 'refuse')),
    idle_seconds integer NOT NULL DEFAULT 43200 CHECK (idle_seconds > 0),
    absolute_seconds integer NOT NULL DEFAULT 604800 CHECK (absolute_seconds > 0),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sessions.session (
    tenant uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    tag smallint NOT NULL CHECK (tag BETWEEN 0 AND 16383),
    user_epoch bigint NOT NULL,
    tenant_epoch bigint NOT NULL,
    device text,
    network text,
    client_ids text[] NOT NULL DEFAULT '{}',
    acr text,
    amr text[] NOT NULL DEFAULT '{}',
    auth_time timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    absolute_end timestamptz NOT NULL,
    ended_at timestamptz,
    end_reason text,
    ended_by text,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX session_by_user ON sessions.session (tenant, user_id, id);
CREATE INDEX session_live_by_end ON sessions.session (absolute_end) WHERE ended_at IS NULL;
CREATE INDEX session_live ON sessions.session (tenant, id) WHERE ended_at IS NULL;
CREATE INDEX session_ended ON sessions.session (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE sessions.revocation (
    tenant uuid NOT NULL,
    id uuid NOT NULL,
    selector jsonb NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL,
    epoch bigint NOT NULL,
    found integer NOT NULL,
    ended integer NOT NULL,
    status text NOT NULL CHECK (status IN ('committed', 'confirmed')),
    effects jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id)
);

CREATE TABLE sessions.event (
    id uuid PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    tenant uuid NOT NULL,
    type text NOT NULL,
    aggregate text NOT NULL,
    aggregate_id text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    payload jsonb NOT NULL,
    traceparent text
);
CREATE INDEX event_by_xid ON sessions.event (xid);

CREATE TABLE sessions.event_cursor (
    consumer text NOT NULL,
    source text NOT NULL,
    ledger_id uuid NOT NULL,
    xid xid8 NOT NULL,
    seen uuid[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (consumer, source)
);

CREATE TABLE sessions.audit (
    tenant uuid NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    action text NOT NULL,
    outcome text NOT NULL,
    actor_kind text NOT NULL,
    actor text NOT NULL,
    subject_pseudonym text,
    target_kind text,
    target text,
    client_id text,
    network text,
    reason text,
    detail jsonb NOT NULL DEFAULT '{}',
    trace_id text,
    chain_position bigint,
    previous_hash bytea,
    row_hash bytea,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX audit_by_at ON sessions.audit (tenant, at);
"""

IDENTITY = """
-- The live identity of the database this transaction runs in.
CREATE FUNCTION sessions.live_identity(OUT system_identifier text, OUT timeline integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT (SELECT s.system_identifier::text FROM pg_control_system() s)
           || '/' || (SELECT d.oid::text FROM pg_database d WHERE d.datname = current_database()),
           CASE WHEN pg_is_in_recovery() THEN 0
                ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer END
$$;

INSERT INTO sessions.ledger_identity (id, system_identifier, timeline)
SELECT gen_random_uuid(), i.system_identifier, i.timeline FROM sessions.live_identity() i;

-- UUIDv7 (RFC 9562 §5.7) for rows that SQL itself writes.
CREATE FUNCTION sessions.uuid7() RETURNS uuid
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                    PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                    FROM 1 FOR 6),
            52, 1), 53, 1), 'hex')::uuid
$$;
"""

FUNCTIONS = """
-- Ends everything stamped before the epoch it returns. Idempotent by cause. Call it last in the transaction.
-- The epoch is strictly higher than any before it for this key, and microseconds of the clock where that is higher
-- still, so that two lineages of one database (before and after a restore) do not meet in the same number.
CREATE FUNCTION sessions.revoke_v1(
    p_tenant uuid, p_actor text, p_kind text, p_key text, p_reason text, p_cause_id uuid,
    p_until timestamptz DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_epoch bigint;
BEGIN
    INSERT INTO sessions.ledger_history (tenant, kind, key, cause_id, epoch, reason, actor)
    VALUES (p_tenant, p_kind, p_key, p_cause_id, 0, p_reason, p_actor)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        -- No row: it was past its `until` and purged, so there is nothing left that it could end.
        SELECT l.epoch INTO v_epoch FROM sessions.ledger l
        WHERE l.tenant = p_tenant AND l.kind = p_kind AND l.key = p_key;
        RETURN coalesce(v_epoch, 0);
    END IF;
    INSERT INTO sessions.ledger AS l (tenant, kind, key, epoch, xid, reason, actor, cause_id, at, until)
    VALUES (p_tenant, p_kind, p_key, floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
            pg_current_xact_id(), p_reason, p_actor, p_cause_id, clock_timestamp(), p_until)
    ON CONFLICT (tenant, kind, key) DO UPDATE
        SET epoch = greatest(l.epoch + 1, excluded.epoch), xid = excluded.xid, reason = excluded.reason,
            actor = excluded.actor, cause_id = excluded.cause_id, at = excluded.at,
            until = CASE WHEN l.until IS NULL OR excluded.until IS NULL THEN NULL
                         ELSE greatest(l.until, excluded.until) END
    RETURNING l.epoch INTO v_epoch;
    UPDATE sessions.ledger_history SET epoch = v_epoch
    WHERE tenant = p_tenant AND kind = p_kind AND key = p_key AND cause_id = p_cause_id;
    RETURN v_epoch;
END
$$;

-- One row per login, before the Redis record exists. False when this session has already ended.
CREATE FUNCTION sessions.open_v1(
    p_tenant uuid, p_session uuid, p_user uuid, p_tag integer, p_user_epoch bigint, p_tenant_epoch bigint,
    p_device text, p_network text, p_client_ids text[], p_acr text, p_amr text[],
    p_auth_time timestamptz, p_absolute_end timestamptz
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO sessions.session AS s (tenant, id, user_id, tag, user_epoch, tenant_epoch, device, network,
                                       client_ids, acr, amr, auth_time, absolute_end)
    VALUES (p_tenant, p_session, p_user, p_tag, p_user_epoch, p_tenant_epoch, p_device, p_network,
            p_client_ids, p_acr, p_amr, p_auth_time, p_absolute_end)
    ON CONFLICT (tenant, id) DO UPDATE
        SET auth_time = excluded.auth_time, acr = excluded.acr, amr = excluded.amr,
            user_epoch = excluded.user_epoch, tenant_epoch = excluded.tenant_epoch
        WHERE s.ended_at IS NULL AND s.user_id = excluded.user_id;
    RETURN FOUND;
END
$$;

-- Ends one session: `ended_at` once, one event, and (unless the end is natural) the ledger row; p_deep ends its
-- offline grants too, through the ledger key grant:<session>. NULL when the tenant has no such session.
CREATE FUNCTION sessions.end_v1(
    p_tenant uuid, p_session uuid, p_reason text, p_actor text, p_cause_id uuid,
    p_deep boolean DEFAULT false, p_natural boolean DEFAULT false, p_traceparent text DEFAULT NULL
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_session sessions.session;
    v_key text;
    v_epoch bigint := 0;
BEGIN
    SELECT * INTO v_session FROM sessions.session s WHERE s.tenant = p_tenant AND s.id = p_session FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF v_session.ended_at IS NULL THEN
        UPDATE sessions.session s SET ended_at = now(), end_reason = p_reason, ended_by = p_actor
        WHERE s.tenant = p_tenant AND s.id = p_session;
        INSERT INTO sessions.event (id, tenant, type, aggregate, aggregate_id, payload, traceparent)
        VALUES (sessions.uuid7(), p_tenant, 'session.ended.v1', 'session', p_session::text,
                jsonb_build_object('session_id', p_session, 'subject', v_session.user_id, 'reason', p_reason),
                p_traceparent);
    END IF;
    IF p_natural THEN
        RETURN 0;
    END IF;
    v_key := lpad(to_hex(v_session.tag::integer), 4, '0') || ':' || p_session::text;
    v_epoch := sessions.revoke_v1(p_tenant, p_actor, 'session', v_key, p_reason, p_cause_id,
                                  greatest(v_session.absolute_end, now()) + interval '1 day');
    IF p_deep THEN
        PERFORM sessions.revoke_v1(p_tenant, p_actor, 'grant', v_key, p_reason, p_cause_id,
                                   now() + interval '400 days');
    END IF;
    RETURN v_epoch;
END
$$;

-- Takes this database as the ledger's home after a restore, clone or promotion. `p_known` is what Redis knows:
-- [{tenant, kind, key, epoch}]; higher wins; kind `live` is a session that Redis holds: if its row was lost, nobody
-- could list or end it, so it ends here. With p_raise_tenants every tenant signs in again (Redis knew nothing).
-- Transaction ids that lie in this server's future are rewritten as of now; the others stay true.
CREATE FUNCTION sessions.adopt_v1(p_seen_id uuid, p_known jsonb, p_raise_tenants boolean) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_id uuid;
    v_cause uuid := gen_random_uuid();
    v_horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
BEGIN
    SELECT i.id INTO STRICT v_id FROM sessions.ledger_identity i FOR UPDATE;
    IF v_id <> p_seen_id THEN
        RETURN v_id;  -- somebody else has just adopted it
    END IF;
    INSERT INTO sessions.ledger AS l (tenant, kind, key, epoch, reason, actor, cause_id)
    SELECT k.tenant, k.kind, k.key, k.epoch, 'known to redis', 'system', v_cause
    FROM jsonb_to_recordset(p_known) AS k(tenant uuid, kind text, key text, epoch bigint)
    WHERE k.kind <> 'live'
    ON CONFLICT (tenant, kind, key) DO UPDATE SET epoch = greatest(l.epoch, excluded.epoch);
    PERFORM sessions.revoke_v1(k.tenant, 'system', 'session', k.key, 'its row was lost', v_cause,
                               now() + interval '400 days')
    FROM jsonb_to_recordset(p_known) AS k(tenant uuid, kind text, key text)
    WHERE k.kind = 'live' AND NOT EXISTS (
        SELECT FROM sessions.session s WHERE s.tenant = k.tenant AND s.id = split_part(k.key, ':', 2)::uuid);
    UPDATE sessions.ledger SET xid = pg_current_xact_id() WHERE xid >= v_horizon;
    UPDATE sessions.event SET xid = pg_current_xact_id() WHERE xid >= v_horizon;
    UPDATE directory.event SET xid = pg_current_xact_id() WHERE xid >= v_horizon;
    UPDATE authz.event SET xid = pg_current_xact_id() WHERE xid >= v_horizon;
    IF p_raise_tenants THEN
        PERFORM sessions.revoke_v1(t.id, 'system', 'tenant', '', 'ledger restored and redis empty', v_cause)
        FROM authz.tenant t;
    END IF;
    UPDATE sessions.ledger_identity i
    SET id = gen_random_uuid(), system_identifier = live.system_identifier, timeline = live.timeline,
        adopted_at = now()
    FROM sessions.live_identity() live
    RETURNING i.id INTO v_id;
    RETURN v_id;
END
$$;
"""

PURGE = """
-- Removes ledger rows past their `until`, and history older than p_history, at most p_most of each. Rows of users,
-- clients and tenants have no `until`: they stay.
CREATE FUNCTION sessions.purge_ledger_v1(p_history interval, p_most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_rows integer;
    v_history integer;
BEGIN
    DELETE FROM sessions.ledger_history h
    WHERE h.ctid = ANY (ARRAY(SELECT o.ctid FROM sessions.ledger_history o
                              WHERE o.at < now() - p_history ORDER BY o.at LIMIT p_most));
    GET DIAGNOSTICS v_history = ROW_COUNT;
    DELETE FROM sessions.ledger l
    WHERE l.ctid = ANY (ARRAY(SELECT o.ctid FROM sessions.ledger o
                              WHERE o.until < now() - interval '1 day' ORDER BY o.until LIMIT p_most
                              FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_rows + v_history;
END
$$;
"""

VIEWS_AND_GRANTS = """
CREATE VIEW sessions.ledger_v1 AS
    SELECT tenant, kind, key, epoch, xid, until FROM sessions.ledger;
CREATE VIEW sessions.ledger_identity_v1 AS
    SELECT i.id, i.system_identifier = l.system_identifier AND i.timeline = l.timeline AS at_home
    FROM sessions.ledger_identity i, sessions.live_identity() l;
CREATE VIEW sessions.policy_v1 AS
    SELECT tenant, max_sessions_per_user, on_limit, idle_seconds, absolute_seconds FROM sessions.policy;
CREATE VIEW sessions.event_v1 AS
    SELECT id, xid, tenant, type, aggregate, aggregate_id, at, payload, traceparent FROM sessions.event;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA sessions FROM PUBLIC;
GRANT USAGE ON SCHEMA sessions TO gatehouse_authz, gatehouse_scim, gatehouse_sessions;
GRANT SELECT ON sessions.ledger_v1, sessions.ledger_identity_v1, sessions.policy_v1, sessions.event_v1
    TO gatehouse_authz, gatehouse_scim, gatehouse_sessions;
GRANT EXECUTE ON FUNCTION
    sessions.revoke_v1(uuid, text, text, text, text, uuid, timestamptz),
    sessions.adopt_v1(uuid, jsonb, boolean),
    sessions.live_identity()
    TO gatehouse_authz, gatehouse_scim, gatehouse_sessions;
GRANT EXECUTE ON FUNCTION sessions.purge_ledger_v1(interval, integer) TO gatehouse_sessions;
GRANT EXECUTE ON FUNCTION
    sessions.open_v1(uuid, uuid, uuid, integer, bigint, bigint, text, text, text[], text, text[],
                     timestamptz, timestamptz),
    sessions.end_v1(uuid, uuid, text, text, uuid, boolean, boolean, text)
    TO gatehouse_authz, gatehouse_sessions;
GRANT SELECT ON sessions.ledger, sessions.ledger_history, sessions.ledger_identity TO gatehouse_sessions;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    sessions.policy, sessions.session, sessions.revocation, sessions.event, sessions.event_cursor
    TO gatehouse_sessions;
GRANT SELECT, INSERT ON sessions.audit TO gatehouse_sessions;
"""


def upgrade() -> None:
    """Make the schema, its functions, its published views and their grants."""
    for part in (TABLES, IDENTITY, FUNCTIONS, PURGE, VIEWS_AND_GRANTS):
        run_script(part)


def downgrade() -> None:
    """Drop the schema with everything in it."""
    op.execute("DROP SCHEMA sessions CASCADE")
