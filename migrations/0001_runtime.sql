-- What every part runs on: nodes, jobs, events on their way, mail, audit, sealing keys.

CREATE TABLE nodes (
    node_id uuid NOT NULL PRIMARY KEY,
    epoch bigint NOT NULL,
    started_at bigint NOT NULL,
    seen_at bigint NOT NULL
);

CREATE TABLE jobs (
    job_id uuid NOT NULL PRIMARY KEY,
    workspace_id uuid,
    kind text NOT NULL,
    payload text NOT NULL,
    state text NOT NULL,
    run_at bigint NOT NULL,
    attempts bigint NOT NULL,
    leased_by uuid,
    leased_until bigint,
    last_error text,
    created_at bigint NOT NULL
);
CREATE INDEX jobs_due ON jobs (state, run_at, job_id);

CREATE TABLE outbox_events (
    event_id uuid NOT NULL PRIMARY KEY,
    workspace_id uuid,
    platform_id uuid,
    mode text,
    kind text NOT NULL,
    object_id text NOT NULL,
    data text NOT NULL,
    occurred_at bigint NOT NULL,
    sequence bigint,
    dispatched_at bigint
);
CREATE INDEX outbox_events_waiting ON outbox_events (dispatched_at, event_id);
CREATE INDEX outbox_events_sequence ON outbox_events (object_id, sequence);

CREATE TABLE inbox_messages (
    inbox_message_id uuid NOT NULL PRIMARY KEY,
    source text NOT NULL,
    external_id text NOT NULL,
    headers text NOT NULL,
    body bytea NOT NULL,
    received_at bigint NOT NULL,
    processed_at bigint
);
CREATE UNIQUE INDEX inbox_messages_once ON inbox_messages (source, external_id);

CREATE TABLE mails (
    mail_id uuid NOT NULL PRIMARY KEY,
    recipient text NOT NULL,
    subject text NOT NULL,
    body_text text NOT NULL,
    body_html text NOT NULL,
    created_at bigint NOT NULL
);
CREATE INDEX mails_newest ON mails (created_at, mail_id);

CREATE TABLE audit_entries (
    workspace_id uuid NOT NULL,
    audit_entry_id uuid NOT NULL,
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    action text NOT NULL,
    target_kind text NOT NULL,
    target_id text NOT NULL,
    reason text,
    details text NOT NULL,
    request_id uuid,
    subject_key uuid,
    sealed bytea,
    occurred_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, audit_entry_id)
);
CREATE INDEX audit_entries_target ON audit_entries (workspace_id, target_id, audit_entry_id);
-- What is new in all workspaces, for the sealer.
CREATE INDEX audit_entries_new ON audit_entries (audit_entry_id);

-- The chain over the entries: kept apart, so that an entry is never changed after it is written.
CREATE TABLE audit_links (
    workspace_id uuid NOT NULL,
    position bigint NOT NULL,
    audit_entry_id uuid NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (workspace_id, position)
);
CREATE UNIQUE INDEX audit_links_entry ON audit_links (workspace_id, audit_entry_id);

CREATE TABLE audit_checkpoints (
    workspace_id uuid NOT NULL,
    position bigint NOT NULL,
    hash bytea NOT NULL,
    public_key bytea NOT NULL,
    signature bytea NOT NULL,
    signed_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, position)
);

-- The root keys that what is sealed here was sealed under, by their ids.
CREATE TABLE root_keys (
    root_key_id uuid NOT NULL PRIMARY KEY,
    first_used_at bigint NOT NULL
);

-- The nil UUID as the subject stands for the workspace itself. A destroyed key keeps its row and loses `wrapped`.
CREATE TABLE sealing_keys (
    workspace_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    sealing_key_id uuid NOT NULL,
    wrapped bytea,
    created_at bigint NOT NULL,
    destroyed_at bigint,
    PRIMARY KEY (workspace_id, subject_id)
);

CREATE TABLE idempotency_keys (
    workspace_id uuid NOT NULL,
    actor text NOT NULL,
    idempotency_key text NOT NULL,
    fingerprint bytea NOT NULL,
    status bigint,
    content_type text,
    body bytea,
    created_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, actor, idempotency_key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
