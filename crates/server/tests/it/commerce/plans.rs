//! Plans: groups, plans, and versions that never change.

use serde_json::{Value, json};

use super::records::{actions, events, key_with};
use crate::harness::{Answer, Example, TestApp, TestShop};

pub const EXAMPLES: &[Example] = &[
    example!("POST /v1/plan_groups", |_world| {"key": "extra", "name": "Extra"}),
    example!("GET /v1/plan_groups"),
    example!("POST /v1/plans", |_world| {"group": "main", "key": "large", "name": "Large", "entitlements": []}),
    example!("GET /v1/plans"),
    example!("GET /v1/plans/{plan}", "plan" = "plan"),
    example!("PATCH /v1/plans/{plan}", "plan" = "plan", |_world| {"name": "Renamed"}),
    example!("POST /v1/plans/{plan}/versions", "plan" = "plan", |_world| {"entitlements": [{"feature": "calls", "limit": 9}]}),
    example!(
        "GET /v1/plans/{plan}/versions/{version}",
        "plan" = "plan",
        "version" = "version"
    ),
    example!("POST /v1/plans/{plan}/archive", "plan" = "spare_plan"),
];

async fn create(app: &TestApp, shop: &TestShop, key: &str, fields: Value) -> Answer {
    let mut body = json!({"group": "main", "key": key, "name": key});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    shop.signs(app.post("/v1/plans")).json(&body).send().await
}

async fn publish(app: &TestApp, shop: &TestShop, plan: &Value, calls: Value) -> Answer {
    let body = json!({"entitlements": [{"feature": "calls", "limit": calls}]});
    shop.signs(app.post(&format!("{}/versions", path(plan))))
        .json(&body)
        .send()
        .await
}

async fn list(app: &TestApp, shop: &TestShop) -> Vec<Value> {
    let page = shop.signs(app.get("/v1/plans")).send().await.expect(200);
    page["data"].as_array().unwrap().clone()
}

fn path(plan: &Value) -> String {
    format!("/v1/plans/{}", plan["id"].as_str().unwrap())
}

fn price() -> Value {
    json!({"amount": {"amount_minor": 2900, "currency": "usd"}, "interval": "month", "per_seat": true})
}

