//! The event log: which events it shows, and who paid for one.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Example, TestApp, TestShop};

pub const EXAMPLES: &[Example] = &[example!("GET /v1/usage/events/{event}", "event" = "event")];

async fn consume(app: &TestApp, shop: &TestShop, amount: i64) -> Value {
    let call = shop.signs(app.post("/v1/usage/consume"));
    call.json(&shop.usage(amount)).send().await.expect(200)["event"].clone()
}

async fn get(app: &TestApp, shop: &TestShop, event: &Value) -> Value {
    let path = format!("/v1/usage/events/{}", event.as_str().unwrap());
    shop.signs(app.get(&path)).send().await.expect(200)
}

both_databases! {
    async fn an_event_tells_who_paid_for_it(app: TestApp) {
        let shop = app.open_shop().await;
        let grants = format!("/v1/customers/{}/grants", shop.customer);
        let grant = json!({"feature": "calls", "amount": 10, "reason": "bought"});
        let grant = shop.signs(app.post(&grants)).json(&grant).send().await.expect(201);
        let event = consume(app, &shop, 7).await;
        let found = get(app, &shop, &event).await;
        assert_eq!((&found["id"], &found["amount"], &found["hold"]), (&event, &json!(7), &Value::Null));
        let burned = json!([{"grant": grant["id"], "amount": 2}]);
        assert_eq!(found["paid"], json!({"total": 7, "included": 5, "grants": burned, "overage": 0}));

        // What is paid last is given back first.
        let path = format!("/v1/usage/events/{}/corrections", event.as_str().unwrap());
        let correction = shop.signs(app.post(&path)).json(&json!({"amount": 3})).send().await.expect(201);
        let found = get(app, &shop, &event).await;
        assert_eq!(found["paid"], json!({"total": 4, "included": 4, "grants": [], "overage": 0}));
        let found = get(app, &shop, &correction["event"]).await;
        assert_eq!((&found["corrects"], &found["paid"]["included"], &found["paid"]["grants"]), (&event, &json!(1), &burned));

        let stranger = app.open_shop().await;
        let path = format!("/v1/usage/events/{}", event.as_str().unwrap());
        stranger.signs(app.get(&path)).send().await.refused(404, "not_found");
    }

    async fn a_settlement_names_its_hold_and_a_value_has_no_payer(app: TestApp) {
        let shop = app.open_shop().await;
        let held = shop.signs(app.post("/v1/usage/holds")).json(&shop.usage(3)).send().await.expect(201);
        let entitlement = format!("/v1/customers/{}/entitlements/calls", shop.customer);
        let standing = shop.signs(app.get(&entitlement)).send().await.expect(200);
        assert_eq!((&standing["used"], &standing["held"]), (&json!(0), &json!(3)));
        let settle = format!("/v1/usage/holds/{}/settle", held["hold"]["id"].as_str().unwrap());
        let settled = shop.signs(app.post(&settle)).json(&json!({"amount": 2})).send().await.expect(200);
        let found = get(app, &shop, &settled["event"]).await;
        assert_eq!((&found["hold"], &found["paid"]["total"]), (&held["hold"]["id"], &json!(2)));
        let standing = shop.signs(app.get(&entitlement)).send().await.expect(200);
        assert_eq!((&standing["used"], &standing["held"]), (&json!(2), &json!(0)));
    }

    async fn the_log_is_of_the_time_that_is_asked_for(app: TestApp) {
        let shop = app.open_shop().await;
        let first = consume(app, &shop, 1).await;
        let between = app.app.now() + Duration::from_secs(1);
        app.advance(Duration::from_secs(3_600));
        let second = consume(app, &shop, 1).await;
        let ids = async |query: &str| -> Vec<Value> {
            let page = shop.signs(app.get(&format!("/v1/usage/events?{query}"))).send().await.expect(200);
            page["data"].as_array().unwrap().iter().map(|event| event["id"].clone()).collect()
        };
        assert_eq!(ids(&format!("from={between}")).await, std::slice::from_ref(&second));
        assert_eq!(ids(&format!("to={between}")).await, std::slice::from_ref(&first));
        assert_eq!(ids(&format!("from={between}&to={between}")).await, Vec::<Value>::new());
        let at = get(app, &shop, &second).await["occurred_at"].as_str().unwrap().to_owned();
        assert_eq!(ids(&format!("from={at}")).await, [second], "the instant itself is in it");
        assert_eq!(ids(&format!("to={at}")).await, [first], "and not before it");
    }
}
