//! Consume and check: exact, all or nothing, safe to repeat.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Backend, Example, TestApp, TestShop, run};

pub const EXAMPLES: &[Example] = &[
    example!("POST /v1/usage/consume", |world| {"customer": (world.shop.customer), "feature": "calls"}),
    example!("POST /v1/usage/check", |world| {"customer": (world.shop.customer), "feature": "calls"}),
    example!("GET /v1/usage/events"),
    example!("GET /v1/usage/history", ?"feature=calls&from=2026-01-01T00:00:00Z&to=2026-01-03T00:00:00Z"),
];

async fn consume(app: &TestApp, shop: &TestShop, amount: i64) -> Answer {
    shop.signs(app.post("/v1/usage/consume"))
        .json(&shop.usage(amount))
        .send()
        .await
}

async fn check(app: &TestApp, shop: &TestShop, amount: i64) -> Value {
    shop.signs(app.post("/v1/usage/check"))
        .json(&shop.usage(amount))
        .send()
        .await
        .expect(200)
}

async fn subscribe(app: &TestApp, shop: &TestShop, plan: &str) {
    let body = json!({"customer": shop.customer, "plan": plan});
    shop.signs(app.post("/v1/subscriptions"))
        .json(&body)
        .send()
        .await
        .expect(201);
}

