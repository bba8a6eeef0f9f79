//! Events, counters, hours and days of usage agree; what does not is found, and written anew where that is possible.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::commerce::Shop;
use ::commerce::usage::{self, Repair, Verdict};
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use storage::{Value as Param, params};
use types::{Mode, Timestamp};

use crate::harness::{TestApp, TestShop};

const HOUR: Duration = Duration::from_secs(3_600);
const ALWAYS: (Timestamp, Timestamp) = (Timestamp::MIN, Timestamp::MAX);

/// Numbers that look random, and are the same in every run.
struct Dice(u64);

impl Dice {
    /// One of `0..sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len() as u64) as usize]
    }
}

const CUSTOMERS: [&str; 3] = ["acme", "globex", "initech"];
/// Each way of counting, and periods that end while the test runs.
const FEATURES: [(&str, &str, &str); 6] = [
    ("tokens", "sum", "month"),
    ("bursts", "sum", "hour"),
    ("visits", "count", "rolling"),
    ("seats", "max", "day"),
    ("stored", "last", "day"),
    ("people", "unique", "day"),
];

/// A shop that sells everything in [`FEATURES`] without limit to three customers.
async fn open(app: &TestApp) -> TestShop {
    let shop = app.open_shop().await;
    for name in &CUSTOMERS[1..] {
        app.new_customer(&shop.key, name).await;
    }
    for (key, aggregation, period) in FEATURES {
        let mut meter = json!({"aggregation": aggregation, "period": period});
        if period == "rolling" {
            meter["rolling_secs"] = json!(7_200);
        }
        let feature = json!({"key": key, "name": key, "kind": "metered", "meter": meter, "dimensions": ["model", "region"]});
        shop.signs(app.post("/v1/features"))
            .json(&feature)
            .send()
            .await
            .expect(201);
        for customer in CUSTOMERS {
            let body = json!({"customer": customer, "feature": key, "granted": true, "limit": null, "reason": "test"});
            shop.signs(app.post("/v1/overrides"))
                .json(&body)
                .send()
                .await
                .expect(201);
        }
    }
    shop
}

fn shop_of(shop: &TestShop) -> Shop {
    Shop {
        workspace: shop.owner.workspace,
        platform: shop.platform,
        mode: Mode::Test,
    }
}

fn some_use(dice: &mut Dice, feature: &str) -> Value {
    let mut body = json!({"customer": dice.pick(&CUSTOMERS), "feature": feature, "amount": 1 + dice.roll(9)});
    match dice.roll(3) {
        0 => body["dimensions"] = json!({"model": dice.pick(&["small", "large"])}),
        1 => body["dimensions"] = json!({"model": dice.pick(&["small", "large"]), "region": "eu"}),
        _ => {}
    }
    if dice.roll(3) == 0 || feature == "people" {
        body["end_user"] = json!(dice.pick(&["ada", "bob", "eve"]));
    }
    body
}

/// Uses, events that are told late, corrections and holds; hours pass.
async fn use_at_random(app: &TestApp, shop: &TestShop, dice: &mut Dice, steps: usize) {
    let post = async |path: &str, body: &Value| shop.signs(app.post(path)).json(body).send().await;
    let mut events: Vec<String> = Vec::new();
    for step in 0..steps {
        let (feature, aggregation, _) = FEATURES[dice.roll(FEATURES.len() as u64) as usize];
        let adds_up = matches!(aggregation, "sum" | "count");
        let body = some_use(dice, feature);
        match dice.roll(8) {
            0 if adds_up => {
                let hold = post("/v1/usage/holds", &body).await.expect(201)["hold"]["id"].clone();
                let path = format!("/v1/usage/holds/{}/settle", hold.as_str().unwrap());
                app.advance(HOUR / 2);
                post(&path, &json!({"amount": 1, "close": false}))
                    .await
                    .expect(200);
                if dice.roll(2) == 0 {
                    post(&path, &json!({"amount": 1 + dice.roll(12)}))
                        .await
                        .expect(200);
                }
            }
            1 if !events.is_empty() => {
                let event = &events[dice.roll(events.len() as u64) as usize];
                let path = format!("/v1/usage/events/{event}/corrections");
                let answer = post(&path, &json!({"amount": 1})).await;
                // Nothing may be left of it.
                assert!(matches!(answer.status.as_u16(), 201 | 422), "{}", answer.text());
            }
            2 => {
                let mut data = body["dimensions"].as_object().cloned().unwrap_or_default();
                data.insert("amount".to_owned(), body["amount"].clone());
                data.extend(
                    body.get("end_user")
                        .map(|person| ("end_user".to_owned(), person.clone())),
                );
                let late = Duration::from_secs(dice.roll(2 * 86_400));
                let event = json!({"specversion": "1.0", "id": step.to_string(), "source": "/test", "type": feature,
                    "subject": body["customer"], "time": app.app.now() - late, "data": data});
                post("/v1/events", &event).await.expect(200);
            }
            3 => app.advance(HOUR * (dice.roll(5) as u32)),
            _ => {
                let answer = post("/v1/usage/consume", &body).await.expect(200);
                if adds_up {
                    events.push(answer["event"].as_str().unwrap().to_owned());
                }
            }
        }
    }
}

