//! Overrides: what one customer gets whatever their plans say.

use std::time::Duration;

use serde_json::{Value, json};

use super::records::{actions, events, history, key_with};
use crate::harness::{Answer, Example, TestApp, TestShop};

pub const EXAMPLES: &[Example] = &[
    example!("POST /v1/overrides", |world| {
        "customer": (world.ids["spare_customer"]), "feature": "calls", "granted": true, "limit": 7, "reason": "walk"
    }),
    example!("GET /v1/overrides"),
    example!("GET /v1/overrides/{override}", "override" = "override"),
    example!("POST /v1/overrides/{override}/remove", "override" = "override", |_world| {"reason": "walked"}),
];

async fn give(app: &TestApp, shop: &TestShop, fields: Value) -> Answer {
    let mut body = json!({"customer": "acme", "feature": "calls", "granted": true, "reason": "Promised."});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    shop.signs(app.post("/v1/overrides")).json(&body).send().await
}

async fn entitlement(app: &TestApp, shop: &TestShop) -> Value {
    let path = format!("/v1/customers/{}/entitlements/calls", shop.customer);
    shop.signs(app.get(&path)).send().await.expect(200)
}

fn id(resource: &Value) -> String {
    resource["id"].as_str().unwrap().to_owned()
}

both_databases! {
    async fn an_override_stands_before_the_plan_until_it_is_removed(app: TestApp) {
        let shop = app.open_shop().await;
        let given = give(app, &shop, json!({"limit": 1000, "thresholds": [80]})).await.expect(201);
        assert_eq!(json!([given["limit"], given["thresholds"]]), json!([1000, [80]]));
        assert_eq!(entitlement(app, &shop).await["limit"], 1000);
        let path = format!("/v1/overrides/{}", id(&given));
        assert_eq!(shop.signs(app.get(&path)).send().await.expect(200), given);

        let remove = format!("{path}/remove");
        let no_reason = shop.signs(app.post(&remove)).json(&json!({})).send().await;
        no_reason.refused(422, "validation_failed");
        let over = json!({"reason": "The promise was kept."});
        let removed = shop.signs(app.post(&remove)).json(&over).send().await.expect(200);
        assert!(removed["removed_at"].is_string());
        assert_eq!(shop.signs(app.post(&remove)).json(&over).send().await.expect(200), removed);
        assert_eq!(entitlement(app, &shop).await["limit"], 5);
        let told = history(app, &shop, &id(&given)).await;
        let expected = [("override.create", "Promised."), ("override.remove", "The promise was kept.")];
        assert_eq!(told, expected.map(|(action, reason)| (action.to_owned(), Some(reason.to_owned()))));
        assert_eq!(events(app, &shop, &id(&given)).await, ["override.created", "override.removed"]);
    }

    async fn one_stands_for_each_feature(app: TestApp) {
        let shop = app.open_shop().await;
        let first = give(app, &shop, json!({"limit": 10})).await.expect(201);
        let second = give(app, &shop, json!({"limit": null})).await.expect(201);
        assert_eq!(entitlement(app, &shop).await["limit"], Value::Null);
        assert_eq!(actions(app, &shop, &id(&first)).await, ["override.create", "override.remove"]);
        let standing = shop.signs(app.get("/v1/overrides?customer=acme")).send().await.expect(200);
        assert_eq!(standing["data"], json!([second]));
        let ever = shop.signs(app.get("/v1/overrides?with_removed=true")).send().await.expect(200);
        assert_eq!(ever["data"].as_array().unwrap().len(), 2);
    }

    async fn a_feature_can_be_taken_away(app: TestApp) {
        let shop = app.open_shop().await;
        let taken = give(app, &shop, json!({"granted": false})).await.expect(201);
        assert_eq!(json!([taken["granted"], taken["limit"]]), json!([false, null]));
        assert_eq!(entitlement(app, &shop).await["entitled"], false);
        let usage = shop.usage(1);
        let refused = shop.signs(app.post("/v1/usage/consume")).json(&usage).send().await;
        refused.refused(402, "feature_not_in_plan");
        give(app, &shop, json!({"granted": false, "limit": 3})).await.refused(422, "validation_failed");
    }

    async fn an_override_ends_by_itself(app: TestApp) {
        let shop = app.open_shop().await;
        let now = app.app.now();
        let tomorrow = now + Duration::from_secs(86_400);
        let given = give(app, &shop, json!({"limit": 50, "expires_at": tomorrow})).await.expect(201);
        assert_eq!(entitlement(app, &shop).await["limit"], 50);
        app.advance(Duration::from_secs(86_400));
        assert_eq!(entitlement(app, &shop).await["limit"], 5);
        let problem = give(app, &shop, json!({"limit": 50, "expires_at": now})).await;
        assert_eq!(problem.refused(422, "validation_failed")["errors"][0]["field"], "expires_at");
        // One that is over makes room for the next.
        give(app, &shop, json!({"limit": 60})).await.expect(201);
        assert_eq!(entitlement(app, &shop).await["limit"], 60);
        assert_eq!(events(app, &shop, &id(&given)).await, ["override.created", "override.removed"]);
    }

    async fn what_breaks_a_rule_names_its_field(app: TestApp) {
        let shop = app.open_shop().await;
        let cases = [
            (json!({}), "limit"),
            (json!({"limit": -1}), "limit"),
            (json!({"limit": "0.5"}), "limit"),
            (json!({"limit": 1, "overage": {"kind": "soft", "cap": -1}}), "overage.cap"),
            (json!({"limit": 1, "thresholds": [0]}), "thresholds"),
            (json!({"limit": 1, "reason": ""}), "reason"),
            (json!({"limit": 1, "reason": "\u{0}"}), "reason"),
            (json!({"limit": 1, "feature": "nothing"}), "feature"),
            (json!({"limit": 1, "feature": "\u{0}"}), "feature"),
        ];
        for (fields, field) in cases {
            let problem = give(app, &shop, fields.clone()).await.refused(422, "validation_failed");
            assert_eq!(problem["errors"][0]["field"], field, "{fields}");
        }
        give(app, &shop, json!({"limit": 1, "customer": "nobody"})).await.refused(404, "not_found");
    }

    async fn another_shop_s_override_does_not_exist(app: TestApp) {
        let (shop, stranger) = (app.open_shop().await, app.open_shop().await);
        let given = give(app, &shop, json!({"limit": 10})).await.expect(201);
        let path = format!("/v1/overrides/{}", id(&given));
        stranger.signs(app.get(&path)).send().await.refused(404, "not_found");
        let body = json!({"reason": "Envy."});
        let remove = stranger.signs(app.post(&format!("{path}/remove"))).json(&body);
        remove.send().await.refused(404, "not_found");
        give(app, &stranger, json!({"limit": 1, "customer": shop.customer})).await.refused(404, "not_found");
        let foreign = json!({"limit": 1, "feature": given["feature_id"]});
        give(app, &stranger, foreign).await.refused(422, "validation_failed");
        assert_eq!(shop.signs(app.get(&path)).send().await.expect(200), given);
    }

    async fn reading_is_not_changing(app: TestApp) {
        let shop = app.open_shop().await;
        let given = give(app, &shop, json!({"limit": 10})).await.expect(201);
        let path = format!("/v1/overrides/{}", id(&given));
        let reader = key_with(app, &shop, &["customers:read"]).await;
        app.get(&path).key(&reader).send().await.expect(200);
        let body = json!({"reason": "I may not."});
        let remove = app.post(&format!("{path}/remove")).key(&reader).json(&body);
        remove.send().await.refused(403, "permission_denied");
        let body = json!({"customer": "acme", "feature": "calls", "granted": false, "reason": "I may not."});
        app.post("/v1/overrides").key(&reader).json(&body).send().await.refused(403, "permission_denied");
        let blind = key_with(app, &shop, &["usage:consume"]).await;
        app.get("/v1/overrides").key(&blind).send().await.refused(403, "permission_denied");
    }
}
