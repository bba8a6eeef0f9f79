//! Usage that is told afterwards, taken back, broken down, or sent in bulk.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, Example, TestApp, TestShop};

pub const EXAMPLES: &[Example] = &[
    example!("POST /v1/events", |world| {"specversion": "1.0", "id": "e-1", "source": "/walk", "type": "calls",
        "subject": (world.shop.customer)}),
    example!("POST /v1/usage/consume_batch", |world| {"items": [{"customer": (world.shop.customer), "feature": "calls"}]}),
    example!(
        "POST /v1/usage/events/{event}/corrections",
        "event" = "event",
        |_world| {}
    ),
];

fn event(shop: &TestShop, id: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/gateway", "type": "calls", "subject": shop.customer})
}

async fn tell(app: &TestApp, shop: &TestShop, body: Value) -> Answer {
    shop.signs(app.post("/v1/events")).json(&body).send().await
}

async fn used(app: &TestApp, shop: &TestShop) -> Value {
    let check = shop.signs(app.post("/v1/usage/check")).json(&shop.usage(1));
    check.send().await.expect(200)["used"].clone()
}

async fn correct(app: &TestApp, shop: &TestShop, event: &Value, body: Value) -> Answer {
    let path = format!("/v1/usage/events/{}/corrections", event.as_str().unwrap());
    shop.signs(app.post(&path)).json(&body).send().await
}

/// A feature `tokens` that is broken down by model and region, and the customer may use as much as they like.
async fn sell_tokens(app: &TestApp, shop: &TestShop) {
    let feature = json!({"key": "tokens", "name": "Tokens", "kind": "metered", "dimensions": ["model", "region"],
        "meter": {"aggregation": "sum", "period": "month"}});
    let feature = shop
        .signs(app.post("/v1/features"))
        .json(&feature)
        .send()
        .await
        .expect(201);
    assert_eq!(feature["dimensions"], json!(["model", "region"]));
    let given = json!({"customer": shop.customer, "feature": "tokens", "granted": true, "limit": null, "reason": "test"});
    shop.signs(app.post("/v1/overrides"))
        .json(&given)
        .send()
        .await
        .expect(201);
}

