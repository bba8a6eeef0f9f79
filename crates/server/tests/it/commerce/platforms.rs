//! Platforms: what a workspace sells.

use serde_json::{Value, json};

use super::records::{actions, events, key_with};
use crate::harness::{Answer, Example, Member, TestApp};

pub const EXAMPLES: &[Example] = &[
    example!("POST /v1/platforms", |_world| {"name": "Another"}),
    example!("GET /v1/platforms"),
    example!("GET /v1/platforms/{platform}", "platform" = "platform"),
    example!("PATCH /v1/platforms/{platform}", "platform" = "platform", |_world| {"name": "Renamed"}),
    example!(
        "POST /v1/platforms/{platform}/archive",
        "platform" = "spare_platform"
    ),
];

async fn create(app: &TestApp, by: &Member, name: &str) -> Answer {
    by.signs(app.post("/v1/platforms"))
        .json(&json!({"name": name}))
        .send()
        .await
}

fn path(platform: &Value) -> String {
    format!("/v1/platforms/{}", platform["id"].as_str().unwrap())
}

both_databases! {
    async fn a_platform_is_made_renamed_and_archived(app: TestApp) {
        let ada = app.sign_up().await;
        let made = create(app, &ada, "Weather").await.expect(201);
        assert_eq!((&made["name"], &made["archived_at"]), (&json!("Weather"), &Value::Null));
        assert_eq!(ada.signs(app.get(&path(&made))).send().await.expect(200), made);

        let body = json!({"name": "Climate"});
        let renamed = ada.signs(app.patch(&path(&made))).json(&body).send().await.expect(200);
        assert_eq!((&renamed["name"], &renamed["id"]), (&json!("Climate"), &made["id"]));

        let archive = format!("{}/archive", path(&made));
        let archived = ada.signs(app.post(&archive)).send().await.expect(200);
        assert!(archived["archived_at"].is_string());
        assert_eq!(ada.signs(app.post(&archive)).send().await.expect(200), archived);
        assert_eq!(ada.signs(app.get(&path(&made))).send().await.expect(200), archived);
        ada.signs(app.patch(&path(&made))).json(&body).send().await.refused(404, "not_found");
    }

    async fn lists_go_from_the_oldest_and_leave_out_archived_ones(app: TestApp) {
        let ada = app.sign_up().await;
        let mut made = Vec::new();
        for name in ["One", "Two", "Three"] {
            made.push(create(app, &ada, name).await.expect(201));
        }
        let page = ada.signs(app.get("/v1/platforms?limit=2")).send().await.expect(200);
        assert_eq!(page["data"], json!(made[..2]));
        let next = format!("/v1/platforms?limit=2&cursor={}", page["next_cursor"].as_str().unwrap());
        let page = ada.signs(app.get(&next)).send().await.expect(200);
        assert_eq!((&page["data"], &page["next_cursor"]), (&json!(made[2..]), &Value::Null));

        ada.signs(app.post(&format!("{}/archive", path(&made[0])))).send().await.expect(200);
        let open = ada.signs(app.get("/v1/platforms")).send().await.expect(200);
        assert_eq!(open["data"], json!(made[1..]));
        let all = ada.signs(app.get("/v1/platforms?with_archived=true")).send().await.expect(200);
        assert_eq!(all["data"].as_array().unwrap().len(), 3);
        let broken = ada.signs(app.get("/v1/platforms?cursor=x")).send().await;
        assert_eq!(broken.refused(422, "validation_failed")["errors"][0]["field"], "cursor");
    }

    async fn an_archived_platform_is_read_and_not_written(app: TestApp) {
        let shop = app.open_shop().await;
        let archive = format!("/v1/platforms/{}/archive", shop.platform);
        shop.owner.signs(app.post(&archive)).send().await.expect(200);
        // Its keys are refused; people of the workspace still look into it.
        let within = |method: &str, path: &str| {
            let call = shop.owner.signs(app.call(method, path));
            call.header("plinth-platform", shop.platform).header("plinth-mode", shop.mode)
        };
        let features = within("GET", "/v1/features").send().await.expect(200);
        assert_eq!(features["data"][0]["key"], "calls");
        let body = json!({"key": "more", "name": "More"});
        within("POST", "/v1/plan_groups").json(&body).send().await.refused(404, "not_found");
        within("POST", "/v1/usage/consume").json(&shop.usage(1)).send().await.refused(404, "not_found");
    }

    async fn a_platforms_key_sees_its_own_and_changes_none_in_test_mode(app: TestApp) {
        let shop = app.open_shop().await;
        let other = create(app, &shop.owner, "Other").await.expect(201);
        let listed = shop.signs(app.get("/v1/platforms")).send().await.expect(200);
        assert_eq!((listed["data"].as_array().unwrap().len(), &listed["data"][0]["id"]), (1, &json!(shop.platform)));
        shop.signs(app.get(&path(&other))).send().await.refused(404, "not_found");
        let body = json!({"name": "Renamed"});
        let own = format!("/v1/platforms/{}", shop.platform);
        shop.signs(app.patch(&own)).json(&body).send().await.refused(403, "wrong_mode");
    }

    async fn bad_names_and_missing_permissions_are_refused(app: TestApp) {
        let shop = app.open_shop().await;
        for name in [json!(""), json!("x".repeat(201)), json!("a\0b"), json!(1), Value::Null] {
            let answer = shop.owner.signs(app.post("/v1/platforms")).json(&json!({"name": name})).send().await;
            assert_eq!(answer.refused(422, "validation_failed")["errors"][0]["field"], "name");
        }
        let reader = key_with(app, &shop, &["platforms:read"]).await;
        let own = format!("/v1/platforms/{}", shop.platform);
        app.get(&own).key(&reader).send().await.expect(200);
        let refused = app.patch(&own).key(&reader).json(&json!({"name": "x"})).send().await;
        refused.refused(403, "permission_denied");
        let stranger = app.sign_up().await;
        stranger.signs(app.get(&own)).send().await.refused(404, "not_found");
        stranger.signs(app.patch(&own)).json(&json!({"name": "x"})).send().await.refused(404, "not_found");
        stranger.signs(app.post(&format!("{own}/archive"))).send().await.refused(404, "not_found");
    }

    async fn what_was_done_is_told(app: TestApp) {
        let shop = app.open_shop().await;
        let own = format!("/v1/platforms/{}", shop.platform);
        shop.owner.signs(app.patch(&own)).json(&json!({"name": "x"})).send().await.expect(200);
        shop.owner.signs(app.post(&format!("{own}/archive"))).send().await.expect(200);
        let id = shop.platform.to_string();
        let told = ["platform.create", "platform.update", "platform.archive"];
        assert_eq!(actions(app, &shop, &id).await, told);
        let emitted = ["platform.created", "platform.updated", "platform.archived"];
        assert_eq!(events(app, &shop, &id).await, emitted);
    }
}
