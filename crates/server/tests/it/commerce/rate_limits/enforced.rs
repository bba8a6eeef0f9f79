//! How calls are held to rate limits.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{create, delete, id, update};
use crate::harness::{Answer, TestApp, TestShop};

/// A shop whose customer has more calls than any of these tests makes.
async fn open_shop(app: &TestApp) -> TestShop {
    let shop = app.open_shop().await;
    subscribe(app, &shop, "paid").await;
    shop
}

async fn subscribe(app: &TestApp, shop: &TestShop, plan: &str) {
    let body = json!({"customer": shop.customer, "plan": plan});
    let made = shop.signs(app.post("/v1/subscriptions")).json(&body).send().await;
    made.expect(201);
}

/// One call of the customer, and what else the fields say of it.
async fn call(app: &TestApp, shop: &TestShop, fields: Value) -> Answer {
    let mut body = shop.usage(1);
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    let consume = shop.signs(app.post("/v1/usage/consume"));
    consume.json(&body).send().await
}

/// How many calls each rule of a granted call lets through at once from now on.
fn left(granted: Answer) -> Vec<u64> {
    let rules = granted.expect(200)["rate_limits"].clone();
    let rules = rules.as_array().unwrap().iter();
    rules.map(|rule| rule["remaining"].as_u64().unwrap()).collect()
}

async fn used(app: &TestApp, shop: &TestShop) -> Value {
    let check = shop.signs(app.post("/v1/usage/check"));
    check.json(&shop.usage(1)).send().await.expect(200)["used"].clone()
}

