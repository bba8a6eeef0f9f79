//! Features: what plans speak of.

use serde_json::{Value, json};

use super::records::{actions, events, key_with};
use crate::harness::{Answer, Example, TestApp, TestShop};

pub const EXAMPLES: &[Example] = &[
    example!("POST /v1/features", |_world| {"key": "seats", "name": "Seats", "kind": "integer"}),
    example!("GET /v1/features"),
    example!("GET /v1/features/{feature}", "feature" = "feature"),
    example!("PATCH /v1/features/{feature}", "feature" = "feature", |_world| {"name": "Renamed"}),
    example!("POST /v1/features/{feature}/archive", "feature" = "spare_feature"),
];

async fn create(app: &TestApp, shop: &TestShop, body: Value) -> Answer {
    shop.signs(app.post("/v1/features")).json(&body).send().await
}

fn path(feature: &Value) -> String {
    format!("/v1/features/{}", feature["id"].as_str().unwrap())
}

both_databases! {
    async fn each_kind_is_made_and_read_back(app: TestApp) {
        let shop = app.open_shop().await;
        let meter = json!({"aggregation": "sum", "scale": 3, "period": "rolling", "rolling_secs": 3600, "rolling_buckets": 60});
        let bodies = [
            json!({"key": "sso", "name": "Single sign-on", "kind": "boolean"}),
            json!({"key": "seats", "name": "Seats", "kind": "integer", "unit": "seat"}),
            json!({"key": "gigabytes.out", "name": "Traffic", "kind": "metered", "unit": "GB", "meter": meter}),
        ];
        for body in bodies {
            let made = create(app, &shop, body.clone()).await.expect(201);
            for (field, value) in body.as_object().unwrap() {
                assert_eq!(&made[field], value, "{field}");
            }
            assert_eq!(shop.signs(app.get(&path(&made))).send().await.expect(200), made);
        }
        let keys = shop.signs(app.get("/v1/features")).send().await.expect(200);
        let keys: Vec<&str> = keys["data"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap()).collect();
        assert_eq!(keys, ["calls", "sso", "seats", "gigabytes.out"]);
    }

    async fn a_key_is_unique_in_its_mode_alone(app: TestApp) {
        let shop = app.open_shop().await;
        let body = json!({"key": "calls", "name": "Calls", "kind": "boolean"});
        create(app, &shop, body.clone()).await.refused(409, "already_exists");
        let live = shop.owner.signs(app.post("/v1/features")).header("plinth-platform", shop.platform)
            .header("plinth-mode", "live").json(&body).send().await;
        live.expect(201);
    }

    async fn what_is_shown_changes_and_what_is_counted_does_not(app: TestApp) {
        let shop = app.open_shop().await;
        let made = create(app, &shop, json!({"key": "seats", "name": "Seats", "kind": "integer", "unit": "seat"})).await;
        let made = made.expect(201);
        let renamed = shop.signs(app.patch(&path(&made))).json(&json!({"name": "Chairs"})).send().await.expect(200);
        assert_eq!((&renamed["name"], &renamed["unit"]), (&json!("Chairs"), &json!("seat")));
        let bare = shop.signs(app.patch(&path(&made))).json(&json!({"unit": null})).send().await.expect(200);
        assert_eq!((&bare["name"], &bare["unit"]), (&json!("Chairs"), &Value::Null));
        for field in ["kind", "key", "meter"] {
            let answer = shop.signs(app.patch(&path(&made))).json(&json!({field: "metered"})).send().await;
            answer.refused(422, "validation_failed");
        }
    }

    async fn an_archived_feature_is_out_of_lists_and_of_new_plans(app: TestApp) {
        let shop = app.open_shop().await;
        let made = create(app, &shop, json!({"key": "sso", "name": "SSO", "kind": "boolean"})).await.expect(201);
        let archive = format!("{}/archive", path(&made));
        let archived = shop.signs(app.post(&archive)).send().await.expect(200);
        assert_eq!(shop.signs(app.post(&archive)).send().await.expect(200), archived);
        let listed = shop.signs(app.get("/v1/features")).send().await.expect(200);
        assert_eq!(listed["data"].as_array().unwrap().len(), 1);
        let all = shop.signs(app.get("/v1/features?with_archived=true")).send().await.expect(200);
        assert_eq!(all["data"][1], archived);
        let plan = json!({"group": "main", "key": "plus", "name": "Plus", "entitlements": [{"feature": "sso"}]});
        let refused = shop.signs(app.post("/v1/plans")).json(&plan).send().await.refused(422, "validation_failed");
        assert_eq!(refused["errors"][0]["field"], "entitlements[0].feature");
        // Its key is not given again: events and entitlements still mean the old one.
        let again = create(app, &shop, json!({"key": "sso", "name": "SSO", "kind": "boolean"})).await;
        again.refused(409, "already_exists");
    }

    async fn bad_input_names_the_field(app: TestApp) {
        let shop = app.open_shop().await;
        let meter = |meter: Value| json!({"key": "m", "name": "M", "kind": "metered", "meter": meter});
        let cases = [
            (json!({"key": "No", "name": "M", "kind": "boolean"}), "key"),
            (json!({"key": "m", "name": "", "kind": "boolean"}), "name"),
            (json!({"key": "m", "name": "M", "kind": "other"}), "kind"),
            (json!({"key": "m", "name": "M", "kind": "boolean", "unit": ""}), "unit"),
            (json!({"key": "m", "name": "M", "kind": "metered"}), "meter"),
            (json!({"key": "m", "name": "M", "kind": "boolean", "meter": {"aggregation": "sum", "period": "day"}}), "meter"),
            (meter(json!({"aggregation": "sum", "period": "day", "scale": 10})), "meter.scale"),
            (meter(json!({"aggregation": "max", "period": "rolling", "rolling_secs": 60})), "meter.period"),
            (meter(json!({"aggregation": "sum", "period": "decade"})), "meter.period"),
            (json!({"key": "m", "name": "M", "kind": "boolean", "colour": 1}), "colour"),
        ];
        for (body, field) in cases {
            let problem = create(app, &shop, body).await.refused(422, "validation_failed");
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        }
    }

    async fn others_neither_see_nor_change_it(app: TestApp) {
        let (shop, other) = (app.open_shop().await, app.open_shop().await);
        let listed = shop.signs(app.get("/v1/features")).send().await.expect(200);
        let feature = path(&listed["data"][0]);
        other.signs(app.get(&feature)).send().await.refused(404, "not_found");
        other.signs(app.patch(&feature)).json(&json!({"name": "x"})).send().await.refused(404, "not_found");
        other.signs(app.post(&format!("{feature}/archive"))).send().await.refused(404, "not_found");
        let reader = key_with(app, &shop, &["platforms:read"]).await;
        app.get(&feature).key(&reader).send().await.expect(200);
        let denied = app.patch(&feature).key(&reader).json(&json!({"name": "x"})).send().await;
        denied.refused(403, "permission_denied");
        let unnamed = shop.owner.signs(app.get(&feature)).send().await.refused(422, "validation_failed");
        assert_eq!(unnamed["errors"][0]["field"], "Plinth-Platform");
    }

    async fn what_was_done_is_told(app: TestApp) {
        let shop = app.open_shop().await;
        let made = create(app, &shop, json!({"key": "sso", "name": "SSO", "kind": "boolean"})).await.expect(201);
        shop.signs(app.patch(&path(&made))).json(&json!({"name": "x"})).send().await.expect(200);
        shop.signs(app.post(&format!("{}/archive", path(&made)))).send().await.expect(200);
        let id = made["id"].as_str().unwrap();
        assert_eq!(actions(app, &shop, id).await, ["feature.create", "feature.update", "feature.archive"]);
        assert_eq!(events(app, &shop, id).await, ["feature.created", "feature.updated", "feature.archived"]);
    }
}
