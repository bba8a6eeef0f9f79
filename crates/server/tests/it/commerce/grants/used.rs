//! How grants are used: what the group commit of usage finds, locks and writes, and who pays for a call.

use std::time::Duration;

use ::commerce::{Shop, grants};
use futures_util::future::join_all;
use serde_json::{Value, json};
use types::id::{CustomerId, FeatureId, GrantId};

use super::{DAY, Locked, get, give, grant_id, key, list, locked, take, take_all, usage, void};
use crate::harness::{Answer, Backend, TestApp, TestShop, run};

async fn live(app: &TestApp, shop: &TestShop) -> Vec<(Shop, CustomerId, FeatureId, GrantId)> {
    let (wanted, now) = (&[(key(shop), shop.customer)], app.app.now());
    app.app
        .db()
        .of(usage(app))
        .read(|mut tx| async move { grants::live_ids(&mut tx, wanted, now).await })
        .await
        .unwrap()
}

/// A shop whose customer has five credits for ever: no period ends while the clock is moved.
async fn open_shop(app: &TestApp) -> TestShop {
    let shop = app.open_shop().await;
    let credits = json!({"key": "credits", "name": "Credits", "kind": "metered",
        "meter": {"aggregation": "sum", "period": "never"}});
    let made = shop.signs(app.post("/v1/features")).json(&credits).send().await;
    made.expect(201);
    include_five(app, &shop).await;
    shop
}

async fn include_five(app: &TestApp, shop: &TestShop) {
    let included = json!({"customer": shop.customer, "feature": "credits", "granted": true, "limit": 5,
        "reason": "A test."});
    let made = shop.signs(app.post("/v1/overrides")).json(&included).send().await;
    made.expect(201);
}

async fn give_credits(app: &TestApp, shop: &TestShop, mut fields: Value) -> Value {
    fields["feature"] = json!("credits");
    give(app, shop, fields).await.expect(201)
}

/// A body for consume, check and reserve.
fn credits(shop: &TestShop, amount: i64) -> Value {
    json!({"customer": shop.customer, "feature": "credits", "amount": amount})
}

async fn consume(app: &TestApp, shop: &TestShop, amount: i64) -> Answer {
    let call = shop.signs(app.post("/v1/usage/consume"));
    call.json(&credits(shop, amount)).send().await
}

/// What is left for the customer, grants included.
async fn remaining(app: &TestApp, shop: &TestShop) -> Value {
    let call = shop.signs(app.post("/v1/usage/check"));
    call.json(&credits(shop, 1)).send().await.expect(200)["remaining"].clone()
}

/// What is used of each grant.
async fn used<const N: usize>(app: &TestApp, shop: &TestShop, grants: [&Value; N]) -> Value {
    let mut used = Vec::new();
    for grant in grants {
        used.push(get(app, shop, grant).await["used"].clone());
    }
    json!(used)
}

