"""Schema `directory`: users, groups, sources, idempotency records, events, audit.

Revision ID: directory_0001
Revises:
"""

from alembic import op

from gatehouse.sql_script import run_script

revision = "directory_0001"
down_revision = None
branch_labels = ("directory",)
depends_on = None

TABLES = """
CREATE SCHEMA directory;

-- `resource` is the SCIM resource as stored (without id, meta, password); the columns beside it are what is looked up
-- or what SCIM has no attribute for; `claims` are the standard claims of OIDC Core §5.1, made at each write.
CREATE TABLE directory.user_resource (
    tenant uuid NOT NULL,
    id uuid NOT NULL,
    user_name text NOT NULL,
    user_name_key text NOT NULL,
    external_id text,
    active boolean NOT NULL,
    resource jsonb NOT NULL,
    email_verified boolean,
    phone_number_verified boolean,
    gender text,
    birthdate text,
    website text,
    claims jsonb NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    source_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id),
    CONSTRAINT user_resource_user_name UNIQUE (tenant, user_name_key)
);
CREATE INDEX user_resource_by_external_id ON directory.user_resource (tenant, external_id)
    WHERE external_id IS NOT NULL;
CREATE INDEX user_resource_by_age ON directory.user_resource (tenant, created_at, id);

CREATE TABLE directory.group_resource (
    tenant uuid NOT NULL,
    id uuid NOT NULL,
    display_name text NOT NULL,
    display_name_key text NOT NULL,
    external_id text,
    resource jsonb NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    source_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id),
    CONSTRAINT group_resource_display_name UNIQUE (tenant, display_name_key)
);

CREATE TABLE directory.group_member (
    tenant uuid NOT NULL,
    group_id uuid NOT NULL,
    user_id uuid NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, group_id, user_id),
    FOREIGN KEY (tenant, group_id) REFERENCES directory.group_resource ON DELETE CASCADE,
    FOREIGN KEY (tenant, user_id) REFERENCES directory.user_resource ON DELETE CASCADE
);
CREATE INDEX group_member_by_user ON directory.group_member (tenant, user_id);

CREATE TABLE directory.source (
    tenant uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    profile text NOT NULL DEFAULT 'auto' CHECK (profile IN ('auto', 'entra', 'okta', 'strict')),
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id),
    CONSTRAINT source_name UNIQUE (tenant, name)
);

CREATE TABLE directory.source_token (
    token_hash bytea PRIMARY KEY,
    tenant uuid NOT NULL,
    source_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    FOREIGN KEY (tenant, source_id) REFERENCES directory.source ON DELETE CASCADE
);

CREATE TABLE directory.idempotency (
    tenant uuid NOT NULL,
    source text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status integer NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, source, key)
);
CREATE INDEX idempotency_by_expiry ON directory.idempotency (expires_at);

CREATE TABLE directory.event (
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
CREATE INDEX event_by_xid ON directory.event (xid);

CREATE TABLE directory.event_cursor (
    consumer text NOT NULL,
    source text NOT NULL,
    ledger_id uuid NOT NULL,
    xid xid8 NOT NULL,
    seen uuid[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (consumer, source)
);

CREATE TABLE directory.audit (
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
CREATE INDEX audit_by_at ON directory.audit (tenant, at);
"""

VIEWS_AND_GRANTS = """
CREATE VIEW directory.subject_v1 AS
    SELECT tenant, id AS subject, user_name AS username, user_name_key AS username_key, active, claims,
           modified_at AS updated_at
    FROM directory.user_resource;
CREATE VIEW directory.subject_group_v1 AS
    SELECT m.tenant, m.user_id AS subject, m.group_id, g.display_name
    FROM directory.group_member m JOIN directory.group_resource g ON g.tenant = m.tenant AND g.id = m.group_id;
CREATE VIEW directory.event_v1 AS
    SELECT id, xid, tenant, type, aggregate, aggregate_id, at, payload, traceparent FROM directory.event;

GRANT USAGE ON SCHEMA directory TO gatehouse_authz, gatehouse_scim, gatehouse_sessions;
GRANT SELECT ON directory.subject_v1, directory.subject_group_v1, directory.event_v1
    TO gatehouse_authz, gatehouse_sessions;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    directory.user_resource, directory.group_resource, directory.group_member, directory.source,
    directory.source_token, directory.idempotency, directory.event, directory.event_cursor
    TO gatehouse_scim;
GRANT SELECT, INSERT ON directory.audit TO gatehouse_scim;
GRANT SELECT ON directory.subject_v1, directory.subject_group_v1, directory.event_v1 TO gatehouse_scim;
"""


def upgrade() -> None:
    """Make the schema, its published views and their grants."""
    for part in (TABLES, VIEWS_AND_GRANTS):
        run_script(part)


def downgrade() -> None:
    """Drop the schema with everything in it."""
    op.execute("DROP SCHEMA directory CASCADE")
