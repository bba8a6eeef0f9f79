-- What a workspace sells: platforms, keys, features, plans, customers, subscriptions, usage.

CREATE TABLE platforms (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    name text NOT NULL,
    created_at bigint NOT NULL,
    archived_at bigint,
    PRIMARY KEY (workspace_id, platform_id)
);
CREATE UNIQUE INDEX platforms_id ON platforms (platform_id);

CREATE TABLE api_keys (
    workspace_id uuid NOT NULL,
    api_key_id uuid NOT NULL,
    platform_id uuid,
    mode text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    hint text NOT NULL,
    secret_hash bytea NOT NULL,
    -- The root key whose pepper the hash was made with.
    pepper_id uuid NOT NULL,
    scopes text NOT NULL,
    created_by text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    revoked_at bigint,
    rotated_to uuid,
    last_used_at bigint,
    PRIMARY KEY (workspace_id, api_key_id),
    FOREIGN KEY (workspace_id, platform_id) REFERENCES platforms (workspace_id, platform_id)
);
CREATE UNIQUE INDEX api_keys_id ON api_keys (api_key_id);
CREATE INDEX api_keys_platform ON api_keys (workspace_id, platform_id, api_key_id);

CREATE TABLE features (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    feature_id uuid NOT NULL,
    feature_key text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    unit text,
    -- Of a metered feature: how its counters count. Never changed.
    aggregation text,
    scale bigint,
    period text,
    -- Names by which its usage can be broken down, as a JSON array. Never changed.
    dimensions text NOT NULL,
    created_at bigint NOT NULL,
    archived_at bigint,
    PRIMARY KEY (workspace_id, platform_id, mode, feature_id),
    FOREIGN KEY (workspace_id, platform_id) REFERENCES platforms (workspace_id, platform_id)
);
CREATE UNIQUE INDEX features_key ON features (workspace_id, platform_id, mode, feature_key);

CREATE TABLE plan_groups (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    plan_group_id uuid NOT NULL,
    group_key text NOT NULL,
    name text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, platform_id, mode, plan_group_id),
    FOREIGN KEY (workspace_id, platform_id) REFERENCES platforms (workspace_id, platform_id)
);
CREATE UNIQUE INDEX plan_groups_key ON plan_groups (workspace_id, platform_id, mode, group_key);

CREATE TABLE plans (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    plan_id uuid NOT NULL,
    plan_group_id uuid NOT NULL,
    plan_key text NOT NULL,
    name text NOT NULL,
    current_version bigint NOT NULL,
    -- A new customer of the platform is enrolled on the group's default plan, if it has one.
    is_default boolean NOT NULL,
    position bigint NOT NULL,
    created_at bigint NOT NULL,
    archived_at bigint,
    PRIMARY KEY (workspace_id, platform_id, mode, plan_id),
    FOREIGN KEY (workspace_id, platform_id, mode, plan_group_id)
        REFERENCES plan_groups (workspace_id, platform_id, mode, plan_group_id)
);
CREATE UNIQUE INDEX plans_key ON plans (workspace_id, platform_id, mode, plan_group_id, plan_key);

-- Immutable: a change of a plan is a new version.
CREATE TABLE plan_versions (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    plan_id uuid NOT NULL,
    version bigint NOT NULL,
    price_minor bigint,
    price_currency text,
    price_interval text,
    per_seat boolean NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, platform_id, mode, plan_id, version),
    FOREIGN KEY (workspace_id, platform_id, mode, plan_id) REFERENCES plans (workspace_id, platform_id, mode, plan_id)
);

-- What a version gives of a feature. `amount` is the limit in units at the feature's scale, NULL for unlimited; a boolean
-- feature that is listed is on.
CREATE TABLE plan_entitlements (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    plan_id uuid NOT NULL,
    version bigint NOT NULL,
    feature_id uuid NOT NULL,
    amount bigint,
    overage text NOT NULL,
    overage_cap bigint,
    thresholds text NOT NULL,
    PRIMARY KEY (workspace_id, platform_id, mode, plan_id, version, feature_id),
    FOREIGN KEY (workspace_id, platform_id, mode, plan_id, version)
        REFERENCES plan_versions (workspace_id, platform_id, mode, plan_id, version),
    FOREIGN KEY (workspace_id, platform_id, mode, feature_id)
        REFERENCES features (workspace_id, platform_id, mode, feature_id)
);