/// Runs a statement whose first three parameters are the shop.
async fn tamper(app: &TestApp, shop: &TestShop, sql: &'static str, more: &[Param]) -> u64 {
    let mut params = params![shop.owner.workspace, shop.platform, Mode::Test];
    params.extend(more.iter().cloned());
    let params = &params;
    app.app
        .db()
        .of(app.system())
        .write_locked(|mut tx| async move { tx.execute(sql, params.clone()).await })
        .await
        .unwrap()
}

const REBUILDS: &str = "SELECT COUNT(*) AS n FROM audit_entries
    WHERE workspace_id = $1 AND action = 'usage.rebuild' AND actor_kind = 'operator'";

/// Entries in the audit log: there is nobody left who is signed in, weeks later.
async fn rebuilds_by_the_operator(app: &TestApp, shop: &TestShop) -> i64 {
    let workspace = shop.owner.workspace;
    app.app
        .db()
        .of(app.system())
        .read(|mut tx| async move { tx.fetch_one(REBUILDS, params![workspace]).await?.get("n") })
        .await
        .unwrap()
}

async fn verify(app: &TestApp, shop: &TestShop, repair: Repair) -> Verdict {
    usage::verify_shop(&app.app, shop_of(shop), repair).await.unwrap()
}

/// Whether everything agrees, and there is something to agree.
#[track_caller]
fn assert_sound(verdict: &Verdict) {
    assert_eq!(
        (verdict.found, verdict.is_sound()),
        (0, true),
        "{:#?}",
        verdict.differences
    );
    assert!(
        verdict.events > 0 && verdict.counters > 0 && verdict.rollups > 0,
        "{verdict:?}"
    );
}

const ONE_HOUR_MORE: &str = "UPDATE usage_hours SET amount = amount + 5 WHERE workspace_id = $1 AND platform_id = $2
    AND mode = $3 AND (feature_id, customer_id, hour_at, dimensions) IN (SELECT feature_id, customer_id, hour_at, dimensions
        FROM usage_hours WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 ORDER BY hour_at, feature_id,
        customer_id, dimensions LIMIT 1)";
const ONE_DAY_LESS: &str = "DELETE FROM usage_days WHERE workspace_id = $1 AND platform_id = $2
    AND mode = $3 AND (feature_id, customer_id, day_at, dimensions) IN (SELECT feature_id, customer_id, day_at, dimensions
        FROM usage_days WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 ORDER BY day_at, feature_id,
        customer_id, dimensions LIMIT 1)";
const ONE_HOUR_OF_NOTHING: &str =
    "INSERT INTO usage_hours SELECT workspace_id, platform_id, mode, feature_id, customer_id,
        hour_at, '{\"model\":\"ghost\"}', 3, 1, 3, 3, hour_at, latest_event
    FROM usage_hours WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3
    ORDER BY hour_at DESC, feature_id, customer_id, dimensions LIMIT 1";
const ONE_COUNTER_MORE: &str =
    "UPDATE counters SET used = used + 1 WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3
    AND subject_kind = 'customer' AND subject_id = $4 AND feature_id IN (SELECT feature_id FROM features
        WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND feature_key = 'tokens')";
const EVERYTHING_FORGOTTEN: &str = "UPDATE usage_hours SET amount = 0, events = 0, highest = 0
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3";

