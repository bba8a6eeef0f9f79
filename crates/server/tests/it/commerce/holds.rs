//! Holds: reserve now, settle what it cost later.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, Example, TestApp, TestShop};

pub const EXAMPLES: &[Example] = &[
    example!("POST /v1/usage/holds", |world| {"customer": (world.shop.customer), "feature": "calls", "amount": 1}),
    example!("GET /v1/usage/holds"),
    example!("GET /v1/usage/holds/{hold}", "hold" = "hold"),
    example!("POST /v1/usage/holds/{hold}/settle", "hold" = "hold", |_world| {"amount": 1}),
    example!("POST /v1/usage/holds/{hold}/release", "hold" = "spare_hold"),
];

async fn reserve(app: &TestApp, shop: &TestShop, amount: i64) -> Answer {
    shop.signs(app.post("/v1/usage/holds"))
        .json(&shop.usage(amount))
        .send()
        .await
}

async fn settle(app: &TestApp, shop: &TestShop, hold: &Value, body: Value) -> Answer {
    let path = format!("/v1/usage/holds/{}/settle", hold["id"].as_str().unwrap());
    shop.signs(app.post(&path)).json(&body).send().await
}

async fn release(app: &TestApp, shop: &TestShop, hold: &Value) -> Answer {
    let path = format!("/v1/usage/holds/{}/release", hold["id"].as_str().unwrap());
    shop.signs(app.post(&path)).send().await
}

async fn check(app: &TestApp, shop: &TestShop) -> Value {
    shop.signs(app.post("/v1/usage/check"))
        .json(&shop.usage(1))
        .send()
        .await
        .expect(200)
}

