//! Entitlements: what a customer may use, and why.

use std::time::Duration;

use serde_json::{Value, json};

use super::records::key_with;
use crate::harness::{Example, TestApp, TestShop};

pub const EXAMPLES: &[Example] = &[
    example!(
        "GET /v1/customers/{customer}/entitlements",
        "customer" = "customer"
    ),
    example!(
        "GET /v1/customers/{customer}/entitlements/{feature}",
        "customer" = "customer",
        "feature" = "feature_key"
    ),
];

async fn post(app: &TestApp, shop: &TestShop, path: &str, body: Value) -> Value {
    shop.signs(app.post(path)).json(&body).send().await.expect(201)
}

async fn entitlement(app: &TestApp, shop: &TestShop, feature: &str) -> Value {
    let path = format!(
        "/v1/customers/{}/entitlements/{feature}?explain=true",
        shop.customer
    );
    shop.signs(app.get(&path)).send().await.expect(200)
}

async fn consume(app: &TestApp, shop: &TestShop, amount: i64) {
    let usage = shop.usage(amount);
    shop.signs(app.post("/v1/usage/consume"))
        .json(&usage)
        .send()
        .await
        .expect(200);
}

/// A boolean, an integer and a finely metered feature, and a second group whose plan has more calls than `free` of
/// the first.
async fn stock(app: &TestApp, shop: &TestShop) {
    post(
        app,
        shop,
        "/v1/features",
        json!({"key": "sso", "name": "SSO", "kind": "boolean"}),
    )
    .await;
    post(
        app,
        shop,
        "/v1/features",
        json!({"key": "seats", "name": "Seats", "kind": "integer"}),
    )
    .await;
    let meter = json!({"aggregation": "sum", "scale": 2, "period": "day"});
    let feature =
        json!({"key": "storage", "name": "Storage", "kind": "metered", "unit": "GB", "meter": meter});
    post(app, shop, "/v1/features", feature).await;
    post(
        app,
        shop,
        "/v1/plan_groups",
        json!({"key": "extras", "name": "Extras"}),
    )
    .await;
    let entitlements = json!([{"feature": "sso"}, {"feature": "seats", "limit": 3},
        {"feature": "storage", "limit": "2.5"}, {"feature": "calls", "limit": 50}]);
    let plan = json!({"group": "extras", "key": "team", "name": "Team", "entitlements": entitlements});
    post(app, shop, "/v1/plans", plan).await;
}

async fn subscribe(app: &TestApp, shop: &TestShop, plan: &str) {
    post(
        app,
        shop,
        "/v1/subscriptions",
        json!({"customer": "acme", "plan": plan}),
    )
    .await;
}

fn verdicts(entitlement: &Value) -> Vec<(&str, &str)> {
    let sources = entitlement["explain"]["sources"].as_array().unwrap();
    sources
        .iter()
        .map(|source| {
            (
                source["source"]["kind"].as_str().unwrap(),
                source["verdict"].as_str().unwrap(),
            )
        })
        .collect()
}

