//! Usage by window, customer and dimensions: what is told is what was counted, exactly.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use types::Timestamp;

use crate::harness::{Answer, Example, TestApp, TestShop};

pub const EXAMPLES: &[Example] = &[
    example!("GET /v1/usage/query", ?"feature=calls&from=2026-01-01T00:00:00Z&to=2026-01-03T00:00:00Z&group_by=customer"),
];

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Makes a metered feature with two dimensions that `acme` may use without limit.
async fn meter(app: &TestApp, shop: &TestShop, key: &str, meter: Value) {
    let feature = json!({"key": key, "name": key, "kind": "metered", "meter": meter, "dimensions": ["model", "region"]});
    shop.signs(app.post("/v1/features"))
        .json(&feature)
        .send()
        .await
        .expect(201);
    unlimited(app, shop, "acme", key).await;
}

async fn unlimited(app: &TestApp, shop: &TestShop, customer: &str, feature: &str) {
    let body =
        json!({"customer": customer, "feature": feature, "granted": true, "limit": null, "reason": "test"});
    shop.signs(app.post("/v1/overrides"))
        .json(&body)
        .send()
        .await
        .expect(201);
}

async fn try_consume(app: &TestApp, shop: &TestShop, body: Value) -> Answer {
    shop.signs(app.post("/v1/usage/consume")).json(&body).send().await
}

async fn consume(app: &TestApp, shop: &TestShop, body: Value) -> Value {
    try_consume(app, shop, body).await.expect(200)
}

async fn ask(app: &TestApp, shop: &TestShop, query: &str) -> Answer {
    shop.signs(app.get(&format!("/v1/usage/query?{query}")))
        .send()
        .await
}

/// `from` and `to` around everything that the test has done since `first`.
fn around(app: &TestApp, first: Timestamp) -> String {
    format!("from={first}&to={}", app.app.now() + Duration::from_secs(1))
}

/// Moves the clock to the beginning of the next day in UTC.
fn next_day(app: &TestApp) -> Timestamp {
    let into = Duration::from_micros(
        app.app
            .now()
            .as_micros()
            .rem_euclid(86_400_000_000)
            .unsigned_abs(),
    );
    app.advance(DAY - into);
    app.app.now()
}

fn amounts(points: &Value) -> Vec<i64> {
    let points = points.as_array().unwrap().iter();
    points.map(|point| point["amount"].as_i64().unwrap()).collect()
}