both_databases! {
    async fn the_plan_pays_first_and_then_grants_in_their_order(app: TestApp) {
        let shop = open_shop(app).await;
        let soon = app.app.now() + DAY;
        let older = give_credits(app, &shop, json!({"amount": 2})).await;
        let newer = give_credits(app, &shop, json!({"amount": 2})).await;
        let ending = give_credits(app, &shop, json!({"amount": 2, "expires_at": soon})).await;
        let first = give_credits(app, &shop, json!({"amount": 2, "priority": -1})).await;
        let order = [&first, &ending, &older, &newer];
        assert_eq!(remaining(app, &shop).await, 13);
        // The plan includes five.
        consume(app, &shop, 5).await.expect(200);
        assert_eq!(used(app, &shop, order).await, json!([0, 0, 0, 0]));
        let all = consume(app, &shop, 1).await.expect(200);
        assert_eq!(json!([all["used"], all["remaining"], all["overage"]]), json!([6, 7, 0]));
        assert_eq!(used(app, &shop, order).await, json!([1, 0, 0, 0]));
        // One call may have several payers.
        consume(app, &shop, 4).await.expect(200);
        assert_eq!(used(app, &shop, order).await, json!([2, 2, 1, 0]));
        consume(app, &shop, 4).await.refused(429, "quota_exceeded");
        assert_eq!(used(app, &shop, order).await, json!([2, 2, 1, 0]), "all or nothing");
        consume(app, &shop, 3).await.expect(200);
        assert_eq!(used(app, &shop, order).await, json!([2, 2, 2, 2]));
        consume(app, &shop, 1).await.refused(429, "quota_exceeded");
        assert_eq!(remaining(app, &shop).await, 0);
    }

    async fn a_grant_pays_from_its_first_instant_to_its_last(app: TestApp) {
        let shop = open_shop(app).await;
        consume(app, &shop, 5).await.expect(200);
        let (start, end) = (app.app.now() + DAY, app.app.now() + 2 * DAY);
        give_credits(app, &shop, json!({"effective_at": start, "expires_at": end})).await;
        consume(app, &shop, 1).await.refused(429, "quota_exceeded");
        app.advance(DAY);
        consume(app, &shop, 1).await.expect(200);
        app.advance(DAY - Duration::from_micros(1));
        consume(app, &shop, 1).await.expect(200);
        app.advance(Duration::from_micros(1));
        consume(app, &shop, 1).await.refused(429, "quota_exceeded");
    }

    async fn what_rolled_over_pays_next(app: TestApp) {
        let shop = open_shop(app).await;
        consume(app, &shop, 5).await.expect(200);
        let fields = json!({"expires_at": app.app.now() + DAY, "rollover": {"max": 3}});
        let given = give_credits(app, &shop, fields).await;
        consume(app, &shop, 1).await.expect(200);
        app.advance(DAY);
        app.run_jobs(shop.owner.workspace).await;
        let next = list(app, &shop, "").await["data"][0].clone();
        consume(app, &shop, 3).await.expect(200);
        assert_eq!(used(app, &shop, [&given, &next]).await, json!([1, 3]));
        consume(app, &shop, 1).await.refused(429, "quota_exceeded");
    }

    async fn a_voided_grant_pays_no_more(app: TestApp) {
        let shop = open_shop(app).await;
        let given = give_credits(app, &shop, json!({})).await;
        consume(app, &shop, 7).await.expect(200);
        assert_eq!(remaining(app, &shop).await, 8);
        void(app, &shop, &given).await.expect(200);
        assert_eq!(remaining(app, &shop).await, 0);
        consume(app, &shop, 1).await.refused(429, "quota_exceeded");
        assert_eq!(used(app, &shop, [&given]).await, json!([2]));
    }

    async fn what_a_hold_reserves_of_a_voided_grant_stays_its_own(app: TestApp) {
        let shop = open_shop(app).await;
        consume(app, &shop, 5).await.expect(200);
        let given = give_credits(app, &shop, json!({})).await;
        let mut holds = Vec::new();
        for _ in 0..2 {
            let hold = shop.signs(app.post("/v1/usage/holds")).json(&credits(&shop, 3)).send().await;
            holds.push(hold.expect(201)["hold"]["id"].as_str().unwrap().to_owned());
        }
        void(app, &shop, &given).await.expect(200);
        let settle = format!("/v1/usage/holds/{}/settle", holds[0]);
        shop.signs(app.post(&settle)).json(&json!({"amount": 2})).send().await.expect(200);
        let settled = get(app, &shop, &given).await;
        assert_eq!(json!([settled["used"], settled["held"]]), json!([2, 3]));
        let release = format!("/v1/usage/holds/{}/release", holds[1]);
        shop.signs(app.post(&release)).send().await.expect(200);
        let released = get(app, &shop, &given).await;
        assert_eq!(json!([released["used"], released["held"], released["remaining"]]), json!([2, 0, 8]));
        consume(app, &shop, 1).await.refused(429, "quota_exceeded");
    }

    async fn a_correction_gives_back_to_the_grant_that_paid(app: TestApp) {
        let shop = open_shop(app).await;
        consume(app, &shop, 5).await.expect(200);
        let given = give_credits(app, &shop, json!({"amount": 4})).await;
        let event = consume(app, &shop, 4).await.expect(200)["event"].clone();
        consume(app, &shop, 1).await.refused(429, "quota_exceeded");
        let correct = format!("/v1/usage/events/{}/corrections", event.as_str().unwrap());
        shop.signs(app.post(&correct)).json(&json!({"amount": 3})).send().await.expect(201);
        assert_eq!(used(app, &shop, [&given]).await, json!([1]));
        // It was used up, and pays again.
        consume(app, &shop, 3).await.expect(200);
        assert_eq!(used(app, &shop, [&given]).await, json!([4]));
    }

    async fn a_grant_pays_for_its_customer_and_feature_alone(app: TestApp) {
        let shop = open_shop(app).await;
        let globex = TestShop {
            customer: app.new_customer(&shop.key, "globex").await,
            ..shop.clone()
        };
        include_five(app, &globex).await;
        let given = give_credits(app, &shop, json!({})).await;
        consume(app, &globex, 6).await.refused(429, "quota_exceeded");
        consume(app, &globex, 5).await.expect(200);
        // The shop's other feature has five a month.
        let call = shop.signs(app.post("/v1/usage/consume")).json(&shop.usage(6));
        call.send().await.refused(429, "quota_exceeded");
        assert_eq!(used(app, &shop, [&given]).await, json!([0]));
    }

    async fn many_callers_get_exactly_what_there_is(app: TestApp) {
        let shop = open_shop(app).await;
        let mut given = Vec::new();
        for _ in 0..3 {
            given.push(give_credits(app, &shop, json!({})).await);
        }
        let answers = join_all((0..60).map(|_| consume(app, &shop, 1))).await;
        let granted = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(granted, 35);
        assert_eq!(used(app, &shop, [&given[0], &given[1], &given[2]]).await, json!([10, 10, 10]));
    }

    async fn nothing_is_burned_after_the_answer_to_a_void(app: TestApp) {
        let shop = open_shop(app).await;
        let given = give_credits(app, &shop, json!({"amount": 1_000})).await;
        let calls = join_all((0..40).map(|_| consume(app, &shop, 1)));
        let ending = async {
            let voided = void(app, &shop, &given).await.expect(200);
            (voided["used"].clone(), consume(app, &shop, 1).await)
        };
        let (answers, (used_before, late)) = futures_util::future::join(calls, ending).await;
        let granted = answers.iter().filter(|answer| answer.status == 200).count();
        assert!(late.status == 429 || used_before == 0, "the plan may have had room: {}", late.text());
        let paid = granted + usize::from(late.status == 200);
        assert_eq!(used(app, &shop, [&given]).await, json!([used_before]));
        assert_eq!(used_before, paid.saturating_sub(5));
    }

    async fn the_group_commit_finds_what_can_be_burned(app: TestApp) {
        let shop = app.open_shop().await;
        let end = app.app.now() + DAY;
        let open = give(app, &shop, json!({"priority": 9})).await.expect(201);
        let later = give(app, &shop, json!({"effective_at": end})).await.expect(201);
        let ending = give(app, &shop, json!({"expires_at": end})).await.expect(201);
        let held = give(app, &shop, json!({})).await.expect(201);
        let used_up = give(app, &shop, json!({})).await.expect(201);
        let voided = give(app, &shop, json!({})).await.expect(201);
        take(app, &shop, &held, 0, 10).await;
        take(app, &shop, &used_up, 10, 0).await;
        void(app, &shop, &voided).await.expect(200);
        // Another customer's, and another workspace's.
        let globex = TestShop {
            customer: app.new_customer(&shop.key, "globex").await,
            ..shop.clone()
        };
        give(app, &globex, json!({})).await.expect(201);

        let mut found = live(app, &shop).await;
        found.sort_unstable();
        let feature: FeatureId = open["feature_id"].as_str().unwrap().parse().unwrap();
        let named = |grants: &[&Value]| {
            let mut named: Vec<_> = grants
                .iter()
                .map(|grant| (key(&shop), shop.customer, feature, grant_id(grant)))
                .collect();
            named.sort_unstable();
            named
        };
        assert_eq!(found, named(&[&open, &later, &ending, &held]));
        app.advance(DAY);
        let mut found = live(app, &shop).await;
        found.sort_unstable();
        assert_eq!(found, named(&[&open, &later, &held]), "also before the job has seen to it");
    }

    async fn the_group_commit_locks_and_writes_grants(app: TestApp) {
        let shop = app.open_shop().await;
        let now = app.app.now();
        let first = give(app, &shop, json!({"priority": -7, "expires_at": now + DAY})).await.expect(201);
        let second = give(app, &shop, json!({"amount": 20})).await.expect(201);
        let third = give(app, &shop, json!({})).await.expect(201);
        let ids = [&third, &first, &second].map(grant_id);
        let twice = [&ids[..], &ids[..1], &[GrantId::generate()]].concat();
        let expected = |grant: &Value, amount, priority, expires_at| Locked {
            id: grant_id(grant),
            amount,
            balance: amount,
            available: amount,
            priority,
            expires_at,
        };
        let in_order = [
            expected(&first, 10, -7, Some(now + DAY)),
            expected(&second, 20, 0, None),
            expected(&third, 10, 0, None),
        ];
        assert_eq!(locked(app, &shop, &twice, now).await, in_order, "each once, in the order of their keys");
        take_all(app, &shop, &[(ids[1], 3, 0), (ids[2], 1, 2)]).await;
        let figures = async |grant: &Value| {
            let grant = get(app, &shop, grant).await;
            json!([grant["used"], grant["held"], grant["remaining"]])
        };
        assert_eq!(figures(&first).await, json!([3, 0, 7]));
        assert_eq!(figures(&second).await, json!([1, 2, 17]));
        assert_eq!(figures(&third).await, json!([0, 0, 10]));

        let wanted = &[(key(&shop), ids[0])];
        let db = app.app.db().of(usage(app));
        let lost = db.write_locked(|mut tx| async move {
            let mut grants = grants::lock(&mut tx, wanted).await?;
            grants[0].1.id = GrantId::generate();
            grants::write(&mut tx, &grants).await
        });
        assert!(lost.await.is_err(), "of one that is not there");
    }

    async fn a_grant_that_has_ended_is_effective_at_no_instant(app: TestApp) {
        let shop = app.open_shop().await;
        let now = app.app.now();
        let voided = give(app, &shop, json!({})).await.expect(201);
        let rolled = give(app, &shop, json!({"expires_at": now + DAY, "rollover": {"max": 10}})).await.expect(201);
        app.advance(Duration::from_secs(60));
        void(app, &shop, &voided).await.expect(200);
        app.advance(DAY);
        app.run_jobs(shop.owner.workspace).await;
        // Not for a call either that arrived when they were still open: what was left is elsewhere by now.
        let ended = locked(app, &shop, &[grant_id(&voided), grant_id(&rolled)], now).await;
        assert!(ended.iter().all(|grant| (grant.available, grant.balance) == (0, 10)), "{ended:?}");
    }
}

#[test]
fn two_nodes_burn_a_grant_once() {
    run(Backend::Postgres, async |app: &TestApp| {
        let other = TestApp::start(Backend::Postgres).await;
        let shop = open_shop(app).await;
        // Both remember that there is none.
        for node in [app, &other] {
            consume(node, &shop, 1).await.expect(200);
        }
        let given = give_credits(app, &shop, json!({"amount": 20})).await;
        let calls = (0..60).map(|n| consume([app, &other][n % 2], &shop, 1));
        let answers = join_all(calls).await;
        let granted = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!((granted, used(app, &shop, [&given]).await), (23, json!([20])));
        // And what one node ends, no other burns.
        let more = give_credits(app, &shop, json!({"amount": 20})).await;
        consume(&other, &shop, 1).await.expect(200);
        void(app, &shop, &more).await.expect(200);
        consume(&other, &shop, 1).await.refused(429, "quota_exceeded");
        other.stop().await;
    });
}
