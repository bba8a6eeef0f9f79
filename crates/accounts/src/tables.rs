//! The tables of `migrations/0002_accounts.sql`.

use storage::{Class, Erasure, Retention, Table};

/// Every table of this crate.
pub const TABLES: &[Table] = &[
    Table {
        name: "workspaces",
        class: Class::TenantAndPerson("workspace_id IN (SELECT workspace_id FROM memberships)"),
        retention: Retention::Owner,
        erasure: Erasure::NotPersonal,
    },
    Table {
        name: "memberships",
        class: Class::TenantAndPerson("user_id = {user}"),
        retention: Retention::Owner,
        erasure: Erasure::Delete,
    },
    Table {
        name: "realms",
        class: Class::Identity,
        retention: Retention::Forever,
        erasure: Erasure::NotPersonal,
    },
    // A workspace reads the names of its own members, and of nobody else.
    Table {
        name: "users",
        class: Class::IdentityAndTenant("user_id IN (SELECT user_id FROM memberships)"),
        retention: Retention::Owner,
        erasure: Erasure::Delete,
    },
    Table {
        name: "passwords",
        class: Class::Identity,
        retention: Retention::Owner,
        erasure: Erasure::Delete,
    },
    Table {
        name: "sessions",
        class: Class::Identity,
        retention: Retention::Days(30),
        erasure: Erasure::Delete,
    },
    Table {
        name: "sign_in_attempts",
        class: Class::Identity,
        retention: Retention::Days(1),
        erasure: Erasure::NotPersonal,
    },
    Table {
        name: "operator_links",
        class: Class::System,
        retention: Retention::Days(1),
        erasure: Erasure::NotPersonal,
    },
];
