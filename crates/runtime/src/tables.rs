//! The tables of `migrations/0001_runtime.sql`.

use storage::{Class, Erasure, Retention, Table};

/// Every table of this crate.
pub const TABLES: &[Table] = &[
    table("nodes", Class::System, Retention::Days(90), Erasure::NotPersonal),
    table(
        "jobs",
        Class::SystemIntake,
        Retention::Days(30),
        Erasure::NotPersonal,
    ),
    table(
        "outbox_events",
        Class::SystemIntake,
        Retention::Days(90),
        Erasure::NotPersonal,
    ),
    table(
        "inbox_messages",
        Class::System,
        Retention::Days(30),
        Erasure::NotPersonal,
    ),
    table("mails", Class::System, Retention::Days(7), Erasure::Delete),
    table(
        "audit_entries",
        Class::TenantAppendOnly,
        Retention::Forever,
        Erasure::DestroyKey,
    ),
    table(
        "audit_links",
        Class::System,
        Retention::Forever,
        Erasure::NotPersonal,
    ),
    table(
        "audit_checkpoints",
        Class::System,
        Retention::Forever,
        Erasure::NotPersonal,
    ),
    table(
        "root_keys",
        Class::System,
        Retention::Forever,
        Erasure::NotPersonal,
    ),
    table(
        "sealing_keys",
        Class::System,
        Retention::Owner,
        Erasure::DestroyKey,
    ),
    table(
        "idempotency_keys",
        Class::Tenant,
        Retention::Days(1),
        Erasure::NotPersonal,
    ),
];

const fn table(name: &'static str, class: Class, retention: Retention, erasure: Erasure) -> Table {
    Table {
        name,
        class,
        retention,
        erasure,
    }
}
