"""Schema `authz`: tenants, clients, keys, credentials, consents, grants, refresh families, events, audit.

Revision ID: authz_0001
Revises:
"""

from alembic import op

from gatehouse.sql_script import run_script

revision = "authz_0001"
down_revision = None
branch_labels = ("authz",)
depends_on = None

TABLES = """
CREATE SCHEMA authz;

CREATE TABLE authz.tenant (
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    policy jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
-- The tenant at the root of the issuer.
INSERT INTO authz.tenant (id, slug, name) VALUES ('00000000-0000-7000-8000-000000000001', 'default', 'Gatehouse');

-- `metadata` is RFC 7591 client metadata (without client_id and client_secret).
CREATE TABLE authz.client (
    tenant uuid NOT NULL REFERENCES authz.tenant,
    id text NOT NULL,
    metadata jsonb NOT NULL,
    secret_hash bytea,
    first_party boolean NOT NULL DEFAULT false,
    active boolean NOT NULL DEFAULT true,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id)
);

-- Private parts are sealed (AES-256-GCM) by the key-encryption key; AAD is 'signing:<tenant>:<kid>'.
CREATE TABLE authz.signing_key (
    tenant uuid NOT NULL REFERENCES authz.tenant,
    kid text NOT NULL,
    alg text NOT NULL CHECK (alg IN ('RS256', 'ES256', 'EdDSA')),
    public_jwk jsonb NOT NULL,
    private_sealed bytea NOT NULL,
    publish_at timestamptz NOT NULL DEFAULT now(),
    sign_from timestamptz NOT NULL,
    retire_at timestamptz,
    revoked_at timestamptz,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, kid)
);

-- Symmetric keys by purpose: 'refresh' (MAC of refresh tokens). AAD is 'mac:<tenant>:<purpose>:<id>'.
CREATE TABLE authz.mac_key (
    tenant uuid NOT NULL REFERENCES authz.tenant,
    purpose text NOT NULL,
    id smallint NOT NULL CHECK (id BETWEEN 0 AND 255),
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    retire_at timestamptz,
    PRIMARY KEY (tenant, purpose, id)
);

CREATE TABLE authz.password_credential (
    tenant uuid NOT NULL,
    user_id uuid NOT NULL,
    hash text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, user_id)
);

-- Secret sealed; AAD is 'totp:<tenant>:<user_id>:<id>'. Active once confirmed; a step is accepted once.
CREATE TABLE authz.totp_credential (
    tenant uuid NOT NULL,
    user_id uuid NOT NULL,
    id uuid NOT NULL,
    secret_sealed bytea NOT NULL,
    last_step bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    confirmed_at timestamptz,
    PRIMARY KEY (tenant, user_id, id)
);
CREATE UNIQUE INDEX totp_credential_confirmed ON authz.totp_credential (tenant, user_id)
    WHERE confirmed_at IS NOT NULL;

CREATE TABLE authz.consent (
    tenant uuid NOT NULL,
    user_id uuid NOT NULL,
    client_id text NOT NULL,
    scopes text[] NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, user_id, client_id)
);

-- A grant is what one person (or a client for itself) let one client do; the row is made when a code is redeemed.
-- `session_id` is the session it came from; online grants die with it.
CREATE TABLE authz.authorization_grant (
    tenant uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    client_id text NOT NULL,
    session_id uuid,
    offline boolean NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    end_reason text,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX authorization_grant_by_user ON authz.authorization_grant (tenant, user_id, client_id);
CREATE INDEX authorization_grant_by_session ON authz.authorization_grant (tenant, session_id)
    WHERE session_id IS NOT NULL;

-- The row holds salt and generation, no token: a token is a MAC over them. `context` is what the tokens repeat
-- (auth_time, acr, amr, nonce, resource).
CREATE TABLE authz.refresh_family (
    tenant uuid NOT NULL,
    id uuid NOT NULL,
    grant_id uuid NOT NULL,
    client_id text NOT NULL,
    user_id uuid NOT NULL,
    session_id uuid,
    offline boolean NOT NULL,
    tag smallint NOT NULL,
    key_id smallint NOT NULL,
    salt text NOT NULL,
    generation integer NOT NULL DEFAULT 0,
    scopes text[] NOT NULL,
    context jsonb NOT NULL,
    user_epoch bigint NOT NULL,
    client_epoch bigint NOT NULL,
    tenant_epoch bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    rotated_at timestamptz NOT NULL DEFAULT now(),
    idle_end timestamptz NOT NULL,
    absolute_end timestamptz NOT NULL,
    ended_at timestamptz,
    end_reason text,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX refresh_family_by_grant ON authz.refresh_family (tenant, grant_id);
CREATE INDEX refresh_family_by_end ON authz.refresh_family (absolute_end);

CREATE TABLE authz.event (
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
CREATE INDEX event_by_xid ON authz.event (xid);

CREATE TABLE authz.event_cursor (
    consumer text NOT NULL,
    source text NOT NULL,
    ledger_id uuid NOT NULL,
    xid xid8 NOT NULL,
    seen uuid[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (consumer, source)
);

CREATE TABLE authz.audit (
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
CREATE INDEX audit_by_at ON authz.audit (tenant, at);
"""

FUNCTIONS = """
-- Sets a person's password hash (argon2id, PHC string). Called by the directory in the transaction of its write.
CREATE FUNCTION authz.set_password_hash_v1(p_tenant uuid, p_user uuid, p_hash text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF p_hash !~ '^\\$argon2id\\$' THEN
        RAISE EXCEPTION 'password hash must be an argon2id PHC string' USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO authz.password_credential AS c (tenant, user_id, hash) VALUES (p_tenant, p_user, p_hash)
    ON CONFLICT (tenant, user_id) DO UPDATE SET hash = excluded.hash, changed_at = now();
END
$$;
"""

VIEWS_AND_GRANTS = """
CREATE VIEW authz.tenant_v1 AS SELECT id, slug, name, active FROM authz.tenant;
CREATE VIEW authz.public_key_v1 AS
    SELECT tenant, kid, alg, public_jwk, publish_at, sign_from, retire_at, xid
    FROM authz.signing_key WHERE revoked_at IS NULL;
CREATE VIEW authz.session_client_v1 AS
    SELECT DISTINCT tenant, session_id, client_id FROM authz.authorization_grant WHERE session_id IS NOT NULL;
CREATE VIEW authz.event_v1 AS
    SELECT id, xid, tenant, type, aggregate, aggregate_id, at, payload, traceparent FROM authz.event;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA authz FROM PUBLIC;
GRANT USAGE ON SCHEMA authz TO gatehouse_authz, gatehouse_scim, gatehouse_sessions;
GRANT SELECT ON authz.tenant_v1, authz.public_key_v1, authz.session_client_v1, authz.event_v1
    TO gatehouse_authz, gatehouse_scim, gatehouse_sessions;
GRANT EXECUTE ON FUNCTION authz.set_password_hash_v1(uuid, uuid, text) TO gatehouse_scim;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    authz.tenant, authz.client, authz.signing_key, authz.mac_key, authz.password_credential,
    authz.totp_credential, authz.consent, authz.authorization_grant, authz.refresh_family,
    authz.event, authz.event_cursor
    TO gatehouse_authz;
GRANT SELECT, INSERT ON authz.audit TO gatehouse_authz;
"""


def upgrade() -> None:
    """Make the schema, its functions, its published views and their grants."""
    for part in (TABLES, FUNCTIONS, VIEWS_AND_GRANTS):
        run_script(part)


def downgrade() -> None:
    """Drop the schema with everything in it."""
    op.execute("DROP SCHEMA authz CASCADE")
