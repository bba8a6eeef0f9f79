//! What an operation leaves behind besides its answer: audit entries and events.

use serde_json::json;
use storage::params;

use crate::harness::{TestApp, TestShop};

/// The actions on a target that the workspace's history tells, oldest first, each with its reason if it has
/// one.
pub async fn history(app: &TestApp, shop: &TestShop, target: &str) -> Vec<(String, Option<String>)> {
    const ENTRIES: &str = "SELECT action, reason FROM audit_entries
        WHERE workspace_id = $1 AND target_id = $2 ORDER BY audit_entry_id";
    let workspace = shop.owner.workspace;
    app.app
        .db()
        .of(app.system())
        .read(|mut tx| async move {
            let rows = tx.fetch_all(ENTRIES, params![workspace, target]).await?;
            rows.iter()
                .map(|row| Ok((row.get("action")?, row.get("reason")?)))
                .collect()
        })
        .await
        .unwrap()
}

/// The actions alone.
pub async fn actions(app: &TestApp, shop: &TestShop, target: &str) -> Vec<String> {
    let entries = history(app, shop, target).await;
    entries.into_iter().map(|(action, _)| action).collect()
}

/// The events about an object, oldest first.
pub async fn events(app: &TestApp, shop: &TestShop, object: &str) -> Vec<String> {
    const EVENTS: &str = "SELECT kind FROM outbox_events
        WHERE workspace_id = $1 AND platform_id = $2 AND object_id = $3 ORDER BY event_id";
    let (workspace, platform) = (shop.owner.workspace, shop.platform);
    app.app
        .db()
        .of(app.system())
        .read(|mut tx| async move {
            let rows = tx.fetch_all(EVENTS, params![workspace, platform, object]).await?;
            rows.iter().map(|row| row.get("kind")).collect()
        })
        .await
        .unwrap()
}

/// Another secret key of the shop, with these scopes alone.
pub async fn key_with(app: &TestApp, shop: &TestShop, scopes: &[&str]) -> String {
    let body = json!({"name": "narrow", "kind": "secret", "platform": shop.platform, "mode": shop.mode,
        "scopes": scopes});
    let key = shop
        .owner
        .signs(app.post("/v1/api_keys"))
        .json(&body)
        .send()
        .await
        .expect(201);
    key["secret"].as_str().unwrap().to_owned()
}
