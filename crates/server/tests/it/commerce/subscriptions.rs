//! Subscriptions: one runs for each customer and group.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::records::{actions, events, key_with};
use crate::harness::{Answer, Example, TestApp, TestShop};

pub const EXAMPLES: &[Example] = &[
    example!("POST /v1/subscriptions", |world| {"customer": (world.shop.customer), "plan": "paid"}),
    example!("GET /v1/subscriptions"),
    example!(
        "GET /v1/subscriptions/{subscription}",
        "subscription" = "subscription"
    ),
    example!(
        "POST /v1/subscriptions/{subscription}/end",
        "subscription" = "spare_subscription"
    ),
];

async fn subscribe(app: &TestApp, shop: &TestShop, body: Value) -> Answer {
    shop.signs(app.post("/v1/subscriptions")).json(&body).send().await
}

async fn all(app: &TestApp, shop: &TestShop) -> Vec<Value> {
    let page = shop
        .signs(app.get("/v1/subscriptions?customer=acme"))
        .send()
        .await
        .expect(200);
    page["data"].as_array().unwrap().clone()
}

fn id(resource: &Value) -> String {
    resource["id"].as_str().unwrap().to_owned()
}

both_databases! {
    async fn a_new_subscription_takes_the_place_of_the_running_one(app: TestApp) {
        let shop = app.open_shop().await;
        let free = all(app, &shop).await.remove(0);
        let body = json!({"customer": shop.customer, "plan": "paid"});
        let paid = subscribe(app, &shop, body).await.expect(201);
        assert_eq!(json!([paid["group"], paid["plan"], paid["version"]]), json!(["main", "paid", 1]));
        let listed = all(app, &shop).await;
        assert_eq!(listed[0], paid);
        assert_eq!(listed[1]["id"], free["id"]);
        assert!(listed[1]["ended_at"].is_string());
        assert_eq!(events(app, &shop, &id(&free)).await, ["subscription.created", "subscription.ended"]);
        assert_eq!(actions(app, &shop, &id(&free)).await, ["subscription.create", "subscription.end"]);
        let path = format!("/v1/subscriptions/{}", id(&paid));
        assert_eq!(shop.signs(app.get(&path)).send().await.expect(200), paid);
        let by_id = json!({"customer": "acme", "plan": free["plan_id"]});
        assert_eq!(subscribe(app, &shop, by_id).await.expect(201)["plan"], "free");
    }

    async fn the_same_again_is_a_conflict(app: TestApp) {
        let shop = app.open_shop().await;
        let running = all(app, &shop).await.remove(0);
        let problem = subscribe(app, &shop, json!({"customer": "acme", "plan": "free"})).await;
        assert_eq!(problem.refused(409, "already_exists")["subscription"], running["id"]);
        assert_eq!(all(app, &shop).await, [running]);
    }

    async fn of_many_at_once_one_runs(app: TestApp) {
        let shop = app.open_shop().await;
        let body = json!({"customer": "acme", "plan": "paid"});
        let answers = join_all((0..8).map(|_| subscribe(app, &shop, body.clone()))).await;
        let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((count(201), count(409)), (1, 7));
        let listed = all(app, &shop).await;
        assert_eq!((listed.len(), &listed[0]["plan"], &listed[0]["ended_at"]), (2, &json!("paid"), &Value::Null));
        assert!(listed[1]["ended_at"].is_string());
    }

    async fn a_group_has_its_own_subscription(app: TestApp) {
        let shop = app.open_shop().await;
        let group = json!({"key": "extras", "name": "Extras"});
        shop.signs(app.post("/v1/plan_groups")).json(&group).send().await.expect(201);
        let plan = json!({"group": "extras", "key": "paid", "name": "More", "entitlements": []});
        let plan = shop.signs(app.post("/v1/plans")).json(&plan).send().await.expect(201);
        // A key that two groups have names no plan.
        let problem = subscribe(app, &shop, json!({"customer": "acme", "plan": "paid"})).await;
        assert_eq!(problem.refused(422, "validation_failed")["errors"][0]["field"], "plan");
        subscribe(app, &shop, json!({"customer": "acme", "plan": plan["id"]})).await.expect(201);
        let listed = all(app, &shop).await;
        let running = |subscription: &&Value| subscription["ended_at"].is_null();
        assert_eq!(listed.iter().filter(running).count(), 2);
    }

    async fn a_subscription_keeps_its_version(app: TestApp) {
        let shop = app.open_shop().await;
        let free = all(app, &shop).await.remove(0);
        let path = format!("/v1/plans/{}/versions", free["plan_id"].as_str().unwrap());
        let version = json!({"entitlements": [{"feature": "calls", "limit": 7}]});
        shop.signs(app.post(&path)).json(&version).send().await.expect(201);
        let limit = async || {
            let path = format!("/v1/customers/{}/entitlements/calls", shop.customer);
            shop.signs(app.get(&path)).send().await.expect(200)["limit"].clone()
        };
        assert_eq!(limit().await, 5);
        let moved = subscribe(app, &shop, json!({"customer": "acme", "plan": "free"})).await.expect(201);
        assert_eq!(moved["version"], 2);
        assert_eq!(limit().await, 7);
        let back = json!({"customer": "acme", "plan": "free", "version": 1});
        subscribe(app, &shop, back).await.expect(201);
        assert_eq!(limit().await, 5);
        for version in [0, 3, i64::MAX] {
            let body = json!({"customer": "acme", "plan": "free", "version": version});
            let problem = subscribe(app, &shop, body).await;
            assert_eq!(problem.refused(422, "validation_failed")["errors"][0]["field"], "version");
        }
    }

    async fn an_ended_subscription_gives_nothing(app: TestApp) {
        let shop = app.open_shop().await;
        let running = all(app, &shop).await.remove(0);
        let path = format!("/v1/subscriptions/{}/end", id(&running));
        let ended = shop.signs(app.post(&path)).send().await.expect(200);
        assert!(ended["ended_at"].is_string());
        assert_eq!(shop.signs(app.post(&path)).send().await.expect(200), ended);
        assert_eq!(events(app, &shop, &id(&running)).await, ["subscription.created", "subscription.ended"]);
        let usage = shop.usage(1);
        let refused = shop.signs(app.post("/v1/usage/consume")).json(&usage).send().await;
        refused.refused(402, "feature_not_in_plan");
        subscribe(app, &shop, json!({"customer": "acme", "plan": "free"})).await.expect(201);
        shop.signs(app.post("/v1/usage/consume")).json(&usage).send().await.expect(200);
    }

    async fn what_there_is_not_cannot_be_subscribed_to(app: TestApp) {
        let shop = app.open_shop().await;
        for plan in ["gold", "", "a\u{0}", "pln_00000000000000000000000000"] {
            let problem = subscribe(app, &shop, json!({"customer": "acme", "plan": plan})).await;
            assert_eq!(problem.refused(422, "validation_failed")["errors"][0]["field"], "plan", "{plan:?}");
        }
        subscribe(app, &shop, json!({"customer": "nobody", "plan": "paid"})).await.refused(404, "not_found");
        let nameless = json!({"customer": "", "plan": "paid"});
        subscribe(app, &shop, nameless).await.refused(422, "validation_failed");
        shop.signs(app.get("/v1/subscriptions?customer=nobody")).send().await.refused(404, "not_found");
    }

    async fn another_shop_s_subscription_does_not_exist(app: TestApp) {
        let (shop, stranger) = (app.open_shop().await, app.open_shop().await);
        let running = all(app, &shop).await.remove(0);
        let path = format!("/v1/subscriptions/{}", id(&running));
        stranger.signs(app.get(&path)).send().await.refused(404, "not_found");
        stranger.signs(app.post(&format!("{path}/end"))).send().await.refused(404, "not_found");
        let body = json!({"customer": shop.customer, "plan": "paid"});
        subscribe(app, &stranger, body).await.refused(404, "not_found");
        let foreign = json!({"customer": "acme", "plan": running["plan_id"]});
        subscribe(app, &stranger, foreign).await.refused(422, "validation_failed");
        assert_eq!(all(app, &shop).await, [running]);
    }

    async fn reading_is_not_changing(app: TestApp) {
        let shop = app.open_shop().await;
        let running = all(app, &shop).await.remove(0);
        let path = format!("/v1/subscriptions/{}", id(&running));
        let reader = key_with(app, &shop, &["customers:read"]).await;
        app.get(&path).key(&reader).send().await.expect(200);
        app.post(&format!("{path}/end")).key(&reader).send().await.refused(403, "permission_denied");
        let body = json!({"customer": "acme", "plan": "paid"});
        let refused = app.post("/v1/subscriptions").key(&reader).json(&body).send().await;
        refused.refused(403, "permission_denied");
        let blind = key_with(app, &shop, &["usage:consume"]).await;
        app.get(&path).key(&blind).send().await.refused(403, "permission_denied");
    }
}