both_databases! {
    async fn calls_are_counted_to_the_limit_and_not_beyond(app: TestApp) {
        let shop = app.open_shop().await;
        let first = consume(app, &shop, 3).await;
        assert_eq!(first.header("ratelimit-policy"), Some("\"calls\";q=5"));
        assert!(first.header("ratelimit").unwrap().starts_with("\"calls\";r=2;t="));
        let first = first.expect(200);
        assert_eq!(first["allowed"], true);
        assert_eq!((&first["used"], &first["limit"], &first["remaining"]), (&json!(3), &json!(5), &json!(2)));
        assert!(first["event"].as_str().unwrap().starts_with("uev_"));

        let refusal = consume(app, &shop, 3).await.refused(429, "quota_exceeded");
        assert_eq!((&refusal["used"], &refusal["remaining"], &refusal["feature"]), (&json!(3), &json!(2), &json!("calls")));
        assert!(refusal["retry_after_secs"].as_u64().unwrap() > 0);

        // What does not fit leaves what does.
        assert_eq!(consume(app, &shop, 2).await.expect(200)["remaining"], 0);
        consume(app, &shop, 1).await.refused(429, "quota_exceeded");
    }

    async fn a_check_says_what_a_consume_would_and_records_nothing(app: TestApp) {
        let shop = app.open_shop().await;
        assert_eq!(check(app, &shop, 5).await["allowed"], true);
        let answer = check(app, &shop, 6).await;
        assert_eq!((&answer["allowed"], &answer["code"]), (&json!(false), &json!("quota_exceeded")));
        assert_eq!(check(app, &shop, 5).await["used"], 0);
    }

    async fn a_key_is_answered_once_and_replayed(app: TestApp) {
        let shop = app.open_shop().await;
        let mut body = shop.usage(2);
        body["idempotency_key"] = json!("order-1");
        let first = shop.signs(app.post("/v1/usage/consume")).json(&body).send().await;
        assert_eq!(first.header("idempotent-replayed"), None);
        let again = shop.signs(app.post("/v1/usage/consume")).json(&body).send().await;
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        let first = first.expect(200);
        assert_eq!(first, again.expect(200));
        assert_eq!(check(app, &shop, 1).await["used"], 2);

        // The header is the same key; another body under it is refused.
        let header = shop.signs(app.post("/v1/usage/consume")).header("idempotency-key", "order-1");
        assert_eq!(header.json(&shop.usage(2)).send().await.expect(200), first);
        body["amount"] = json!(1);
        let other = shop.signs(app.post("/v1/usage/consume")).json(&body).send().await;
        other.refused(422, "idempotency_key_reused");
    }

    async fn a_refusal_is_decided_anew(app: TestApp) {
        let shop = app.open_shop().await;
        let mut body = shop.usage(6);
        body["idempotency_key"] = json!("big");
        shop.signs(app.post("/v1/usage/consume")).json(&body).send().await.refused(429, "quota_exceeded");
        subscribe(app, &shop, "paid").await;
        let granted = shop.signs(app.post("/v1/usage/consume")).json(&body).send().await.expect(200);
        assert_eq!(granted["limit"], 500);
    }

    async fn two_hundred_callers_get_exactly_what_there_is(app: TestApp) {
        let shop = app.open_shop().await;
        let body = json!({"customer": shop.customer, "feature": "calls", "granted": true, "limit": 100, "reason": "race"});
        shop.signs(app.post("/v1/overrides")).json(&body).send().await.expect(201);
        let answers = join_all((0..200).map(|_| consume(app, &shop, 1))).await;
        let granted = answers.iter().filter(|answer| answer.status == 200).count();
        let refused = answers.iter().filter(|answer| answer.status == 429).count();
        assert_eq!((granted, refused), (100, 100));
        assert_eq!(check(app, &shop, 1).await["used"], 100);
    }

    async fn a_burst_under_one_key_counts_once(app: TestApp) {
        let shop = app.open_shop().await;
        let mut body = shop.usage(1);
        body["idempotency_key"] = json!("burst");
        let calls = (0..20).map(|_| shop.signs(app.post("/v1/usage/consume")).json(&body).send());
        let answers: Vec<Value> = join_all(calls).await.into_iter().map(|answer| answer.expect(200)).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        assert_eq!(check(app, &shop, 1).await["used"], 1);
    }

    async fn the_period_starts_again(app: TestApp) {
        let shop = app.open_shop().await;
        consume(app, &shop, 5).await.expect(200);
        consume(app, &shop, 1).await.refused(429, "quota_exceeded");
        app.advance(Duration::from_secs(32 * 86_400));
        assert_eq!(consume(app, &shop, 1).await.expect(200)["used"], 1);
    }

    async fn another_plan_in_the_middle_of_a_period_keeps_what_was_used(app: TestApp) {
        let shop = app.open_shop().await;
        let before = consume(app, &shop, 5).await.expect(200);
        consume(app, &shop, 1).await.refused(429, "quota_exceeded");
        subscribe(app, &shop, "paid").await;
        let larger = consume(app, &shop, 10).await.expect(200);
        assert_eq!((&larger["used"], &larger["limit"]), (&json!(15), &json!(500)));
        assert_eq!(larger["reset_at"], before["reset_at"], "the period is the same");
        // Back to less than was used: nothing more until it starts again.
        subscribe(app, &shop, "free").await;
        let refusal = consume(app, &shop, 1).await.refused(429, "quota_exceeded");
        assert_eq!((&refusal["used"], &refusal["limit"], &refusal["remaining"]), (&json!(15), &json!(5), &json!(0)));
        app.advance(Duration::from_secs(32 * 86_400));
        assert_eq!(consume(app, &shop, 5).await.expect(200)["remaining"], 0);
    }

    async fn end_users_are_counted_apart_within_their_customer(app: TestApp) {
        let shop = app.open_shop().await;
        for person in ["ada", "grace", "ada"] {
            let mut body = shop.usage(1);
            body["end_user"] = json!(person);
            shop.signs(app.post("/v1/usage/consume")).json(&body).send().await.expect(200);
        }
        assert_eq!(check(app, &shop, 1).await["used"], 3);
        let page = shop.signs(app.get("/v1/usage/events?limit=2")).send().await.expect(200);
        assert_eq!(page["data"].as_array().unwrap().len(), 2);
        let next = format!("/v1/usage/events?limit=2&cursor={}", page["next_cursor"].as_str().unwrap());
        let rest = shop.signs(app.get(&next)).send().await.expect(200);
        assert_eq!(rest["data"].as_array().unwrap().len(), 1);
        assert_eq!(rest["next_cursor"], Value::Null);
        assert!(page["data"][0]["end_user"].as_str().unwrap().starts_with("eus_"));
    }

    async fn the_history_adds_up(app: TestApp) {
        let shop = app.open_shop().await;
        subscribe(app, &shop, "paid").await;
        for amount in [1, 2, 4] {
            consume(app, &shop, amount).await.expect(200);
        }
        let now = app.app.now();
        let (from, to) = (now - Duration::from_secs(6 * 86_400), now + Duration::from_secs(1));
        let path = format!("/v1/usage/history?feature=calls&from={from}&to={to}&granularity=day");
        let history = shop.signs(app.get(&path)).send().await.expect(200);
        let points = history["points"].as_array().unwrap();
        assert_eq!(points.len(), 7);
        assert_eq!((&points[6]["amount"], &points[6]["events"]), (&json!(7), &json!(3)));
        assert_eq!(points[0]["amount"], 0);
    }

    async fn tidying_leaves_what_is_new(app: TestApp) {
        let shop = app.open_shop().await;
        let mut body = shop.usage(1);
        body["idempotency_key"] = json!("once");
        let call = || shop.signs(app.post("/v1/usage/consume")).json(&body).send();
        call().await.expect(200);
        ::commerce::usage::tidy(&app.app).await.unwrap();
        assert_eq!(call().await.header("idempotent-replayed"), Some("true"));
    }

    async fn bad_input_names_the_field(app: TestApp) {
        let shop = app.open_shop().await;
        let cases = [
            (json!({"customer": "acme", "feature": "calls", "amount": 0}), "amount"),
            (json!({"customer": "acme", "feature": "calls", "amount": -1}), "amount"),
            (json!({"customer": "acme", "feature": "calls", "amount": "0.5"}), "amount"),
            (json!({"customer": "acme", "feature": "calls", "amount": "9999999999999999999999"}), "amount"),
            (json!({"customer": "acme", "feature": "calls", "amount": []}), "amount"),
            (json!({"customer": "acme", "feature": "", "amount": 1}), "feature"),
            (json!({"customer": "", "feature": "calls"}), "customer"),
            (json!(["acme", null, "calls"]), "body"),
            (json!({"customer": "acme", "feature": "calls", "idempotency_key": ""}), "idempotency_key"),
            (json!({"customer": "acme", "feature": "calls", "colour": 1}), "colour"),
        ];
        for (body, field) in cases {
            let answer = shop.signs(app.post("/v1/usage/consume")).json(&body).send().await;
            let problem = answer.refused(422, "validation_failed");
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        }
        let broken = shop.signs(app.post("/v1/usage/consume")).raw("application/json", "{\"customer\":");
        broken.send().await.refused(400, "malformed_request");
        let text = shop.signs(app.post("/v1/usage/consume")).raw("text/plain", "{}");
        text.send().await.refused(415, "unsupported_media_type");
        let huge = shop.signs(app.post("/v1/usage/consume")).raw("application/json", vec![b' '; 2 << 20]);
        huge.send().await.refused(413, "payload_too_large");
        assert_eq!(check(app, &shop, 1).await["used"], 0, "nothing was half written");
    }

    async fn what_does_not_exist_is_not_found(app: TestApp) {
        let (shop, other) = (app.open_shop().await, app.open_shop().await);
        for (customer, feature) in [("nobody", "calls"), ("acme", "nothing")] {
            let body = json!({"customer": customer, "feature": feature});
            shop.signs(app.post("/v1/usage/consume")).json(&body).send().await.refused(404, "not_found");
        }
        // Another workspace's customer does not exist here.
        let body = json!({"customer": other.customer, "feature": "calls"});
        shop.signs(app.post("/v1/usage/consume")).json(&body).send().await.refused(404, "not_found");
        assert_eq!(check(app, &other, 1).await["used"], 0);
    }

    async fn an_archived_customer_can_use_nothing(app: TestApp) {
        let shop = app.open_shop().await;
        let path = format!("/v1/customers/{}/archive", shop.customer);
        shop.signs(app.post(&path)).send().await.expect(200);
        consume(app, &shop, 1).await.refused(422, "customer_archived");
    }

    async fn live_calls_use_up_the_workspaces_own_plan(app: TestApp) {
        let owner = app.sign_up().await;
        app.run_jobs(owner.workspace).await;
        let shop = app.open_shop_of(owner, "live").await;
        subscribe(app, &shop, "paid").await;
        // The catalogue's free plan: five live calls a month, whatever amount each is of.
        for _ in 0..5 {
            consume(app, &shop, 10).await.expect(200);
        }
        let refusal = consume(app, &shop, 1).await.refused(402, "plan_limit_reached");
        assert_eq!((&refusal["feature"], &refusal["limit"]), (&json!("commerce.calls"), &json!(5)));
        // The customer was not charged for the call that was refused.
        let events = shop.signs(app.get("/v1/usage/events")).send().await.expect(200);
        assert_eq!(events["data"].as_array().unwrap().len(), 5);
    }

    async fn a_workspace_that_is_being_set_up_keeps_no_other_waiting(app: TestApp) {
        let shop = app.open_shop().await;
        // Nobody has run the job that makes this one a customer of platform zero.
        let owner = app.sign_up().await;
        let new = app.open_shop_of(owner, "live").await;
        let both = (0..20).map(|_| futures_util::future::join(consume(app, &new, 1), consume(app, &shop, 1)));
        for (unready, ready) in join_all(both).await {
            unready.refused(503, "unavailable");
            assert!(matches!(ready.status.as_u16(), 200 | 429), "{}", ready.text());
        }
        assert_eq!(check(app, &shop, 1).await["used"], 5);
    }

    async fn a_test_key_reaches_no_live_data(app: TestApp) {
        let shop = app.open_shop().await;
        let live = shop.signs(app.post("/v1/usage/consume")).header("plinth-mode", "live");
        live.json(&shop.usage(1)).send().await.refused(403, "wrong_mode");
    }

    async fn thresholds_are_told_once(app: TestApp) {
        let shop = app.open_shop().await;
        let body = json!({"customer": shop.customer, "feature": "calls", "granted": true, "limit": 10,
            "thresholds": [80, 100], "reason": "warn"});
        shop.signs(app.post("/v1/overrides")).json(&body).send().await.expect(201);
        let reached: Vec<Value> = [
            consume(app, &shop, 7).await,
            consume(app, &shop, 1).await,
            consume(app, &shop, 1).await,
            consume(app, &shop, 1).await,
        ]
        .into_iter()
        .map(|answer| answer.expect(200)["thresholds_reached"].clone())
        .collect();
        assert_eq!(reached, [json!([]), json!([80]), json!([]), json!([100])]);
    }
}

