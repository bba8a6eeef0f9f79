//! The audit log: written with what it tells, chained, and tampering is found.

use std::time::Duration;

use ::runtime::audit::{self, Fault, Filter, Sealing};
use ::runtime::subject_keys;
use commerce::catalogue::OPERATOR_WORKSPACE;
use serde_json::json;
use storage::params;
use types::PageRequest;
use types::id::{AuditEntryId, WorkspaceId};

use crate::harness::{Backend, Example, Member, PASSWORD, TestApp, run};

pub const EXAMPLES: &[Example] = &[example!("GET /v1/audit_entries")];

/// A member whose workspace has a sealed history of some length.
async fn with_history(app: &TestApp) -> Member {
    let member = app.sign_up().await;
    for name in ["One", "Two", "Three"] {
        member
            .signs(app.post("/v1/platforms"))
            .json(&json!({"name": name}))
            .send()
            .await
            .expect(201);
    }
    audit::seal(&app.app).await.unwrap();
    member
}

async fn faults(app: &TestApp, workspace: WorkspaceId) -> Vec<Fault> {
    let verdicts = audit::verify(&app.app).await.unwrap();
    verdicts
        .into_iter()
        .find(|verdict| verdict.workspace == workspace)
        .expect("a verdict")
        .faults
}

/// Runs a statement past every rule, as somebody with the database's password could.
async fn tamper(app: &TestApp, sql: &'static str, workspace: WorkspaceId, entry: AuditEntryId) {
    app.app
        .db()
        .of(app.system())
        .write(|mut tx| async move { tx.execute(sql, params![workspace, entry]).await })
        .await
        .unwrap();
}

/// Writes an entry once more, as if its transaction had been under way for so long. Its id.
async fn late(app: &TestApp, member: &Member, by: Duration) -> AuditEntryId {
    const COPY: &str = "INSERT INTO audit_entries
        (workspace_id, audit_entry_id, actor_kind, actor_id, action, target_kind, target_id, details, occurred_at)
        SELECT workspace_id, $3, actor_kind, actor_id, action, target_kind, target_id, details, occurred_at
        FROM audit_entries WHERE workspace_id = $1 AND audit_entry_id = $2";
    let (workspace, entry) = (member.workspace, newest(app, member).await);
    let late = AuditEntryId::least_at(app.app.now() - by);
    let write = app.app.db().of(app.system());
    let written =
        write.write(|mut tx| async move { tx.execute(COPY, params![workspace, entry, late]).await });
    assert_eq!(written.await.unwrap(), 1);
    late
}

async fn is_chained(app: &TestApp, workspace: WorkspaceId, entry: AuditEntryId) -> bool {
    const FIND: &str = "SELECT position FROM audit_links WHERE workspace_id = $1 AND audit_entry_id = $2";
    let read = app.app.db().of(app.system());
    let found = read.read(|mut tx| async move { tx.fetch_optional(FIND, params![workspace, entry]).await });
    found.await.unwrap().is_some()
}

/// Alone in its database: others look through everything when they like.
#[test]
fn each_round_looks_at_what_is_new_and_one_a_day_at_everything() {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    run(Backend::Sqlite, async |app| {
        let (member, mut sealing) = (with_history(app).await, Sealing::default());
        let workspace = member.workspace;
        let ancient = late(app, &member, 48 * HOUR).await;
        sealing.round(&app.app).await.unwrap();
        assert!(is_chained(app, workspace, ancient).await);

        let (recent, old) = (late(app, &member, HOUR).await, late(app, &member, 3 * HOUR).await);
        assert_eq!(sealing.round(&app.app).await.unwrap(), 1);
        assert!(is_chained(app, workspace, recent).await && !is_chained(app, workspace, old).await);
        app.advance(24 * HOUR);
        assert_eq!(sealing.round(&app.app).await.unwrap(), 1);
        assert!(is_chained(app, workspace, old).await);
        assert_eq!(faults(app, workspace).await, []);
    });
}

async fn newest(app: &TestApp, member: &Member) -> AuditEntryId {
    let entries = member
        .signs(app.get("/v1/audit_entries"))
        .send()
        .await
        .expect(200);
    entries["data"][0]["id"].as_str().unwrap().parse().unwrap()
}