both_databases! {
    async fn whatever_is_done_adds_up(app: TestApp) {
        let shop = open(app).await;
        for seed in 1..=3 {
            use_at_random(app, &shop, &mut Dice(seed), 60).await;
            assert_sound(&verify(app, &shop, Repair::No).await);
        }
        // Folding all of it anew comes to the same.
        let rebuilt = usage::rebuild_rollups(&app.app, shop_of(&shop), ALWAYS).await.unwrap();
        assert_eq!((rebuilt.found, rebuilt.repaired), (0, 0));
    }

    async fn what_was_tampered_with_is_named_and_folded_anew(app: TestApp) {
        let shop = open(app).await;
        use_at_random(app, &shop, &mut Dice(7), 60).await;
        shop.signs(app.post("/v1/usage/consume")).json(&json!({"customer": "acme", "feature": "tokens"})).send().await.expect(200);
        let day = "feature=tokens&granularity=total&group_by=customer";
        let (from, to) = (app.app.now() - 90 * 24 * HOUR, app.app.now() + HOUR);
        let ask = async || {
            let path = format!("/v1/usage/query?{day}&from={from}&to={to}");
            shop.signs(app.get(&path)).send().await.expect(200)
        };
        let before = ask().await;

        for sql in [ONE_HOUR_MORE, ONE_DAY_LESS, ONE_HOUR_OF_NOTHING] {
            assert_eq!(tamper(app, &shop, sql, &[]).await, 1);
        }
        let verdict = verify(app, &shop, Repair::No).await;
        assert_eq!((verdict.found, verdict.is_sound()), (3, false), "{:#?}", verdict.differences);
        let told: Vec<String> = verdict.differences.iter().map(ToString::to_string).collect();
        for (table, what) in [("usage_hours of", "model\":\"ghost\"}: 3 in 1 events"), ("usage_days of", ": nothing stored, ")] {
            assert!(told.iter().any(|line| line.starts_with(table) && line.contains(what)), "{told:#?}");
        }
        assert!(told.iter().all(|line| line.contains(&shop.platform.to_string())), "{told:#?}");

        let repaired = verify(app, &shop, Repair::Yes).await;
        assert_eq!((repaired.found, repaired.repaired, repaired.is_sound()), (3, 3, true));
        assert_sound(&verify(app, &shop, Repair::No).await);
        assert_eq!(ask().await, before);
        assert!(rebuilds_by_the_operator(app, &shop).await > 0);

        // A counter decides what may be used: it is told, and left to somebody who knows.
        let acme: Param = shop.customer.into();
        assert_eq!(tamper(app, &shop, ONE_COUNTER_MORE, &[acme]).await, 1);
        let verdict = verify(app, &shop, Repair::Yes).await;
        assert_eq!((verdict.found, verdict.repaired, verdict.is_sound()), (1, 0, false));
        let line = verdict.differences[0].to_string();
        assert!(line.starts_with("counters of") && line.contains(&shop.customer.to_string()), "{line}");
    }

    async fn nothing_is_lost_while_rollups_are_folded_anew(app: TestApp) {
        let shop = app.open_shop().await;
        let unlimited = json!({"customer": "acme", "feature": "calls", "granted": true, "limit": null, "reason": "test"});
        shop.signs(app.post("/v1/overrides")).json(&unlimited).send().await.expect(201);
        let consume = async || shop.signs(app.post("/v1/usage/consume")).json(&shop.usage(1)).send().await.expect(200);
        consume().await;
        let is_over = &AtomicBool::new(false);
        let uses = async {
            let mut count = 1;
            while !is_over.load(Ordering::Relaxed) {
                join_all((0..4).map(|_| consume())).await;
                count += 4;
            }
            count
        };
        let rebuilds = async {
            for _ in 0..40 {
                assert!(tamper(app, &shop, EVERYTHING_FORGOTTEN, &[]).await > 0);
                let rebuilt = usage::rebuild_rollups(&app.app, shop_of(&shop), ALWAYS).await.unwrap();
                assert!(rebuilt.is_sound() && rebuilt.found > 0);
                assert_sound(&verify(app, &shop, Repair::No).await);
            }
            is_over.store(true, Ordering::Relaxed);
        };
        let (count, ()) = join(uses, rebuilds).await;
        let verdict = verify(app, &shop, Repair::No).await;
        assert_sound(&verdict);
        assert_eq!(verdict.events, count);
    }
}
