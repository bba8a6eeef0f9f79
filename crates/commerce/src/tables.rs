//! The tables of `migrations/0003_commerce.sql` and the steps after it.

use storage::{Class, Erasure, Retention, Table};

/// Every table of this crate.
pub const TABLES: &[Table] = &[
    owned("platforms"),
    owned("api_keys"),
    owned("features"),
    owned("plan_groups"),
    owned("plans"),
    owned("plan_versions"),
    owned("plan_entitlements"),
    personal("customers"),
    personal("end_users"),
    personal("customer_keys"),
    owned("subscriptions"),
    owned("overrides"),
    owned("grants"),
    owned("rate_limits"),
    owned("gates"),
    owned("counters"),
    owned("counter_members"),
    owned("holds"),
    Table {
        name: "usage_events",
        class: Class::Tenant,
        retention: Retention::Forever,
        erasure: Erasure::NotPersonal,
    },
    Table {
        name: "usage_replays",
        class: Class::Tenant,
        retention: Retention::Days(32),
        erasure: Erasure::NotPersonal,
    },
    Table {
        name: "usage_batches",
        class: Class::System,
        retention: Retention::Days(1),
        erasure: Erasure::NotPersonal,
    },
    owned("dimension_values"),
    owned("usage_hours"),
    owned("usage_days"),
];

const fn owned(name: &'static str) -> Table {
    Table {
        name,
        class: Class::Tenant,
        retention: Retention::Owner,
        erasure: Erasure::NotPersonal,
    }
}

const fn personal(name: &'static str) -> Table {
    Table {
        name,
        class: Class::Tenant,
        retention: Retention::Owner,
        erasure: Erasure::Delete,
    }
}