both_databases! {
    async fn a_burst_and_then_the_average(app: TestApp) {
        let shop = open_shop(app).await;
        let rule = create(app, &shop, json!({"limit": 6, "per_secs": 60, "burst": 2})).await.expect(201);
        let first = call(app, &shop, json!({})).await.expect(200);
        let standing = json!([{"rate_limit": id(&rule), "burst": 2, "remaining": 1, "reset_after_secs": 10}]);
        assert_eq!(first["rate_limits"], standing);
        assert_eq!(left(call(app, &shop, json!({"amount": 100})).await), [0], "a call is one call whatever its amount");
        let refused = call(app, &shop, json!({})).await;
        assert_eq!(refused.header("retry-after"), Some("10"));
        let problem = refused.refused(429, "rate_limited");
        assert_eq!(json!([problem["retry_after_secs"], problem["used"]]), json!([10, 101]));
        assert_eq!(used(app, &shop).await, 101, "the refusal has counted nothing");
        app.advance(Duration::from_secs(10));
        assert_eq!(left(call(app, &shop, json!({})).await), [0]);
        call(app, &shop, json!({})).await.refused(429, "rate_limited");
        app.advance(Duration::from_secs(3_600));
        assert_eq!(left(call(app, &shop, json!({})).await), [1]);
    }

    async fn many_callers_get_the_burst_and_no_more(app: TestApp) {
        let shop = open_shop(app).await;
        create(app, &shop, json!({"limit": 20})).await.expect(201);
        let answers = join_all((0..60).map(|_| call(app, &shop, json!({})))).await;
        let granted = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!((granted, used(app, &shop).await), (20, json!(20)));
    }

    async fn two_rules_let_through_what_both_do(app: TestApp) {
        let shop = open_shop(app).await;
        create(app, &shop, json!({"name": "together", "limit": 3})).await.expect(201);
        create(app, &shop, json!({"name": "each", "applies_to": "end_user", "limit": 2})).await.expect(201);
        let by = |person: &str| call(app, &shop, json!({"end_user": person}));
        assert_eq!(left(by("ada").await), [2, 1]);
        assert_eq!(left(by("ada").await), [1, 0]);
        // Refused by the one, so nothing is taken from the other.
        by("ada").await.refused(429, "rate_limited");
        assert_eq!(left(by("grace").await), [0, 1]);
        by("grace").await.refused(429, "rate_limited");
        by("joan").await.refused(429, "rate_limited");
        assert_eq!(used(app, &shop).await, 3);
        // A call of nobody in particular comes under the first rule alone.
        app.advance(Duration::from_secs(20));
        assert_eq!(left(call(app, &shop, json!({})).await), [0]);
        app.advance(Duration::from_secs(40));
        assert_eq!(left(by("grace").await), [1, 1]);
    }

    async fn each_customer_has_a_bucket_of_their_own(app: TestApp) {
        let shop = open_shop(app).await;
        let globex = TestShop {
            customer: app.new_customer(&shop.key, "globex").await,
            ..shop.clone()
        };
        create(app, &shop, json!({"limit": 1})).await.expect(201);
        assert_eq!(left(call(app, &shop, json!({})).await), [0]);
        assert_eq!(left(call(app, &globex, json!({})).await), [0]);
        call(app, &shop, json!({})).await.refused(429, "rate_limited");
        // Another shop's calls come under no rule of ours.
        let elsewhere = app.open_shop().await;
        assert_eq!(left(call(app, &elsewhere, json!({})).await), [0_u64; 0]);
    }

    async fn a_rule_holds_for_what_it_selects(app: TestApp) {
        let shop = open_shop(app).await;
        let globex = TestShop {
            customer: app.new_customer(&shop.key, "globex").await,
            ..shop.clone()
        };
        let other = json!({"key": "other", "name": "Other", "kind": "metered",
            "meter": {"aggregation": "count", "period": "month"}});
        shop.signs(app.post("/v1/features")).json(&other).send().await.expect(201);
        let selectors = [
            json!({"plan": "paid"}),
            json!({"customer": "acme"}),
            json!({"feature": "calls"}),
            json!({"route": "GET /weather"}),
        ];
        for (place, selector) in selectors.into_iter().enumerate() {
            let mut rule = selector;
            rule["name"] = json!(format!("rule {place}"));
            rule["limit"] = json!([50, 60, 70, 80][place]);
            create(app, &shop, rule).await.expect(201);
        }
        let route = json!({"route": "GET /weather"});
        assert_eq!(left(call(app, &shop, route.clone()).await), [49, 59, 69, 79]);
        assert_eq!(left(call(app, &shop, json!({"route": "GET /"})).await), [48, 58, 68]);
        // On another plan, and another customer.
        assert_eq!(left(call(app, &globex, route).await), [69, 79]);
        let granted = json!({"customer": "globex", "feature": "other", "granted": true, "limit": 9, "reason": "test"});
        shop.signs(app.post("/v1/overrides")).json(&granted).send().await.expect(201);
        assert_eq!(left(call(app, &globex, json!({"feature": "other"})).await), [0_u64; 0]);
        // A change of plan counts at once.
        subscribe(app, &globex, "paid").await;
        assert_eq!(left(call(app, &globex, json!({})).await), [49, 68]);
    }

    async fn a_rule_that_changes_keeps_its_buckets(app: TestApp) {
        let shop = open_shop(app).await;
        let rule = create(app, &shop, json!({"limit": 2})).await.expect(201);
        call(app, &shop, json!({})).await.expect(200);
        update(app, &shop, &rule, json!({"name": "renamed"})).await.expect(200);
        assert_eq!(left(call(app, &shop, json!({})).await), [0]);
        call(app, &shop, json!({})).await.refused(429, "rate_limited");
        // Twice as fast, the minute that was used up is half as much.
        update(app, &shop, &rule, json!({"limit": 4})).await.expect(200);
        call(app, &shop, json!({})).await.refused(429, "rate_limited");
        delete(app, &shop, &rule).await.expect(204);
        assert_eq!(left(call(app, &shop, json!({})).await), [0_u64; 0]);
    }

    async fn what_the_quota_refuses_takes_nothing_from_a_rate(app: TestApp) {
        let shop = app.open_shop().await;
        create(app, &shop, json!({"limit": 3})).await.expect(201);
        for _ in 0..5 {
            call(app, &shop, json!({"amount": 6})).await.refused(429, "quota_exceeded");
        }
        assert_eq!(left(call(app, &shop, json!({})).await), [2]);
    }

    async fn what_is_only_asked_or_answered_again_takes_nothing(app: TestApp) {
        let shop = open_shop(app).await;
        create(app, &shop, json!({"limit": 2})).await.expect(201);
        let again = || call(app, &shop, json!({"idempotency_key": "once"}));
        let first = again().await.expect(200);
        for _ in 0..3 {
            used(app, &shop).await;
            assert_eq!(again().await.expect(200), first);
        }
        assert_eq!(left(call(app, &shop, json!({})).await), [0]);
    }

    async fn a_reservation_is_a_call_too(app: TestApp) {
        let shop = open_shop(app).await;
        create(app, &shop, json!({"limit": 1})).await.expect(201);
        let reserve = || shop.signs(app.post("/v1/usage/holds")).json(&shop.usage(1)).send();
        let held = reserve().await.expect(201);
        reserve().await.refused(429, "rate_limited");
        // To settle it is not.
        let settle = format!("/v1/usage/holds/{}/settle", id(&held["hold"]));
        shop.signs(app.post(&settle)).json(&json!({"amount": 1})).send().await.expect(200);
    }
}