both_databases! {
    async fn windows_of_every_granularity_tell_the_same_usage(app: TestApp) {
        let shop = app.open_shop().await;
        meter(app, &shop, "tokens", json!({"aggregation": "sum", "period": "never"})).await;
        let first = next_day(app);
        for (pause, amount) in [(Duration::ZERO, 1), (HOUR, 2), (25 * HOUR, 4), (8 * DAY, 8), (20 * DAY, 16)] {
            app.advance(pause);
            consume(app, &shop, json!({"customer": "acme", "feature": "tokens", "amount": amount})).await;
        }
        let around = around(app, first);
        for granularity in ["hour", "day", "week", "month", "total"] {
            let report = ask(app, &shop, &format!("feature=tokens&granularity={granularity}&{around}")).await.expect(200);
            let group = &report["groups"][0];
            assert_eq!((&group["amount"], &group["events"]), (&json!(31), &json!(5)), "{report}");
            let amounts = amounts(&group["points"]);
            assert_eq!(amounts.iter().sum::<i64>(), 31, "{report}");
            match granularity {
                "hour" => assert_eq!((amounts.len(), &amounts[..3]), (29 * 24 + 3, &[1, 2, 0][..])),
                "day" => assert_eq!((amounts.len(), &amounts[..3]), (30, &[3, 4, 0][..])),
                "week" => assert!((5..=6).contains(&amounts.len())),
                "month" => assert!(group["points"][1]["start"].as_str().unwrap().ends_with("-01T00:00:00.000000Z")),
                _ => assert_eq!(amounts, [31]),
            }
        }
        // Another customer's usage is not theirs.
        let nobody = app.new_customer(&shop.key, "nobody").await;
        let report = ask(app, &shop, &format!("feature=tokens&customer={nobody}&granularity=total&{around}")).await.expect(200);
        assert_eq!(report["groups"][0]["amount"], 0);
    }

    async fn groups_are_told_with_the_greatest_first(app: TestApp) {
        let shop = app.open_shop().await;
        meter(app, &shop, "tokens", json!({"aggregation": "sum", "scale": 2, "period": "month"})).await;
        app.new_customer(&shop.key, "globex").await;
        unlimited(app, &shop, "globex", "tokens").await;
        let first = next_day(app);
        for (customer, amount, dimensions) in [
            ("acme", "1.25", json!({"model": "small", "region": "eu"})),
            ("acme", "2.5", json!({"model": "large"})),
            ("globex", "4", json!({"model": "small", "region": "us"})),
            ("globex", "0.5", json!({})),
        ] {
            let body = json!({"customer": customer, "feature": "tokens", "amount": amount, "dimensions": dimensions});
            consume(app, &shop, body).await;
            app.advance(DAY);
        }
        let query = format!("feature=tokens&{}", around(app, first));
        let told = async |more: &str| {
            let report = ask(app, &shop, &format!("{query}&{more}")).await.expect(200);
            let groups = report["groups"].as_array().unwrap().iter();
            let groups: Vec<Value> = groups
                .map(|group| {
                    let points = group["points"].as_array().unwrap();
                    json!([group["dimensions"], group["amount"], points.len()])
                })
                .collect();
            (Value::from(groups), report)
        };

        let (groups, report) = told("group_by=model").await;
        let expected = json!([
            [{"model": "small"}, "5.25", 2],
            [{"model": "large"}, "2.5", 1],
            [{"model": null}, "0.5", 1],
        ]);
        assert_eq!(groups, expected);
        assert_eq!((&report["is_cut"], &report["group_by"]), (&json!(false), &json!(["model"])));
        // Without windows there is one point a group, and the same groups.
        let (groups, _) = told("group_by=model&granularity=total").await;
        assert_eq!((groups[0][1].as_str(), &groups[0][2]), (Some("5.25"), &json!(1)));

        let (groups, report) = told("group_by=customer,region").await;
        assert_eq!(groups[0], json!([{"region": "us"}, "4", 1]));
        assert_eq!(groups.as_array().unwrap().len(), 4);
        assert_ne!(report["groups"][0]["customer"], json!(shop.customer));

        let (_, report) = told("group_by=customer&limit=1").await;
        assert_eq!((&report["groups"][0]["amount"], &report["is_cut"]), (&json!("4.5"), &json!(true)));
        let (_, report) = told("group_by=customer&limit=2").await;
        assert_eq!((&report["groups"][1]["customer"], &report["is_cut"]), (&json!(shop.customer), &json!(false)));
        assert_eq!(report["groups"][1]["amount"], "3.75");

        // One of the values of each name.
        let (_, report) = told("filter=model:small").await;
        assert_eq!(report["groups"][0]["amount"], "5.25");
        let (_, report) = told("filter=model:small&filter=model:large&filter=region:eu").await;
        assert_eq!(report["groups"][0]["amount"], "1.25");
        let (groups, _) = told("filter=model:small&group_by=customer&group_by=model").await;
        assert_eq!(groups, json!([[{"model": "small"}, "4", 1], [{"model": "small"}, "1.25", 1]]));
        let (groups, _) = told("filter=model:medium&group_by=model").await;
        assert_eq!(groups, json!([]));
    }

    async fn largest_and_latest_values_are_not_added(app: TestApp) {
        let shop = app.open_shop().await;
        meter(app, &shop, "seats", json!({"aggregation": "max", "period": "month"})).await;
        meter(app, &shop, "stored", json!({"aggregation": "last", "period": "month"})).await;
        meter(app, &shop, "people", json!({"aggregation": "unique", "period": "never"})).await;
        let first = next_day(app);
        for (amount, member, model) in [(5, "ada", "a"), (9, "bob", "b"), (7, "ada", "a"), (3, "eve", "b")] {
            for feature in ["seats", "stored"] {
                let dimensions = json!({"model": model});
                consume(app, &shop, json!({"customer": "acme", "feature": feature, "amount": amount, "dimensions": dimensions})).await;
            }
            consume(app, &shop, json!({"customer": "acme", "feature": "people", "member": member})).await;
            app.advance(12 * HOUR);
        }
        let around = around(app, first);
        for (feature, by_day, total, by_model) in [
            ("seats", [9, 7], 9, [("b", 9), ("a", 7)]),
            ("stored", [9, 3], 3, [("a", 7), ("b", 3)]),
            ("people", [2, 1], 3, [("", 0), ("", 0)]),
        ] {
            let report = ask(app, &shop, &format!("feature={feature}&{around}")).await.expect(200);
            let group = &report["groups"][0];
            assert_eq!((&group["amount"], &group["events"]), (&json!(total), &json!(4)), "{report}");
            assert_eq!(amounts(&group["points"])[..2], by_day, "{report}");
            let history = shop.signs(app.get(&format!("/v1/usage/history?feature={feature}&{around}"))).send().await.expect(200);
            assert_eq!(history["points"], group["points"]);
            if feature != "people" {
                let report = ask(app, &shop, &format!("feature={feature}&granularity=total&group_by=model&{around}")).await.expect(200);
                let groups = report["groups"].as_array().unwrap().iter();
                let told: Vec<(&str, i64)> = groups
                    .map(|group| (group["dimensions"]["model"].as_str().unwrap(), group["amount"].as_i64().unwrap()))
                    .collect();
                assert_eq!(told, by_model);
            }
        }
    }

    async fn sums_are_exact_beyond_sixty_four_bits(app: TestApp) {
        let shop = app.open_shop().await;
        meter(app, &shop, "bytes", json!({"aggregation": "sum", "period": "hour"})).await;
        let names = ["globex", "initech"];
        for name in names {
            app.new_customer(&shop.key, name).await;
            unlimited(app, &shop, name, "bytes").await;
        }
        let first = next_day(app);
        let most = i64::MAX.to_string();
        let spend = |customer: &'static str, amount: String| {
            try_consume(app, &shop, json!({"customer": customer, "feature": "bytes", "amount": amount}))
        };
        for answer in join_all(["acme", "globex", "initech"].map(|name| spend(name, most.clone()))).await {
            answer.expect(200);
        }
        let report = ask(app, &shop, &format!("feature=bytes&{}", around(app, first))).await.expect(200);
        assert_eq!(report["groups"][0]["amount"], "27670116110564327421");
        let path = format!("/v1/usage/history?feature=bytes&{}", around(app, first));
        let history = shop.signs(app.get(&path)).send().await.expect(200);
        assert_eq!(history["points"][0]["amount"], "27670116110564327421");

        // The next hour has a counter of its own, but the day cannot tell more of one customer: refused, and nothing counted.
        app.advance(HOUR);
        let refusal = spend("acme", "1".to_owned()).await.refused(422, "validation_failed");
        assert!(refusal["detail"].as_str().unwrap().contains("in one day"), "{refusal}");
        app.advance(DAY);
        spend("acme", most).await.expect(200);
        let report = ask(app, &shop, &format!("feature=bytes&group_by=customer&{}", around(app, first))).await.expect(200);
        assert_eq!(report["groups"][0]["amount"], "18446744073709551614");
        assert_eq!(report["groups"][0]["customer"], json!(shop.customer));
        assert_eq!(report["groups"].as_array().unwrap().len(), 3);
    }

    async fn one_end_users_usage_is_read_from_the_events(app: TestApp) {
        let shop = app.open_shop().await;
        meter(app, &shop, "tokens", json!({"aggregation": "sum", "period": "month"})).await;
        let first = next_day(app);
        let mut event = Value::Null;
        for (person, amount) in [("ada", 5), ("bob", 7), ("ada", 11)] {
            let body = json!({"customer": "acme", "feature": "tokens", "end_user": person, "amount": amount,
                "dimensions": {"model": person}});
            event = consume(app, &shop, body).await["event"].clone();
            app.advance(DAY);
        }
        let path = format!("/v1/usage/events/{}/corrections", event.as_str().unwrap());
        shop.signs(app.post(&path)).json(&json!({"amount": 1})).send().await.expect(201);
        let query = format!("feature=tokens&customer=acme&end_user=ada&{}", around(app, first));
        let report = ask(app, &shop, &query).await.expect(200);
        let group = &report["groups"][0];
        assert_eq!((&group["amount"], &group["events"]), (&json!(15), &json!(2)));
        assert_eq!(amounts(&group["points"]), [5, 0, 10, 0]);
        let report = ask(app, &shop, &format!("{query}&group_by=model")).await.expect(200);
        assert_eq!(report["groups"][0]["dimensions"], json!({"model": "ada"}));
        // The rollups tell the same of all end users together.
        let report = ask(app, &shop, &format!("feature=tokens&granularity=total&{}", around(app, first))).await.expect(200);
        assert_eq!((&report["groups"][0]["amount"], &report["groups"][0]["events"]), (&json!(22), &json!(3)));

        let unnamed = format!("feature=tokens&end_user=ada&{}", around(app, first));
        let problem = ask(app, &shop, &unnamed).await.refused(422, "validation_failed");
        assert_eq!(problem["errors"][0]["field"], "customer");
        let long = "feature=tokens&customer=acme&end_user=ada&from=2026-01-01T00:00:00Z&to=2026-02-02T00:00:00Z";
        ask(app, &shop, long).await.refused(422, "validation_failed");
        let stranger = format!("feature=tokens&customer=acme&end_user=eve&{}", around(app, first));
        ask(app, &shop, &stranger).await.refused(404, "not_found");
    }

    async fn a_spreadsheet_gets_lines_and_no_formulas(app: TestApp) {
        let shop = app.open_shop().await;
        meter(app, &shop, "tokens", json!({"aggregation": "sum", "scale": 1, "period": "month"})).await;
        let first = next_day(app);
        for (amount, model) in [("4.5", "=1+1"), ("2", "a,\"b\"")] {
            let body = json!({"customer": "acme", "feature": "tokens", "amount": amount, "dimensions": {"model": model}});
            consume(app, &shop, body).await;
        }
        let query = format!("/v1/usage/query?feature=tokens&group_by=customer&group_by=model&{}", around(app, first));
        let answer = shop.signs(app.get(&query)).header("accept", "text/csv").send().await;
        assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
        assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"usage-tokens.csv\""));
        let acme = shop.customer;
        let lines = format!(
            "start,customer,dimensions.model,amount,events\r\n{first},{acme},'=1+1,4.5,1\r\n{first},{acme},\"a,\"\"b\"\"\",2,1\r\n"
        );
        assert_eq!(answer.text(), lines);
        let asked = shop.signs(app.get(&format!("{query}&format=csv"))).header("accept", "application/json").send().await;
        assert_eq!(asked.text(), lines);
        let json = shop.signs(app.get(&query)).send().await;
        assert_eq!(json.header("vary"), Some("accept"));
        assert_eq!(json.expect(200)["groups"].as_array().unwrap().len(), 2);
        // A refusal is a problem in either form.
        let refused = shop.signs(app.get(&query.replace("tokens", "nothing"))).header("accept", "text/csv").send().await;
        refused.refused(404, "not_found");
    }

    async fn a_query_that_makes_no_sense_names_the_parameter(app: TestApp) {
        let shop = app.open_shop().await;
        meter(app, &shop, "tokens", json!({"aggregation": "sum", "period": "month"})).await;
        let day = "feature=tokens&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z";
        let cases = [
            (format!("{day}&group_by=colour"), "group_by"),
            (format!("{day}&group_by=model&group_by=model"), "group_by"),
            (format!("{day}&group_by="), "group_by"),
            (format!("{day}&group_by=customer,model,region,model"), "group_by"),
            (format!("{day}&filter=model"), "filter"),
            (format!("{day}&filter=colour:red"), "filter"),
            (format!("{day}&filter="), "filter"),
            (format!("{day}{}", "&filter=model:a".repeat(21)), "filter"),
            (format!("{day}&limit=0"), "limit"),
            (format!("{day}&limit=1001"), "limit"),
            (format!("{day}&limit=many"), "limit"),
            (format!("{day}&granularity=minute"), "granularity"),
            (format!("{day}&format=xml"), "format"),
            (format!("{day}&colour=red"), "colour"),
            (format!("{day}&from=2026-01-01T00:00:00Z"), "query"),
            ("feature=tokens&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z".to_owned(), "to"),
            ("feature=tokens&granularity=hour&from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z".to_owned(), "to"),
            ("feature=tokens&granularity=hour&group_by=model&limit=1000&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z".to_owned(), "limit"),
        ];
        for (query, field) in cases {
            let problem = ask(app, &shop, &query).await.refused(422, "validation_failed");
            assert_eq!(problem["errors"][0]["field"], field, "{query}: {problem}");
        }
        let feature = json!({"key": "sso", "name": "SSO", "kind": "boolean"});
        shop.signs(app.post("/v1/features")).json(&feature).send().await.expect(201);
        ask(app, &shop, &day.replace("tokens", "sso")).await.refused(422, "feature_not_metered");
        let stranger = app.open_shop().await;
        ask(app, &stranger, day).await.refused(404, "not_found");
    }
}