both_databases! {
    async fn an_event_counts_once_for_its_source_and_id(app: TestApp) {
        let shop = app.open_shop().await;
        let first = tell(app, &shop, event(&shop, "a")).await.expect(200);
        assert_eq!((&first["accepted"], &first["items"][0]["status"]), (&json!(1), &json!("accepted")));
        let again = tell(app, &shop, event(&shop, "a")).await.expect(200);
        assert_eq!((&again["duplicates"], &again["items"][0]["event"]), (&json!(1), &first["items"][0]["event"]));
        let mut elsewhere = event(&shop, "a");
        elsewhere["source"] = json!("/other");
        assert_eq!(tell(app, &shop, elsewhere).await.expect(200)["accepted"], 1);
        assert_eq!(used(app, &shop).await, 2);
    }

    async fn of_a_batch_each_is_answered_by_itself(app: TestApp) {
        let shop = app.open_shop().await;
        let (mut nobody, mut old, mut ahead) = (event(&shop, "c"), event(&shop, "d"), event(&shop, "e"));
        nobody["subject"] = json!("nobody");
        old["time"] = json!("2020-01-01T00:00:00Z");
        ahead["time"] = json!("2100-01-01T00:00:00Z");
        let body = json!([event(&shop, "a"), event(&shop, "a"), nobody, old, ahead, {"id": "f"}, 7]);
        let answer = tell(app, &shop, body).await.expect(200);
        let statuses: Vec<&str> = answer["items"].as_array().unwrap().iter().map(|item| item["status"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["accepted", "duplicate", "rejected", "rejected", "rejected", "rejected", "rejected"]);
        assert_eq!((&answer["accepted"], &answer["duplicates"], &answer["rejected"]), (&json!(1), &json!(1), &json!(5)));
        assert_eq!(answer["items"][2]["problem"]["code"], "not_found");
        assert_eq!(answer["items"][3]["problem"]["errors"][0]["field"], "time");
        assert_eq!(used(app, &shop).await, 1);
    }

    async fn what_has_happened_is_counted_whatever_the_limit(app: TestApp) {
        let shop = app.open_shop().await;
        let mut big = event(&shop, "a");
        big["data"] = json!({"amount": 8, "end_user": "ada"});
        assert_eq!(tell(app, &shop, big).await.expect(200)["accepted"], 1);
        assert_eq!(used(app, &shop).await, 8);
        let refusal = shop.signs(app.post("/v1/usage/consume")).json(&shop.usage(1)).send().await;
        refusal.refused(429, "quota_exceeded");
    }

    async fn an_event_belongs_to_the_period_it_happened_in(app: TestApp) {
        let shop = app.open_shop().await;
        app.advance(Duration::from_secs(40 * 86_400));
        let now = app.app.now();
        let (mut late, mut history) = (event(&shop, "late"), event(&shop, "history"));
        late["time"] = json!(now - Duration::from_secs(2 * 86_400));
        history["time"] = json!(now - Duration::from_secs(400 * 86_400));
        assert_eq!(tell(app, &shop, late).await.expect(200)["accepted"], 1);
        tell(app, &shop, history.clone()).await.refused(422, "validation_failed");
        let backfill = shop.signs(app.post("/v1/events?backfill=true")).json(&history).send().await;
        assert_eq!(backfill.expect(200)["accepted"], 1);
        let events = shop.signs(app.get("/v1/usage/events?source=backfill")).send().await.expect(200);
        assert_eq!(events["data"][0]["occurred_at"], history["time"]);
        let now_used = used(app, &shop).await.as_i64().unwrap();
        assert!(now_used <= 1, "a history of last year is not of this month");
    }

    async fn usage_is_broken_down_by_declared_dimensions(app: TestApp) {
        let shop = app.open_shop().await;
        sell_tokens(app, &shop).await;
        let mut body = json!({"customer": shop.customer, "feature": "tokens", "amount": 10, "dimensions": {"model": "small"}});
        shop.signs(app.post("/v1/usage/consume")).json(&body).send().await.expect(200);
        let mut told = event(&shop, "a");
        told["type"] = json!("tokens");
        told["data"] = json!({"amount": 5, "model": "large", "region": 3, "trace": {"left": "aside"}});
        assert_eq!(tell(app, &shop, told).await.expect(200)["accepted"], 1);
        let events = shop.signs(app.get("/v1/usage/events?feature=tokens")).send().await.expect(200);
        assert_eq!(events["data"][0]["dimensions"], json!({"model": "large", "region": "3"}));
        assert_eq!(events["data"][1]["dimensions"], json!({"model": "small"}));
        body["dimensions"] = json!({"colour": "red"});
        let refusal = shop.signs(app.post("/v1/usage/consume")).json(&body).send().await;
        assert_eq!(refusal.refused(422, "validation_failed")["errors"][0]["field"], "dimensions.colour");
    }

    async fn a_dimension_has_so_many_values_and_no_more(app: TestApp) {
        let shop = app.open_shop().await;
        sell_tokens(app, &shop).await;
        let item = |n: usize| json!({"customer": shop.customer, "feature": "tokens", "dimensions": {"model": format!("m-{n}")}});
        let items: Vec<Value> = (0..1_000).map(item).collect();
        let answer = shop.signs(app.post("/v1/usage/consume_batch")).json(&json!({"items": items})).send().await.expect(200);
        assert!(answer["items"].as_array().unwrap().iter().all(|item| item["status"] == 200));
        let refusal = shop.signs(app.post("/v1/usage/consume")).json(&item(1_000)).send().await;
        assert_eq!(refusal.refused(422, "validation_failed")["errors"][0]["field"], "dimensions.model");
        shop.signs(app.post("/v1/usage/consume")).json(&item(7)).send().await.expect(200);
    }

    async fn of_many_calls_each_is_decided_in_its_turn(app: TestApp) {
        let shop = app.open_shop().await;
        let items: Vec<Value> = [3, 3, 2, 0].into_iter().map(|amount| shop.usage(amount)).collect();
        let answer = shop.signs(app.post("/v1/usage/consume_batch")).json(&json!({"items": items})).send().await.expect(200);
        let statuses: Vec<i64> = answer["items"].as_array().unwrap().iter().map(|item| item["status"].as_i64().unwrap()).collect();
        assert_eq!(statuses, [200, 429, 200, 422]);
        assert_eq!(answer["items"][1]["problem"]["code"], "quota_exceeded");
        assert_eq!(answer["items"][2]["usage"]["remaining"], 0);
        let empty = shop.signs(app.post("/v1/usage/consume_batch")).json(&json!({"items": []})).send().await;
        empty.refused(422, "validation_failed");
    }

    async fn a_correction_is_an_event_below_zero(app: TestApp) {
        let shop = app.open_shop().await;
        let made = shop.signs(app.post("/v1/usage/consume")).json(&shop.usage(4)).send().await.expect(200);
        let part = correct(app, &shop, &made["event"], json!({"amount": 1, "idempotency_key": "c-1"})).await.expect(201);
        assert_eq!((&part["left"], &part["used"], &part["remaining"]), (&json!(3), &json!(3), &json!(2)));
        let again = correct(app, &shop, &made["event"], json!({"amount": 1, "idempotency_key": "c-1"})).await.expect(201);
        assert_eq!(again, part);
        let more = correct(app, &shop, &made["event"], json!({"amount": 4})).await;
        assert_eq!(more.refused(422, "validation_failed")["errors"][0]["field"], "amount");
        assert_eq!(correct(app, &shop, &made["event"], json!({})).await.expect(201)["used"], 0);
        correct(app, &shop, &made["event"], json!({})).await.refused(409, "conflict");
        correct(app, &shop, &part["event"], json!({})).await.refused(409, "conflict");
        let events = shop.signs(app.get("/v1/usage/events")).send().await.expect(200);
        let amounts: Vec<i64> = events["data"].as_array().unwrap().iter().map(|event| event["amount"].as_i64().unwrap()).collect();
        assert_eq!(amounts, [-3, -1, 4]);
        assert_eq!(events["data"][1]["corrects"], made["event"]);
        let stranger = app.open_shop().await;
        correct(app, &stranger, &made["event"], json!({})).await.refused(404, "not_found");
    }

    async fn distinct_members_are_counted_exactly(app: TestApp) {
        let shop = app.open_shop().await;
        let seats = json!({"key": "seats", "name": "Seats", "kind": "metered", "meter": {"aggregation": "unique", "period": "month"}});
        shop.signs(app.post("/v1/features")).json(&seats).send().await.expect(201);
        let given = json!({"customer": shop.customer, "feature": "seats", "granted": true, "limit": 2, "reason": "test"});
        shop.signs(app.post("/v1/overrides")).json(&given).send().await.expect(201);
        let seat = |member: &str| json!({"customer": shop.customer, "feature": "seats", "member": member});
        for (member, expected) in [("ada", 1), ("grace", 2), ("ada", 2)] {
            let answer = shop.signs(app.post("/v1/usage/consume")).json(&seat(member)).send().await.expect(200);
            assert_eq!(answer["used"], expected, "{member}");
        }
        shop.signs(app.post("/v1/usage/consume")).json(&seat("alan")).send().await.refused(429, "quota_exceeded");
        let nobody = json!({"customer": shop.customer, "feature": "seats"});
        let refusal = shop.signs(app.post("/v1/usage/consume")).json(&nobody).send().await;
        assert_eq!(refusal.refused(422, "validation_failed")["errors"][0]["field"], "member");
    }
}