both_databases! {
    async fn an_honest_history_verifies(app: TestApp) {
        let member = with_history(app).await;
        assert_eq!(faults(app, member.workspace).await, []);
    }

    async fn an_entry_says_who_did_what_to_what(app: TestApp) {
        let member = app.sign_up().await;
        let platform = member.signs(app.post("/v1/platforms")).json(&json!({"name": "One"})).send().await;
        let request = platform.header("request-id").unwrap().to_owned();
        let platform = platform.expect(201);
        let entries = member.signs(app.get("/v1/audit_entries?limit=1")).send().await.expect(200);
        let entry = &entries["data"][0];
        assert_eq!((&entry["action"], &entry["target_id"]), (&json!("platform.create"), &platform["id"]));
        assert_eq!((&entry["actor_kind"], &entry["actor_id"]), (&json!("user"), &json!(member.user)));
        assert_eq!(entry["request_id"], request.as_str());
    }

    async fn a_changed_entry_is_found(app: TestApp) {
        let member = with_history(app).await;
        let entry = newest(app, &member).await;
        let sql = "UPDATE audit_entries SET action = 'platform.forget' WHERE workspace_id = $1 AND audit_entry_id = $2";
        tamper(app, sql, member.workspace, entry).await;
        let found = faults(app, member.workspace).await;
        assert!(matches!(found[..], [Fault::EntryChanged { entry: changed, .. }] if changed == entry), "{found:?}");
    }

    async fn a_removed_entry_is_found(app: TestApp) {
        let member = with_history(app).await;
        let entry = newest(app, &member).await;
        let sql = "DELETE FROM audit_entries WHERE workspace_id = $1 AND audit_entry_id = $2";
        tamper(app, sql, member.workspace, entry).await;
        let found = faults(app, member.workspace).await;
        assert!(matches!(found[..], [Fault::EntryMissing { entry: gone, .. }] if gone == entry), "{found:?}");
    }

    async fn a_chain_that_is_cut_behind_a_signature_is_found(app: TestApp) {
        let member = with_history(app).await;
        let entry = newest(app, &member).await;
        tamper(app, "DELETE FROM audit_links WHERE workspace_id = $1 AND audit_entry_id = $2", member.workspace, entry).await;
        let sql = "DELETE FROM audit_entries WHERE workspace_id = $1 AND audit_entry_id = $2";
        tamper(app, sql, member.workspace, entry).await;
        let found = faults(app, member.workspace).await;
        assert!(matches!(found[..], [Fault::CheckpointBroken { .. }]), "{found:?}");
    }

    async fn a_workspace_cannot_rewrite_its_own_history(app: TestApp) {
        let member = with_history(app).await;
        let (entry, tenant) = (newest(app, &member).await, app.issuer().tenant(member.workspace));
        if app.app.db().dialect() == storage::Dialect::Postgres {
            let sql = "DELETE FROM audit_entries WHERE workspace_id = $1 AND audit_entry_id = $2";
            let deleted = app
                .app
                .db()
                .of(tenant)
                .write(|mut tx| async move { tx.execute(sql, params![tx.workspace(), entry]).await })
                .await;
            assert!(deleted.is_err());
        }
        assert_eq!(faults(app, member.workspace).await, []);
    }

    async fn what_is_about_a_person_goes_with_them_and_the_chain_stays(app: TestApp) {
        let member = app.sign_up().await;
        let sign_in = json!({"email": member.email, "password": PASSWORD});
        let call = app.post("/v1/auth/sign-in").header("user-agent", "a curious browser").json(&sign_in);
        let session = call.send().await.expect(200)["session"]["id"].as_str().unwrap().to_owned();
        // Sign-ins are in the log of the workspace that runs the realm.
        let caller = app.app.operator(app.issuer().tenant(OPERATOR_WORKSPACE));
        let filter = Filter { target_id: Some(session), ..Filter::default() };
        let personal = async || {
            let page = audit::list(&app.app, &caller, &filter, &PageRequest::default()).await.unwrap();
            page.data[0].personal.clone()
        };
        assert_eq!(personal().await.unwrap()["user_agent"], "a curious browser");
        audit::seal(&app.app).await.unwrap();
        let (user, now) = (member.user.uuid(), app.app.now());
        let destroyed = app
            .app
            .db()
            .of(app.system())
            .write(|mut tx| async move { subject_keys::destroy(&mut tx, OPERATOR_WORKSPACE, user, now).await })
            .await
            .unwrap();
        assert!(destroyed);
        assert_eq!(personal().await, None);
        assert_eq!(faults(app, OPERATOR_WORKSPACE).await, []);
    }
}
