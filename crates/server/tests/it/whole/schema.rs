//! The schema: the same on both databases, and as the parts declare it.

use std::collections::BTreeSet;

use storage::Class;

use crate::harness::{Backend, TestApp, run};

#[test]
fn both_databases_have_the_same_schema() {
    run(Backend::Postgres, async |postgres| {
        let sqlite = TestApp::start(Backend::Sqlite).await;
        let mut theirs = postgres.app.db().schema().await.unwrap();
        let ours = sqlite.app.db().schema().await.unwrap();
        // What row level security was made from is PostgreSQL's alone.
        theirs.tables.remove("schema_policies");
        assert_eq!(ours.tables, theirs.tables);
        let differing = ours.indexes.symmetric_difference(&theirs.indexes);
        // SQLite needs no index for a key that is its row number.
        let differing: Vec<_> = differing
            .filter(|index| index.table != "schema_migrations")
            .collect();
        assert!(differing.is_empty(), "{differing:?}");
        sqlite.stop().await;
    });
}

both_databases! {
    async fn every_table_is_declared_by_one_part(app: TestApp) {
        let schema = app.app.db().schema().await.unwrap();
        let machinery = ["schema_migrations", "schema_policies"];
        let live: BTreeSet<&str> =
            schema.tables.keys().map(String::as_str).filter(|name| !machinery.contains(name)).collect();
        let tables = server::compose::tables();
        let declared: BTreeSet<&str> = tables.iter().map(|table| table.name).collect();
        assert_eq!(declared.len(), tables.len(), "a table is declared twice");
        assert_eq!(live, declared);
    }

    async fn tenants_tables_lead_with_their_workspace(app: TestApp) {
        let schema = app.app.db().schema().await.unwrap();
        for table in server::compose::tables().iter().filter(|table| table.class.is_tenant()) {
            let leads = schema.indexes.iter().any(|index| {
                index.unique && index.table == table.name && index.columns.starts_with("workspace_id")
            });
            assert!(leads, "{} has no unique index that starts with workspace_id", table.name);
            assert!(!schema.tables[table.name]["workspace_id"].nullable, "{}", table.name);
        }
    }

    async fn system_tables_are_few(app: TestApp) {
        let _ = app;
        let mut system: Vec<&str> = server::compose::tables()
            .iter()
            .filter(|table| matches!(table.class, Class::System | Class::SystemIntake))
            .map(|table| table.name)
            .collect();
        system.sort_unstable();
        // Reviewed: nothing in these may be shown to a tenant.
        let reviewed = [
            "audit_checkpoints",
            "audit_links",
            "inbox_messages",
            "jobs",
            "mails",
            "nodes",
            "operator_links",
            "outbox_events",
            "root_keys",
            "sealing_keys",
            "usage_batches",
        ];
        assert_eq!(system, reviewed);
    }
}