CREATE TABLE customers (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    customer_id uuid NOT NULL,
    external_id text,
    name text,
    email text,
    metadata text NOT NULL,
    -- Where the customer's periods begin: a local date and time, and the zone it is in.
    anchor_first text NOT NULL,
    anchor_zone text NOT NULL,
    -- Raised by whatever changes what the customer may use, so that who remembers it knows when to look again.
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    archived_at bigint,
    PRIMARY KEY (workspace_id, platform_id, mode, customer_id),
    FOREIGN KEY (workspace_id, platform_id) REFERENCES platforms (workspace_id, platform_id)
);
CREATE UNIQUE INDEX customers_external ON customers (workspace_id, platform_id, mode, external_id);

CREATE TABLE end_users (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    end_user_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    external_id text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, platform_id, mode, end_user_id),
    FOREIGN KEY (workspace_id, platform_id, mode, customer_id)
        REFERENCES customers (workspace_id, platform_id, mode, customer_id)
);
CREATE UNIQUE INDEX end_users_external ON end_users (workspace_id, platform_id, mode, customer_id, external_id);

CREATE TABLE subscriptions (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    subscription_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    plan_group_id uuid NOT NULL,
    plan_id uuid NOT NULL,
    plan_version bigint NOT NULL,
    started_at bigint NOT NULL,
    ended_at bigint,
    PRIMARY KEY (workspace_id, platform_id, mode, subscription_id),
    FOREIGN KEY (workspace_id, platform_id, mode, customer_id)
        REFERENCES customers (workspace_id, platform_id, mode, customer_id),
    FOREIGN KEY (workspace_id, platform_id, mode, plan_group_id)
        REFERENCES plan_groups (workspace_id, platform_id, mode, plan_group_id),
    FOREIGN KEY (workspace_id, platform_id, mode, plan_id, plan_version)
        REFERENCES plan_versions (workspace_id, platform_id, mode, plan_id, version)
);
-- One that runs for each customer and group.
CREATE UNIQUE INDEX subscriptions_running ON subscriptions (workspace_id, platform_id, mode, customer_id, plan_group_id)
    WHERE ended_at IS NULL;
CREATE INDEX subscriptions_customer ON subscriptions (workspace_id, platform_id, mode, customer_id, subscription_id);

-- What one customer gets of a feature, whatever their plan says, until it expires or is removed.
CREATE TABLE overrides (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    override_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    feature_id uuid NOT NULL,
    granted boolean NOT NULL,
    amount bigint,
    overage text NOT NULL,
    overage_cap bigint,
    thresholds text NOT NULL,
    reason text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    removed_at bigint,
    PRIMARY KEY (workspace_id, platform_id, mode, override_id),
    FOREIGN KEY (workspace_id, platform_id, mode, customer_id)
        REFERENCES customers (workspace_id, platform_id, mode, customer_id),
    FOREIGN KEY (workspace_id, platform_id, mode, feature_id)
        REFERENCES features (workspace_id, platform_id, mode, feature_id)
);
CREATE UNIQUE INDEX overrides_standing ON overrides (workspace_id, platform_id, mode, customer_id, feature_id)
    WHERE removed_at IS NULL;

-- What platform zero's subscriptions give a workspace: a projection, so that a workspace's own transaction can lock and
-- check it. `amount` NULL is unlimited; a feature that is not listed is not given.
CREATE TABLE gates (
    workspace_id uuid NOT NULL,
    feature_key text NOT NULL,
    amount bigint,
    plan_key text NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, feature_key)
);

-- Written by the group commit alone, which has found the customer and the feature in the same transaction: references would
-- cost it a lookup and a lock a row.
CREATE TABLE counters (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    feature_id uuid NOT NULL,
    period_start bigint NOT NULL,
    used bigint NOT NULL,
    held bigint NOT NULL,
    from_grants bigint NOT NULL,
    overage bigint NOT NULL,
    overrun bigint NOT NULL,
    threshold bigint NOT NULL,
    ring text,
    version bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, platform_id, mode, subject_kind, subject_id, feature_id, period_start)
);