both_databases! {
    async fn each_kind_of_feature_says_what_it_has(app: TestApp) {
        let shop = app.open_shop().await;
        stock(app, &shop).await;
        assert_eq!(entitlement(app, &shop, "sso").await["entitled"], false);
        subscribe(app, &shop, "team").await;

        let sso = entitlement(app, &shop, "sso").await;
        assert_eq!(json!([sso["kind"], sso["entitled"], sso["limit"]]), json!(["boolean", true, null]));
        assert_eq!(json!([sso["used"], sso["explain"]["counter"]]), json!([null, null]));
        let seats = entitlement(app, &shop, "seats").await;
        assert_eq!(json!([seats["limit"], seats["used"]]), json!([3, null]));
        let storage = entitlement(app, &shop, "storage").await;
        assert_eq!(json!([storage["limit"], storage["used"], storage["remaining"]]), json!(["2.5", "0", "2.5"]));
        assert!(storage["reset_at"].is_string());
    }

    async fn the_figures_are_those_of_the_counter(app: TestApp) {
        let shop = app.open_shop().await;
        consume(app, &shop, 3).await;
        let calls = entitlement(app, &shop, "calls").await;
        assert_eq!(json!([calls["limit"], calls["used"], calls["remaining"]]), json!([5, 3, 2]));
        let counter = &calls["explain"]["counter"];
        assert_eq!(json!([counter["used"], counter["held"], counter["overrun"]]), json!([3, 0, 0]));
        assert_eq!(counter["period_end"], calls["reset_at"]);
        app.advance(Duration::from_secs(32 * 86_400));
        let calls = entitlement(app, &shop, "calls").await;
        assert_eq!(json!([calls["used"], calls["remaining"]]), json!([0, 5]));
    }

    async fn the_most_generous_plan_decides_and_says_so(app: TestApp) {
        let shop = app.open_shop().await;
        stock(app, &shop).await;
        subscribe(app, &shop, "team").await;
        let calls = entitlement(app, &shop, "calls").await;
        assert_eq!(calls["limit"], 50);
        assert_eq!(verdicts(&calls), [("plan", "won"), ("plan", "outdone")]);
        assert_eq!(calls["explain"]["sources"][0]["source"]["group"], "extras");
        assert_eq!(calls["explain"]["sources"][1]["gives"]["limit"], 5);
        subscribe(app, &shop, "paid").await;
        let calls = entitlement(app, &shop, "calls").await;
        assert_eq!(calls["limit"], 500);
        assert_eq!(verdicts(&calls), [("plan", "outdone"), ("plan", "won")]);
        let sso = entitlement(app, &shop, "sso").await;
        assert_eq!(verdicts(&sso), [("plan", "won"), ("plan", "not_included")]);
    }

    async fn an_override_decides_until_it_expires(app: TestApp) {
        let shop = app.open_shop().await;
        let soon = app.app.now() + Duration::from_secs(60);
        let body = json!({"customer": "acme", "feature": "calls", "granted": true, "limit": 1,
            "reason": "Abuse.", "expires_at": soon});
        post(app, &shop, "/v1/overrides", body).await;
        let calls = entitlement(app, &shop, "calls").await;
        assert_eq!(calls["limit"], 1);
        assert_eq!(verdicts(&calls), [("override", "won"), ("plan", "overruled")]);
        assert_eq!(calls["explain"]["summary"], "An override gives the feature: Abuse.");
        app.advance(Duration::from_secs(60));
        let calls = entitlement(app, &shop, "calls").await;
        assert_eq!(calls["limit"], 5);
        assert_eq!(verdicts(&calls), [("override", "expired"), ("plan", "won")]);
    }

    async fn what_nothing_gives_is_not_had(app: TestApp) {
        let shop = app.open_shop().await;
        stock(app, &shop).await;
        let storage = entitlement(app, &shop, "storage").await;
        assert_eq!(
            json!([storage["entitled"], storage["limit"], storage["remaining"]]),
            json!([false, null, "0"])
        );
        assert_eq!(verdicts(&storage), [("plan", "not_included"), ("nothing", "won")]);
    }

    async fn the_list_agrees_with_each(app: TestApp) {
        let shop = app.open_shop().await;
        stock(app, &shop).await;
        subscribe(app, &shop, "team").await;
        let body = json!({"customer": "acme", "feature": "seats", "granted": true, "limit": null,
            "reason": "Friends."});
        post(app, &shop, "/v1/overrides", body).await;
        consume(app, &shop, 2).await;
        let base = format!("/v1/customers/{}/entitlements", shop.customer);
        let mut listed = Vec::new();
        let mut path = format!("{base}?limit=3");
        loop {
            let page = shop.signs(app.get(&path)).send().await.expect(200);
            listed.extend(page["data"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("{base}?limit=3&cursor={cursor}"),
                None => break,
            }
        }
        let features: Vec<&str> = listed.iter().map(|one| one["feature"].as_str().unwrap()).collect();
        assert_eq!(features, ["calls", "sso", "seats", "storage"]);
        for one in &listed {
            let path = format!("{base}/{}", one["feature_id"].as_str().unwrap());
            assert_eq!(&shop.signs(app.get(&path)).send().await.expect(200), one);
        }
    }

    async fn an_archived_feature_is_listed_while_it_is_had(app: TestApp) {
        let shop = app.open_shop().await;
        stock(app, &shop).await;
        for feature in ["calls", "sso"] {
            let id = entitlement(app, &shop, feature).await["feature_id"].as_str().unwrap().to_owned();
            shop.signs(app.post(&format!("/v1/features/{id}/archive"))).send().await.expect(200);
        }
        let path = format!("/v1/customers/{}/entitlements", shop.customer);
        let page = shop.signs(app.get(&path)).send().await.expect(200);
        let listed = page["data"].as_array().unwrap();
        let features: Vec<&Value> = listed.iter().map(|one| &one["feature"]).collect();
        assert_eq!(features, ["calls", "seats", "storage"]);
    }

    async fn what_is_not_there_is_not_found(app: TestApp) {
        let (shop, stranger) = (app.open_shop().await, app.open_shop().await);
        let path = format!("/v1/customers/{}/entitlements", shop.customer);
        for feature in ["nothing", "NOT-A-KEY", "%00", "fea_00000000000000000000000000"] {
            shop.signs(app.get(&format!("{path}/{feature}"))).send().await.refused(404, "not_found");
        }
        stranger.signs(app.get(&path)).send().await.refused(404, "not_found");
        stranger.signs(app.get(&format!("{path}/calls"))).send().await.refused(404, "not_found");
        let blind = key_with(app, &shop, &["usage:consume"]).await;
        app.get(&path).key(&blind).send().await.refused(403, "permission_denied");
        app.get(&format!("{path}/calls")).key(&blind).send().await.refused(403, "permission_denied");
    }
}