both_databases! {
    async fn a_plan_says_what_it_costs_and_gives(app: TestApp) {
        let shop = app.open_shop().await;
        let entitlement = json!({"feature": "calls", "limit": 1000,
            "overage": {"kind": "bill", "cap": 500}, "thresholds": [80, 100]});
        let fields = json!({"price": price(), "position": 3, "entitlements": [entitlement]});
        let made = create(app, &shop, "plus", fields).await.expect(201);
        assert_eq!((&made["group"], &made["position"], &made["is_default"]), (&json!("main"), &json!(3), &json!(false)));
        let current = &made["current"];
        assert_eq!((&current["version"], &current["price"]), (&json!(1), &price()));
        assert_eq!(current["entitlements"], json!([entitlement]));
        assert_eq!(shop.signs(app.get(&path(&made))).send().await.expect(200), made);
        assert_eq!(list(app, &shop).await[2], made);
    }

    async fn a_published_version_leaves_the_one_before_as_it_is(app: TestApp) {
        let shop = app.open_shop().await;
        let free = list(app, &shop).await.remove(0);
        let after = publish(app, &shop, &free, json!(7)).await.expect(201);
        assert_eq!((&after["id"], &after["current"]["version"]), (&free["id"], &json!(2)));
        let first = shop.signs(app.get(&format!("{}/versions/1", path(&free)))).send().await.expect(200);
        assert_eq!(first, free["current"]);
        let second = shop.signs(app.get(&format!("{}/versions/2", path(&free)))).send().await.expect(200);
        assert_eq!((&second["entitlements"][0]["limit"], &second["price"]), (&json!(7), &Value::Null));
        // Who is subscribed keeps what was agreed on; who comes later gets the new one.
        let check = |customer: &str| json!({"customer": customer, "feature": "calls", "amount": 1});
        let before = shop.signs(app.post("/v1/usage/check")).json(&check("acme")).send().await.expect(200);
        assert_eq!(before["limit"], 5);
        app.new_customer(&shop.key, "late").await;
        let late = shop.signs(app.post("/v1/usage/check")).json(&check("late")).send().await.expect(200);
        assert_eq!(late["limit"], 7);
        for version in ["0", "3", "-1", "x", "99999999999999999999"] {
            let missing = shop.signs(app.get(&format!("{}/versions/{version}", path(&free)))).send().await;
            missing.refused(404, "not_found");
        }
    }

    async fn a_group_has_one_default_at_most(app: TestApp) {
        let shop = app.open_shop().await;
        let plans = list(app, &shop).await;
        let defaults = |plans: &[Value]| -> Vec<String> {
            let is_default = |plan: &&Value| plan["is_default"] == true;
            plans.iter().filter(is_default).map(|plan| plan["key"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(defaults(&plans), ["free"]);
        let body = json!({"is_default": true, "name": "Paid", "position": 9});
        let changed = shop.signs(app.patch(&path(&plans[1]))).json(&body).send().await.expect(200);
        assert_eq!((&changed["is_default"], &changed["name"], &changed["position"]), (&json!(true), &json!("Paid"), &json!(9)));
        assert_eq!(defaults(&list(app, &shop).await), ["paid"]);
        create(app, &shop, "new", json!({"is_default": true})).await.expect(201);
        assert_eq!(defaults(&list(app, &shop).await), ["new"]);
        let new = list(app, &shop).await.pop().unwrap();
        shop.signs(app.patch(&path(&new))).json(&json!({"is_default": false})).send().await.expect(200);
        assert_eq!(defaults(&list(app, &shop).await), [""; 0]);
    }

    async fn an_archived_plan_is_no_longer_sold(app: TestApp) {
        let shop = app.open_shop().await;
        let free = list(app, &shop).await.remove(0);
        let archive = format!("{}/archive", path(&free));
        let archived = shop.signs(app.post(&archive)).send().await.expect(200);
        assert_eq!(archived["is_default"], false);
        assert_eq!(shop.signs(app.post(&archive)).send().await.expect(200), archived);
        assert_eq!(list(app, &shop).await.len(), 1);
        publish(app, &shop, &free, json!(7)).await.refused(409, "conflict");
        let again = shop.signs(app.patch(&path(&free))).json(&json!({"is_default": true})).send().await;
        again.refused(409, "conflict");
        // Who is subscribed keeps it.
        let check = shop.signs(app.post("/v1/usage/check")).json(&shop.usage(5)).send().await.expect(200);
        assert_eq!(check["allowed"], true);
    }

    async fn keys_are_unique_and_groups_are_listed(app: TestApp) {
        let shop = app.open_shop().await;
        create(app, &shop, "free", json!({})).await.refused(409, "already_exists");
        let group = json!({"key": "main", "name": "Again"});
        shop.signs(app.post("/v1/plan_groups")).json(&group).send().await.refused(409, "already_exists");
        let group = json!({"key": "extras", "name": "Extras"});
        let extras = shop.signs(app.post("/v1/plan_groups")).json(&group).send().await.expect(201);
        create(app, &shop, "free", json!({"group": "extras"})).await.expect(201);
        let groups = shop.signs(app.get("/v1/plan_groups")).send().await.expect(200);
        assert_eq!((&groups["data"][0]["key"], &groups["data"][1]), (&json!("main"), &extras));
    }

    async fn a_page_of_plans_has_what_each_gives(app: TestApp) {
        let shop = app.open_shop().await;
        let first = shop.signs(app.get("/v1/plans?limit=1")).send().await.expect(200);
        assert_eq!(first["data"][0]["current"]["entitlements"][0]["limit"], 5);
        let next = format!("/v1/plans?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
        let second = shop.signs(app.get(&next)).send().await.expect(200);
        assert_eq!(second["data"][0]["current"]["entitlements"][0]["limit"], 500);
        assert_eq!(second["next_cursor"], Value::Null);
    }

    async fn bad_input_names_the_field(app: TestApp) {
        let shop = app.open_shop().await;
        let cost = |minor: i64, currency: &str, interval: &str| {
            json!({"price": {"amount": {"amount_minor": minor, "currency": currency}, "interval": interval}})
        };
        let gives = |entitlement: Value| json!({"entitlements": [entitlement]});
        let cases = [
            (json!({"group": "nothing"}), "group"),
            (json!({"key": "A b"}), "key"),
            (json!({"name": ""}), "name"),
            (json!({"position": -1}), "position"),
            (cost(-1, "usd", "month"), "price.amount.amount_minor"),
            (cost(1, "US", "month"), "price.amount.currency"),
            (cost(1, "usd", "week"), "price.interval"),
            (gives(json!({"feature": "nothing"})), "entitlements[0].feature"),
            (gives(json!({"feature": "calls"})), "entitlements[0].limit"),
            (gives(json!({"feature": "calls", "limit": -1})), "entitlements[0].limit"),
            (gives(json!({"feature": "calls", "limit": "0.5"})), "entitlements[0].limit"),
            (gives(json!({"feature": "calls", "limit": 1, "thresholds": [0]})), "entitlements[0].thresholds"),
            (gives(json!({"feature": "calls", "limit": 1, "colour": 1})), "entitlements[0].colour"),
        ];
        for (fields, field) in cases {
            let problem = create(app, &shop, "plus", fields).await.refused(422, "validation_failed");
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        }
        assert_eq!(list(app, &shop).await.len(), 2, "nothing was half written");
    }

    async fn others_neither_see_nor_change_it(app: TestApp) {
        let (shop, other) = (app.open_shop().await, app.open_shop().await);
        let free = list(app, &shop).await.remove(0);
        other.signs(app.get(&path(&free))).send().await.refused(404, "not_found");
        other.signs(app.get(&format!("{}/versions/1", path(&free)))).send().await.refused(404, "not_found");
        other.signs(app.patch(&path(&free))).json(&json!({"name": "x"})).send().await.refused(404, "not_found");
        other.signs(app.post(&format!("{}/archive", path(&free)))).send().await.refused(404, "not_found");
        publish(app, &other, &free, json!(1)).await.refused(404, "not_found");
        let reader = key_with(app, &shop, &["platforms:read"]).await;
        app.get(&path(&free)).key(&reader).send().await.expect(200);
        let body = json!({"entitlements": []});
        let denied = app.post(&format!("{}/versions", path(&free))).key(&reader).json(&body).send().await;
        denied.refused(403, "permission_denied");
        let group = json!({"key": "extras", "name": "Extras"});
        app.post("/v1/plan_groups").key(&reader).json(&group).send().await.refused(403, "permission_denied");
    }

    async fn what_was_done_is_told(app: TestApp) {
        let shop = app.open_shop().await;
        let made = create(app, &shop, "plus", json!({})).await.expect(201);
        shop.signs(app.patch(&path(&made))).json(&json!({"name": "x"})).send().await.expect(200);
        publish(app, &shop, &made, json!(null)).await.expect(201);
        shop.signs(app.post(&format!("{}/archive", path(&made)))).send().await.expect(200);
        let id = made["id"].as_str().unwrap();
        let told = ["plan.create", "plan.update", "plan.publish", "plan.archive"];
        assert_eq!(actions(app, &shop, id).await, told);
        let emitted = ["plan.created", "plan.updated", "plan.version_published", "plan.archived"];
        assert_eq!(events(app, &shop, id).await, emitted);
    }
}