#[test]
fn keys_are_kept_for_thirty_two_days() {
    // On a database of its own, whose clock is nobody else's.
    run(Backend::Sqlite, async |app: &TestApp| {
        let shop = app.open_shop().await;
        let mut body = shop.usage(1);
        body["idempotency_key"] = json!("once");
        let call = || shop.signs(app.post("/v1/usage/consume")).json(&body).send();
        call().await.expect(200);
        app.advance(Duration::from_secs(31 * 24 * 60 * 60));
        ::commerce::usage::tidy(&app.app).await.unwrap();
        assert_eq!(call().await.header("idempotent-replayed"), Some("true"));
        app.advance(Duration::from_secs(2 * 24 * 60 * 60));
        assert!(::commerce::usage::tidy(&app.app).await.unwrap() > 0);
        assert_eq!(call().await.header("idempotent-replayed"), None);
    });
}

#[test]
fn two_nodes_count_a_key_once_and_answer_it_alike() {
    run(Backend::Postgres, async |app: &TestApp| {
        let other = TestApp::start(Backend::Postgres).await;
        let shop = app.open_shop().await;
        subscribe(app, &shop, "paid").await;
        let globex = TestShop {
            customer: app.new_customer(&shop.key, "globex").await,
            ..shop.clone()
        };
        subscribe(app, &globex, "paid").await;
        for n in 0..50 {
            let mut body = shop.usage(1);
            body["idempotency_key"] = json!(format!("key-{n}"));
            let mut different = body.clone();
            // Half of the rounds: another customer, so that no counter makes the nodes take turns.
            if n % 2 == 1 {
                different["customer"] = json!(globex.customer);
            }
            let ask = |app, body: &Value| shop.signs(TestApp::post(app, "/v1/usage/consume")).json(body);
            let (one, two) =
                futures_util::future::join(ask(app, &body).send(), ask(&other, &different).send()).await;
            if n % 2 == 0 {
                assert_eq!(one.expect(200), two.expect(200));
            } else {
                let mut statuses = [one.status.as_u16(), two.status.as_u16()];
                statuses.sort_unstable();
                assert_eq!(statuses, [200, 422], "{} {}", one.text(), two.text());
            }
        }
        let events = shop
            .signs(app.get("/v1/usage/events?limit=200"))
            .send()
            .await
            .expect(200);
        assert_eq!(events["data"].as_array().unwrap().len(), 50);
        other.stop().await;
    });
}
