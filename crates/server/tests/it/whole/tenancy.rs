//! The second wall: on PostgreSQL a transaction of one workspace reaches nothing of another, whatever its statement says.

use storage::{Class, params};

use crate::harness::{Backend, TestApp, run};

/// Statements that name the column and forget the condition.
const FORGETFUL: &str = "SELECT COUNT(*) AS n FROM platforms WHERE workspace_id IS NOT NULL";

async fn platforms_seen(app: &TestApp, workspace: types::id::WorkspaceId) -> i64 {
    app.app
        .db()
        .of(app.issuer().tenant(workspace))
        .read(|mut tx| async move { tx.fetch_one(FORGETFUL, params![]).await?.get("n") })
        .await
        .unwrap()
}

#[test]
fn a_forgotten_condition_shows_nothing_of_others() {
    run(Backend::Postgres, async |app| {
        let (one, other) = (app.open_shop().await, app.open_shop().await);
        assert_eq!(platforms_seen(app, one.owner.workspace).await, 1);
        assert_eq!(platforms_seen(app, other.owner.workspace).await, 1);
        assert_eq!(platforms_seen(app, types::id::WorkspaceId::generate()).await, 0);
    });
}

#[test]
fn rows_cannot_be_written_for_another_workspace() {
    run(Backend::Postgres, async |app| {
        let (one, other) = (app.sign_up().await, app.sign_up().await);
        let (foreign, now) = (other.workspace, app.app.now());
        let platform = types::id::PlatformId::generate();
        let written = app
            .app
            .db()
            .of(app.issuer().tenant(one.workspace))
            .write(|mut tx| async move {
                let sql = "INSERT INTO platforms (workspace_id, platform_id, name, created_at) VALUES ($1, $2, $3, $4)";
                tx.execute(sql, params![foreign, platform, "stolen", now]).await
            })
            .await;
        assert!(written.is_err());
        let moved = app
            .app
            .db()
            .of(app.issuer().tenant(one.workspace))
            .write(|mut tx| async move {
                let sql = "UPDATE workspaces SET workspace_id = $1 WHERE workspace_id = $2";
                tx.execute(sql, params![foreign, tx.workspace()]).await
            })
            .await;
        assert!(moved.is_err());
    });
}

#[test]
fn each_scope_reaches_its_own_class_of_tables() {
    run(Backend::Postgres, async |app| {
        let member = app.sign_up().await;
        let tenant = app.issuer().tenant(member.workspace);
        for table in server::compose::tables() {
            let name: &'static str = table.name;
            let sql: &'static str =
                Box::leak(format!("SELECT COUNT(*) AS n FROM {name} -- workspace_id").into_boxed_str());
            let by_tenant = app
                .app
                .db()
                .of(tenant)
                .read(|mut tx| async move { tx.fetch_one(sql, params![]).await.map(drop) })
                .await;
            let by_visitor = app
                .app
                .db()
                .of(app.issuer().visitor())
                .read(|mut tx| async move { tx.fetch_one(sql, params![]).await.map(drop) })
                .await;
            let (tenants, visitors) = match table.class {
                Class::Tenant | Class::TenantAppendOnly | Class::TenantAndPerson(_) => (true, false),
                Class::Identity => (false, true),
                Class::IdentityAndTenant(_) => (true, true),
                Class::System | Class::SystemIntake => (false, false),
            };
            assert_eq!(by_tenant.is_ok(), tenants, "a tenant and {name}");
            assert_eq!(by_visitor.is_ok(), visitors, "a visitor and {name}");
        }
    });
}
