-- What customers have beside their plans' allowance, and how fast calls may come.

-- Extra balance of one customer and feature. Amounts are units at the feature's scale.
CREATE TABLE grants (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    grant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    feature_id uuid NOT NULL,
    amount bigint NOT NULL,
    -- Changed by the group commit of usage alone, which locks the row.
    used bigint NOT NULL,
    held bigint NOT NULL,
    priority bigint NOT NULL,
    effective_at bigint NOT NULL,
    expires_at bigint,
    -- What of it starts a successor when it expires, and how long that one lasts; NULL: nothing, and for ever.
    rollover_min bigint,
    rollover_max bigint,
    rollover_secs bigint,
    rolled_to uuid,
    reason text NOT NULL,
    created_at bigint NOT NULL,
    voided_at bigint,
    -- When it was voided, or when its expiry was seen to: nothing of it is burned any more, whenever a call arrived.
    closed_at bigint,
    PRIMARY KEY (workspace_id, platform_id, mode, grant_id),
    FOREIGN KEY (workspace_id, platform_id, mode, customer_id)
        REFERENCES customers (workspace_id, platform_id, mode, customer_id),
    FOREIGN KEY (workspace_id, platform_id, mode, feature_id)
        REFERENCES features (workspace_id, platform_id, mode, feature_id)
);
CREATE INDEX grants_customer ON grants (workspace_id, platform_id, mode, customer_id, grant_id);
CREATE INDEX grants_open ON grants (workspace_id, platform_id, mode, customer_id, feature_id)
    WHERE closed_at IS NULL;

-- How fast calls may come. What is not NULL of plan, customer, feature and route must be that of a call.
CREATE TABLE rate_limits (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    rate_limit_id uuid NOT NULL,
    name text NOT NULL,
    applies_to text NOT NULL,
    units bigint NOT NULL,
    per_secs bigint NOT NULL,
    burst bigint,
    plan_id uuid,
    customer_id uuid,
    feature_id uuid,
    route text,
    created_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, platform_id, mode, rate_limit_id),
    FOREIGN KEY (workspace_id, platform_id) REFERENCES platforms (workspace_id, platform_id),
    FOREIGN KEY (workspace_id, platform_id, mode, plan_id) REFERENCES plans (workspace_id, platform_id, mode, plan_id),
    FOREIGN KEY (workspace_id, platform_id, mode, customer_id)
        REFERENCES customers (workspace_id, platform_id, mode, customer_id),
    FOREIGN KEY (workspace_id, platform_id, mode, feature_id)
        REFERENCES features (workspace_id, platform_id, mode, feature_id)
);
CREATE UNIQUE INDEX rate_limits_name ON rate_limits (workspace_id, platform_id, mode, name);
