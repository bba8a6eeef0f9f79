-- Keys that a platform issues to its customers.

CREATE TABLE customer_keys (
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    customer_key_id uuid NOT NULL,
    -- The first of the keys that were rotated into this one: under it is counted what all of them use up, and what they may
    -- use up is the same in the rows of all.
    family_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    end_user_id uuid,
    name text NOT NULL,
    -- The seller's own, at the beginning of the key.
    prefix text NOT NULL,
    hint text NOT NULL,
    secret_hash bytea NOT NULL,
    -- The root key whose pepper the hash was made with.
    pepper_id uuid NOT NULL,
    permissions text NOT NULL,
    metadata text NOT NULL,
    -- Quotas of features, remaining verifications and rate limits, as JSON.
    limits text NOT NULL,
    credits text,
    rate_limits text NOT NULL,
    enabled boolean NOT NULL,
    created_by text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    revoked_at bigint,
    rotated_to uuid,
    last_used_at bigint,
    PRIMARY KEY (workspace_id, platform_id, mode, customer_key_id),
    FOREIGN KEY (workspace_id, platform_id, mode, customer_id)
        REFERENCES customers (workspace_id, platform_id, mode, customer_id),
    FOREIGN KEY (workspace_id, platform_id, mode, end_user_id)
        REFERENCES end_users (workspace_id, platform_id, mode, end_user_id)
);
CREATE INDEX customer_keys_customer ON customer_keys (workspace_id, platform_id, mode, customer_id, customer_key_id);
CREATE INDEX customer_keys_family ON customer_keys (workspace_id, platform_id, mode, family_id);