-- Who a unique count has counted: `member` is a hash of 16 bytes.
CREATE TABLE counter_members (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    feature_id uuid NOT NULL,
    period_start bigint NOT NULL,
    member bytea NOT NULL,
    PRIMARY KEY (workspace_id, platform_id, mode, subject_kind, subject_id, feature_id, period_start, member)
);

-- Units that are reserved until they are settled or given back.
CREATE TABLE holds (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    hold_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    end_user_id uuid,
    feature_id uuid NOT NULL,
    dimensions text NOT NULL,
    status text NOT NULL,
    amount bigint NOT NULL,
    settled bigint NOT NULL,
    overrun bigint NOT NULL,
    -- What is held on each counter, as JSON.
    parts text NOT NULL,
    -- The charges of the request, as JSON: what is used beyond the hold is charged to them.
    charges text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, platform_id, mode, hold_id)
);
CREATE INDEX holds_customer ON holds (workspace_id, platform_id, mode, customer_id, hold_id);
CREATE INDEX holds_open ON holds (expires_at) WHERE status = 'open';

CREATE TABLE usage_events (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    usage_event_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    end_user_id uuid,
    feature_id uuid NOT NULL,
    -- What it added; of a largest or latest value, the value.
    amount bigint NOT NULL,
    -- Values of the feature's dimensions, as JSON with sorted names; empty for none.
    dimensions text NOT NULL,
    source text NOT NULL,
    occurred_at bigint NOT NULL,
    received_at bigint NOT NULL,
    usage_batch_id uuid NOT NULL,
    -- Of a correction: the event that it takes back from. Of a settlement: the hold.
    about uuid,
    -- Who paid for it, counter by counter, as JSON: what a correction gives back to.
    charged text NOT NULL,
    PRIMARY KEY (workspace_id, platform_id, mode, usage_event_id)
);
CREATE INDEX usage_events_customer ON usage_events (workspace_id, platform_id, mode, customer_id, usage_event_id);
CREATE INDEX usage_events_time ON usage_events (workspace_id, platform_id, mode, feature_id, occurred_at);

-- Every value that a dimension has had: there are at most so many.
CREATE TABLE dimension_values (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    feature_id uuid NOT NULL,
    dimension text NOT NULL,
    dimension_value text NOT NULL,
    first_seen_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, platform_id, mode, feature_id, dimension, dimension_value)
);

-- What was granted under the caller's idempotency key, to be answered again.
CREATE TABLE usage_replays (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    idempotency_key text NOT NULL,
    fingerprint bytea NOT NULL,
    outcome text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, platform_id, mode, idempotency_key)
);
CREATE INDEX usage_replays_age ON usage_replays (created_at);

-- One row a group commit: whether a commit that broke off took place is decided by looking for it.
CREATE TABLE usage_batches (
    usage_batch_id uuid NOT NULL PRIMARY KEY,
    node_id uuid NOT NULL,
    committed_at bigint NOT NULL
);

-- Usage by hour and by day (UTC), for charts and reports: folds of the events, which rebuilding them gives again. `amount`
-- adds up, `highest` and `latest` are of single events; the latest is that of the greatest `latest_at`, then event id.
CREATE TABLE usage_hours (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    feature_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    hour_at bigint NOT NULL,
    dimensions text NOT NULL,
    amount bigint NOT NULL,
    events bigint NOT NULL,
    highest bigint NOT NULL,
    latest bigint NOT NULL,
    latest_at bigint NOT NULL,
    latest_event uuid NOT NULL,
    PRIMARY KEY (workspace_id, platform_id, mode, feature_id, customer_id, hour_at, dimensions)
);
CREATE INDEX usage_hours_time ON usage_hours (workspace_id, platform_id, mode, hour_at);

CREATE TABLE usage_days (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    feature_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    day_at bigint NOT NULL,
    dimensions text NOT NULL,
    amount bigint NOT NULL,
    events bigint NOT NULL,
    highest bigint NOT NULL,
    latest bigint NOT NULL,
    latest_at bigint NOT NULL,
    latest_event uuid NOT NULL,
    PRIMARY KEY (workspace_id, platform_id, mode, feature_id, customer_id, day_at, dimensions)
);
CREATE INDEX usage_days_time ON usage_days (workspace_id, platform_id, mode, day_at);
