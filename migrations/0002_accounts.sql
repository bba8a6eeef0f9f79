-- People: the workspaces they are in, the realms they belong to, and how they sign in.

CREATE TABLE workspaces (
    workspace_id uuid NOT NULL PRIMARY KEY,
    name text NOT NULL,
    created_at bigint NOT NULL
);

-- A pool of users: one for each platform and mode.
CREATE TABLE realms (
    realm_id uuid NOT NULL PRIMARY KEY,
    -- Whose platform it is; its audit log tells what the realm's users did outside every workspace.
    workspace_id uuid NOT NULL,
    platform_id uuid NOT NULL,
    mode text NOT NULL,
    created_at bigint NOT NULL,
    FOREIGN KEY (workspace_id) REFERENCES workspaces (workspace_id)
);
CREATE UNIQUE INDEX realms_platform ON realms (platform_id, mode);

CREATE TABLE users (
    realm_id uuid NOT NULL,
    user_id uuid NOT NULL,
    -- As it was typed, for writing to it.
    email text NOT NULL,
    -- As it is compared.
    email_normalised text NOT NULL,
    name text NOT NULL,
    created_at bigint NOT NULL,
    suspended_at bigint,
    PRIMARY KEY (realm_id, user_id),
    FOREIGN KEY (realm_id) REFERENCES realms (realm_id)
);
CREATE UNIQUE INDEX users_email ON users (realm_id, email_normalised);

CREATE TABLE passwords (
    realm_id uuid NOT NULL,
    user_id uuid NOT NULL,
    phc text NOT NULL,
    changed_at bigint NOT NULL,
    PRIMARY KEY (realm_id, user_id),
    FOREIGN KEY (realm_id, user_id) REFERENCES users (realm_id, user_id)
);

CREATE TABLE sessions (
    realm_id uuid NOT NULL,
    user_id uuid NOT NULL,
    session_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    created_at bigint NOT NULL,
    -- To the minute.
    seen_at bigint NOT NULL,
    -- The latest end, however often it is used.
    expires_at bigint NOT NULL,
    revoked_at bigint,
    -- Where it was started, so that people can tell their sessions apart.
    address text NOT NULL,
    user_agent text,
    PRIMARY KEY (realm_id, user_id, session_id),
    FOREIGN KEY (realm_id, user_id) REFERENCES users (realm_id, user_id)
);
CREATE UNIQUE INDEX sessions_token ON sessions (token_hash);

-- How often signing in failed of late, by account and by address. Both are stored as keyed hashes: a wrong address that
-- somebody typed is nobody's business.
CREATE TABLE sign_in_attempts (
    realm_id uuid NOT NULL,
    scope text NOT NULL,
    key_hash bytea NOT NULL,
    failures bigint NOT NULL,
    -- Up to when failures have been forgotten.
    counted_at bigint NOT NULL,
    -- Before this, no further attempt is looked at.
    open_at bigint NOT NULL,
    PRIMARY KEY (realm_id, scope, key_hash),
    FOREIGN KEY (realm_id) REFERENCES realms (realm_id)
);

CREATE TABLE memberships (
    workspace_id uuid NOT NULL,
    user_id uuid NOT NULL,
    realm_id uuid NOT NULL,
    role text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, user_id),
    FOREIGN KEY (workspace_id) REFERENCES workspaces (workspace_id),
    FOREIGN KEY (realm_id, user_id) REFERENCES users (realm_id, user_id)
);
CREATE INDEX memberships_user ON memberships (user_id, workspace_id);

-- The links that a server prints for whoever started it.
CREATE TABLE operator_links (
    token_hash bytea NOT NULL PRIMARY KEY,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    used_at bigint
);