both_databases! {
    async fn what_is_held_cannot_be_used_by_others(app: TestApp) {
        let shop = app.open_shop().await;
        let made = reserve(app, &shop, 4).await.expect(201);
        assert_eq!((&made["hold"]["status"], &made["hold"]["held"]), (&json!("open"), &json!(4)));
        assert_eq!((&made["usage"]["used"], &made["usage"]["held"]), (&json!(0), &json!(4)));
        reserve(app, &shop, 2).await.refused(429, "quota_exceeded");
        let usage = check(app, &shop).await;
        assert_eq!((&usage["held"], &usage["remaining"]), (&json!(4), &json!(1)));
    }

    async fn settling_charges_what_it_cost_and_gives_back_the_rest(app: TestApp) {
        let shop = app.open_shop().await;
        let hold = reserve(app, &shop, 4).await.expect(201)["hold"].clone();
        let part = settle(app, &shop, &hold, json!({"amount": 1, "close": false})).await.expect(200);
        assert_eq!((&part["charged"], &part["hold"]["held"], &part["used"]), (&json!(1), &json!(3), &json!(1)));
        let done = settle(app, &shop, &hold, json!({"amount": 2})).await.expect(200);
        assert_eq!((&done["charged"], &done["hold"]["status"], &done["used"]), (&json!(1), &json!("settled"), &json!(2)));
        assert_eq!(done["remaining"], 3);
        // Once more is once.
        let again = settle(app, &shop, &hold, json!({"amount": 2})).await.expect(200);
        assert_eq!((&again["charged"], &again["event"], &again["used"]), (&json!(0), &Value::Null, &json!(2)));
        settle(app, &shop, &hold, json!({"amount": 3})).await.refused(409, "conflict");
        settle(app, &shop, &hold, json!({"amount": 1})).await.refused(409, "conflict");
        let events = shop.signs(app.get("/v1/usage/events?source=settle")).send().await.expect(200);
        assert_eq!(events["data"].as_array().unwrap().len(), 2);
    }

    async fn more_than_was_held_is_charged_and_told(app: TestApp) {
        let shop = app.open_shop().await;
        let hold = reserve(app, &shop, 2).await.expect(201)["hold"].clone();
        let done = settle(app, &shop, &hold, json!({"amount": 7})).await.expect(200);
        assert_eq!((&done["charged"], &done["overrun"], &done["used"]), (&json!(7), &json!(5), &json!(7)));
        assert_eq!((&done["remaining"], &done["hold"]["overrun"]), (&json!(0), &json!(5)));
    }

    async fn an_amount_that_is_not_said_is_all_that_was_held(app: TestApp) {
        let shop = app.open_shop().await;
        let hold = reserve(app, &shop, 3).await.expect(201)["hold"].clone();
        assert_eq!(settle(app, &shop, &hold, json!({})).await.expect(200)["charged"], 3);
    }

    async fn a_released_hold_gives_everything_back(app: TestApp) {
        let shop = app.open_shop().await;
        let hold = reserve(app, &shop, 5).await.expect(201)["hold"].clone();
        assert_eq!(release(app, &shop, &hold).await.expect(200)["status"], "released");
        assert_eq!(release(app, &shop, &hold).await.expect(200)["held"], 0);
        assert_eq!(check(app, &shop).await["held"], 0);
        settle(app, &shop, &hold, json!({"amount": 1})).await.refused(409, "conflict");
        let settled = reserve(app, &shop, 1).await.expect(201)["hold"].clone();
        settle(app, &shop, &settled, json!({})).await.expect(200);
        release(app, &shop, &settled).await.refused(409, "conflict");
    }

    async fn an_overdue_hold_gives_back_and_can_still_be_settled(app: TestApp) {
        let shop = app.open_shop().await;
        let mut body = shop.usage(5);
        body["lasts_secs"] = json!(60);
        let made = shop.signs(app.post("/v1/usage/holds")).json(&body).send().await.expect(201);
        let hold = &made["hold"];
        app.advance(Duration::from_secs(59));
        assert_eq!(commerce::usage::expire_holds(&app.app).await.unwrap(), 0);
        app.advance(Duration::from_secs(1));
        assert_eq!(commerce::usage::expire_holds(&app.app).await.unwrap(), 1);
        let path = format!("/v1/usage/holds/{}", hold["id"].as_str().unwrap());
        let shown = shop.signs(app.get(&path)).send().await.expect(200);
        assert_eq!((&shown["status"], &shown["held"]), (&json!("expired"), &json!(0)));
        assert_eq!(check(app, &shop).await["held"], 0);
        // It was used all the same.
        let late = settle(app, &shop, hold, json!({"amount": 2})).await.expect(200);
        assert_eq!((&late["charged"], &late["overrun"], &late["used"]), (&json!(2), &json!(2), &json!(2)));
    }

    async fn a_key_reserves_once(app: TestApp) {
        let shop = app.open_shop().await;
        let mut body = shop.usage(2);
        body["idempotency_key"] = json!("job-1");
        let first = shop.signs(app.post("/v1/usage/holds")).json(&body).send().await.expect(201);
        let again = shop.signs(app.post("/v1/usage/holds")).json(&body).send().await.expect(201);
        assert_eq!(first, again);
        assert_eq!(check(app, &shop).await["held"], 2);
        // To use is not to reserve.
        let other = shop.signs(app.post("/v1/usage/consume")).json(&body).send().await;
        other.refused(422, "idempotency_key_reused");
    }

    async fn holds_are_listed_newest_first(app: TestApp) {
        let shop = app.open_shop().await;
        let first = reserve(app, &shop, 1).await.expect(201)["hold"].clone();
        let second = reserve(app, &shop, 1).await.expect(201)["hold"].clone();
        release(app, &shop, &first).await.expect(200);
        let all = shop.signs(app.get("/v1/usage/holds")).send().await.expect(200);
        assert_eq!((&all["data"][0]["id"], &all["data"][1]["id"]), (&second["id"], &first["id"]));
        let open = shop.signs(app.get("/v1/usage/holds?open_only=true")).send().await.expect(200);
        assert_eq!(open["data"], json!([second]));
        let path = format!("/v1/usage/holds?customer={}", shop.customer);
        assert_eq!(shop.signs(app.get(&path)).send().await.expect(200)["data"].as_array().unwrap().len(), 2);
        shop.signs(app.get("/v1/usage/holds?customer=nobody")).send().await.refused(404, "not_found");
    }

    async fn another_shop_s_hold_does_not_exist(app: TestApp) {
        let (shop, other) = (app.open_shop().await, app.open_shop().await);
        let hold = reserve(app, &shop, 1).await.expect(201)["hold"].clone();
        settle(app, &other, &hold, json!({})).await.refused(404, "not_found");
        release(app, &other, &hold).await.refused(404, "not_found");
        let path = format!("/v1/usage/holds/{}", hold["id"].as_str().unwrap());
        other.signs(app.get(&path)).send().await.refused(404, "not_found");
        assert_eq!(check(app, &shop).await["held"], 1);
    }

    async fn bad_holds_name_the_field(app: TestApp) {
        let shop = app.open_shop().await;
        for (field, value) in [("amount", json!(0)), ("amount", json!(-1)), ("amount", json!("0.5")), ("lasts_secs", json!(0))] {
            let mut body = shop.usage(1);
            body[field] = value;
            let refusal = shop.signs(app.post("/v1/usage/holds")).json(&body).send().await;
            assert_eq!(refusal.refused(422, "validation_failed")["errors"][0]["field"], field);
        }
        let peak = json!({"key": "peak", "name": "Peak", "kind": "metered", "meter": {"aggregation": "max", "period": "month"}});
        shop.signs(app.post("/v1/features")).json(&peak).send().await.expect(201);
        let given = json!({"customer": shop.customer, "feature": "peak", "granted": true, "limit": 9, "reason": "test"});
        shop.signs(app.post("/v1/overrides")).json(&given).send().await.expect(201);
        let mut body = shop.usage(1);
        body["feature"] = json!("peak");
        let refusal = shop.signs(app.post("/v1/usage/holds")).json(&body).send().await;
        assert_eq!(refusal.refused(422, "validation_failed")["errors"][0]["field"], "feature");
        let hold = reserve(app, &shop, 1).await.expect(201)["hold"].clone();
        let refusal = settle(app, &shop, &hold, json!({"amount": -1})).await;
        assert_eq!(refusal.refused(422, "validation_failed")["errors"][0]["field"], "amount");
    }
}
