//! The second wall, broken on purpose: somebody changes row level security by hand, one thing at a time, and the next start
//! is refused with the name of the table. `cargo xtask mutate` does the same to the first wall.

use secrecy::SecretString;
use storage::{Class, DbConfig, Table};

use crate::harness::OwnDatabase;

/// A database of our own, complete and closed.
struct Walls {
    database: OwnDatabase,
    config: DbConfig,
    tables: Vec<Table>,
}

impl Walls {
    /// `None` where there is no PostgreSQL.
    async fn build() -> Option<Self> {
        let database = OwnDatabase::create()?;
        let url = SecretString::from(database.url());
        let walls = Walls {
            database,
            config: DbConfig::Postgres {
                url,
                max_connections: 2,
            },
            tables: server::compose::tables(),
        };
        walls.stand().await;
        Some(walls)
    }

    /// Opens as the server does when it starts.
    async fn open(&self) -> Result<(), String> {
        match storage::open(&self.config, &self.tables).await {
            Ok((db, _)) => {
                db.close().await;
                Ok(())
            }
            Err(refusal) => Err(refusal.detail().to_owned()),
        }
    }

    async fn stand(&self) {
        assert_eq!(self.open().await, Ok(()));
    }

    /// Makes a change, after which a start must be refused with this complaint.
    async fn refused_after(&self, change: &str, complaint: &str) {
        self.database.sql(change);
        let opened = self.open().await;
        let refusal = opened.expect_err(&format!("it still opens after: {change}"));
        assert!(refusal.contains(complaint), "after {change}: {refusal}");
    }

    /// Does what a refusal advises.
    async fn mend(&self) {
        self.database.sql("DELETE FROM schema_policies");
        self.stand().await;
    }

    /// The policies for tenants of a table.
    fn policies(&self, table: &str) -> Vec<String> {
        let roles = "roles = ARRAY['plinth_tenant'::name]";
        let query = format!("SELECT policyname FROM pg_policies WHERE {roles} AND tablename = '{table}'");
        self.database.sql(&query).lines().map(str::to_owned).collect()
    }
}

/// One table of each class.
const REPRESENTATIVES: [&str; 7] = [
    "platforms",
    "audit_entries",
    "memberships",
    "sessions",
    "users",
    "sealing_keys",
    "jobs",
];

#[test]
fn every_class_has_its_representative() {
    let class = |table: &Table| std::mem::discriminant::<Class>(&table.class);
    let tables = server::compose::tables();
    let represented: Vec<_> = tables
        .iter()
        .filter(|table| REPRESENTATIVES.contains(&table.name))
        .map(class)
        .collect();
    assert!(tables.iter().all(|table| represented.contains(&class(table))));
}

#[tokio::test]
async fn a_table_of_any_class_is_watched() {
    let Some(walls) = Walls::build().await else { return };
    for table in REPRESENTATIVES {
        for (change, complaint, undo) in [
            (
                "DISABLE ROW LEVEL SECURITY",
                " does not force",
                "ENABLE ROW LEVEL SECURITY",
            ),
            (
                "NO FORCE ROW LEVEL SECURITY",
                " does not force",
                "FORCE ROW LEVEL SECURITY",
            ),
        ] {
            walls
                .refused_after(
                    &format!("ALTER TABLE {table} {change}"),
                    &format!("{table}{complaint}"),
                )
                .await;
            walls.database.sql(&format!("ALTER TABLE {table} {undo}"));
        }
        walls.stand().await;
        let one_more = format!("CREATE POLICY reporting ON {table} FOR SELECT TO plinth_tenant USING (true)");
        walls.refused_after(&one_more, &format!("{table} has ")).await;
        let for_all = format!("ALTER POLICY plinth_system_all ON {table} TO PUBLIC");
        walls
            .refused_after(
                &for_all,
                &format!("{table}'s policy plinth_system_all is not the declared one"),
            )
            .await;
        walls.mend().await;
    }
}

#[tokio::test]
async fn no_table_of_tenants_can_lose_a_policy() {
    let Some(walls) = Walls::build().await else { return };
    for table in walls.tables.iter().filter(|table| table.class.is_tenant()) {
        let policies = walls.policies(table.name);
        assert!(!policies.is_empty(), "{} has no policy for tenants", table.name);
        for policy in policies {
            let complaint = format!("{} lacks the policy {policy}", table.name);
            let drop = format!("DROP POLICY {policy} ON {}", table.name);
            walls.refused_after(&drop, &complaint).await;
        }
    }
    // With none of them left, the advice still holds.
    walls.mend().await;
}

#[tokio::test]
async fn a_policy_can_be_widened_on_neither_side() {
    let Some(walls) = Walls::build().await else { return };
    for (table, policy, terms) in [
        ("plans", "plinth_tenant_all", "USING (true) WITH CHECK (true)"),
        // What is left on the other side still asks for the workspace.
        ("platforms", "plinth_tenant_all", "USING (true)"),
        ("customers", "plinth_tenant_all", "WITH CHECK (true)"),
        (
            "api_keys",
            "plinth_tenant_all",
            "USING (workspace_id IS NOT NULL OR workspace_id = (SELECT nullif(current_setting('plinth.workspace', true), '')::uuid))",
        ),
        (
            "features",
            "plinth_tenant_all",
            "TO plinth_tenant, plinth_visitor",
        ),
        ("audit_entries", "plinth_tenant_select", "USING (true)"),
        ("audit_entries", "plinth_tenant_insert", "WITH CHECK (true)"),
        ("memberships", "plinth_person_select", "USING (true)"),
        // The column of the outer table: true of every row.
        (
            "workspaces",
            "plinth_person_select",
            "USING (workspace_id IN (SELECT workspaces.workspace_id FROM memberships))",
        ),
        ("users", "plinth_tenant_select", "USING (true)"),
        ("jobs", "plinth_tenant_insert", "WITH CHECK (true)"),
        ("jobs", "plinth_visitor_insert", "WITH CHECK (true)"),
    ] {
        let change = format!("ALTER POLICY {policy} ON {table} {terms}");
        let complaint = format!("{table}'s policy {policy} is not the declared one");
        walls.refused_after(&change, &complaint).await;
    }
    walls.mend().await;
}

#[tokio::test]
async fn tables_are_as_declared() {
    let Some(walls) = Walls::build().await else { return };
    for (change, complaint, undo) in [
        (
            "CREATE TABLE exports (workspace_id uuid NOT NULL)",
            "exports is declared by no part",
            "DROP TABLE exports",
        ),
        (
            "ALTER TABLE usage_replays RENAME TO usage_answers",
            "usage_replays is missing",
            "ALTER TABLE usage_answers RENAME TO usage_replays",
        ),
        (
            "ALTER TABLE gates DROP CONSTRAINT gates_pkey; ALTER TABLE gates ALTER workspace_id DROP NOT NULL",
            "gates has no column workspace_id NOT NULL",
            "ALTER TABLE gates ADD PRIMARY KEY (workspace_id, feature_key)",
        ),
    ] {
        walls.refused_after(change, complaint).await;
        walls.database.sql(undo);
        walls.stand().await;
    }
}
