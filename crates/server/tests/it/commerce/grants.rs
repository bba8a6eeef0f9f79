//! Grants: extra balance of one customer and feature, until it is used, expires or is voided.

mod ended;
mod used;

use std::time::Duration;

use ::commerce::{Shop, grants};
use serde_json::{Value, json};
use storage::{Reason, System, params};
use types::Timestamp;
use types::id::GrantId;

use super::records::{events, history, key_with};
use crate::harness::{Answer, Example, TestApp, TestShop};

pub const EXAMPLES: &[Example] = &[
    example!("POST /v1/customers/{customer}/grants", "customer" = "customer", |_world| {
        "feature": "calls", "amount": 7, "reason": "walk"
    }),
    example!("GET /v1/customers/{customer}/grants", "customer" = "customer"),
    example!("GET /v1/grants/{grant}", "grant" = "grant"),
    example!("POST /v1/grants/{grant}/void", "grant" = "grant", |_world| {"reason": "walked"}),
];

const DAY: Duration = Duration::from_secs(86_400);

/// Ten more calls for the shop's customer, and what the fields say instead.
async fn give(app: &TestApp, shop: &TestShop, fields: Value) -> Answer {
    let mut body = json!({"feature": "calls", "amount": 10, "reason": "Promised."});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    let path = format!("/v1/customers/{}/grants", shop.customer);
    shop.signs(app.post(&path)).json(&body).send().await
}

async fn void(app: &TestApp, shop: &TestShop, grant: &Value) -> Answer {
    let call = shop.signs(app.post(&format!("{}/void", path(grant))));
    call.json(&json!({"reason": "A mistake."})).send().await
}

async fn get(app: &TestApp, shop: &TestShop, grant: &Value) -> Value {
    shop.signs(app.get(&path(grant))).send().await.expect(200)
}

async fn list(app: &TestApp, shop: &TestShop, query: &str) -> Value {
    let path = format!("/v1/customers/{}/grants{query}", shop.customer);
    shop.signs(app.get(&path)).send().await.expect(200)
}

async fn new_feature(app: &TestApp, shop: &TestShop, fields: Value) -> String {
    let mut body = json!({"key": "extra", "name": "Extra", "kind": "metered"});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    let created = shop.signs(app.post("/v1/features")).json(&body).send().await;
    id(&created.expect(201))
}

fn id(resource: &Value) -> String {
    resource["id"].as_str().unwrap().to_owned()
}

fn path(grant: &Value) -> String {
    format!("/v1/grants/{}", id(grant))
}

/// A field of a problem.
fn field(answer: Answer) -> Value {
    answer.refused(422, "validation_failed")["errors"][0]["field"].clone()
}

fn key(shop: &TestShop) -> Shop {
    Shop {
        workspace: shop.owner.workspace,
        platform: shop.platform,
        mode: shop.mode.parse().unwrap(),
    }
}

fn grant_id(grant: &Value) -> GrantId {
    id(grant).parse().unwrap()
}

fn usage(app: &TestApp) -> System {
    app.issuer().system(Reason::UsageBatch)
}

/// A grant as the ledger sees it.
#[derive(Debug, PartialEq)]
struct Locked {
    id: GrantId,
    amount: i64,
    balance: i64,
    /// What could be burned at the instant that was asked for.
    available: i64,
    priority: i16,
    expires_at: Option<Timestamp>,
}

/// The grants as the group commit of usage locks them.
async fn locked(app: &TestApp, shop: &TestShop, ids: &[GrantId], at: Timestamp) -> Vec<Locked> {
    let wanted: &Vec<(Shop, GrantId)> = &ids.iter().map(|id| (key(shop), *id)).collect();
    let db = app.app.db().of(usage(app));
    let found = db.write_locked(|mut tx| async move {
        let found = grants::lock(&mut tx, wanted).await?;
        assert_eq!(grants::read(&mut tx, wanted).await?, found);
        Ok(found)
    });
    let found = found.await.unwrap().into_iter().map(|(of, grant)| {
        assert_eq!(of, key(shop));
        Locked {
            id: grant.id,
            amount: grant.amount,
            balance: grant.balance(),
            available: grant.available(at),
            priority: grant.priority,
            expires_at: grant.expires_at,
        }
    });
    found.collect()
}

/// Takes from grants as the group commit of usage does: so much is used and held of each from now on.
async fn take_all(app: &TestApp, shop: &TestShop, taken: &[(GrantId, i64, i64)]) {
    let wanted: &Vec<(Shop, GrantId)> = &taken.iter().map(|(id, _, _)| (key(shop), *id)).collect();
    let db = app.app.db().of(usage(app));
    let written = db.write_locked(|mut tx| async move {
        let mut grants = grants::lock(&mut tx, wanted).await?;
        for (_, grant) in &mut grants {
            let (_, used, held) = taken.iter().find(|(id, _, _)| *id == grant.id).unwrap();
            (grant.used, grant.held) = (*used, *held);
        }
        grants::write(&mut tx, &grants).await
    });
    written.await.unwrap();
}

async fn take(app: &TestApp, shop: &TestShop, grant: &Value, used: i64, held: i64) {
    take_all(app, shop, &[(grant_id(grant), used, held)]).await;
}

/// The version by which the group commit knows whether what it remembers of a customer still holds.
async fn version(app: &TestApp, shop: &TestShop) -> i64 {
    let customer = shop.customer;
    app.app
        .db()
        .of(app.system())
        .read(|mut tx| async move {
            let sql = "SELECT version FROM customers WHERE customer_id = $1";
            tx.fetch_one(sql, params![customer]).await?.get("version")
        })
        .await
        .unwrap()
}

both_databases! {
    async fn a_grant_is_given_for_a_reason_and_shown(app: TestApp) {
        let shop = app.open_shop().await;
        let before = version(app, &shop).await;
        let (start, end) = (app.app.now() + DAY, app.app.now() + 31 * DAY);
        let fields = json!({"priority": -5, "effective_at": start, "expires_at": end,
            "rollover": {"max": 4, "lasts_secs": 86_400}});
        let given = give(app, &shop, fields).await.expect(201);
        assert!(id(&given).starts_with("grt_"));
        assert_eq!(
            json!([given["customer"], given["feature"], given["priority"]]),
            json!([shop.customer, "calls", -5])
        );
        assert_eq!(
            json!([given["amount"], given["used"], given["held"], given["remaining"]]),
            json!([10, 0, 0, 10])
        );
        assert_eq!(json!([given["effective_at"], given["expires_at"]]), json!([start, end]));
        assert_eq!(given["rollover"], json!({"min": 0, "max": 4, "lasts_secs": 86_400}));
        assert_eq!(json!([given["voided_at"], given["rolled_to"]]), json!([null, null]));
        assert_eq!(get(app, &shop, &given).await, given);

        assert!(version(app, &shop).await > before);
        let told = history(app, &shop, &id(&given)).await;
        assert_eq!(told, [("grant.create".to_owned(), Some("Promised.".to_owned()))]);
        assert_eq!(events(app, &shop, &id(&given)).await, ["grant.created"]);
    }

    async fn a_plain_grant_begins_now_and_never_ends(app: TestApp) {
        let shop = app.open_shop().await;
        let given = give(app, &shop, json!({})).await.expect(201);
        assert_eq!(given["effective_at"], json!(app.app.now()));
        assert_eq!(json!([given["expires_at"], given["rollover"], given["priority"]]), json!([null, null, 0]));
        app.advance(3_650 * DAY);
        app.run_jobs(shop.owner.workspace).await;
        assert_eq!(get(app, &shop, &given).await, given);
    }

    async fn amounts_have_the_scale_of_the_feature(app: TestApp) {
        let shop = app.open_shop().await;
        let meter = json!({"meter": {"aggregation": "sum", "period": "month", "scale": 2}});
        let feature = new_feature(app, &shop, meter).await;
        let fields = json!({"feature": feature, "amount": "1.5", "expires_at": app.app.now() + DAY,
            "rollover": {"min": "0.25", "max": "0.5"}});
        let given = give(app, &shop, fields).await.expect(201);
        assert_eq!(json!([given["feature"], given["feature_id"]]), json!(["extra", feature]));
        assert_eq!(given["amount"], "1.5");
        assert_eq!(given["rollover"], json!({"min": "0.25", "max": "0.5", "lasts_secs": null}));
        take(app, &shop, &given, 20, 5).await;
        let taken = get(app, &shop, &given).await;
        assert_eq!(json!([taken["used"], taken["held"], taken["remaining"]]), json!(["0.2", "0.05", "1.25"]));
        let finer = give(app, &shop, json!({"feature": "extra", "amount": "0.001"})).await;
        assert_eq!(field(finer), "amount");
    }

    async fn what_breaks_a_rule_names_its_field(app: TestApp) {
        let shop = app.open_shop().await;
        let (now, soon) = (app.app.now(), app.app.now() + DAY);
        let cases = [
            (json!({"amount": 0}), "amount"),
            (json!({"amount": -1}), "amount"),
            (json!({"amount": "0.5"}), "amount"),
            (json!({"amount": "9223372036854775808"}), "amount"),
            (json!({"priority": 101}), "priority"),
            (json!({"priority": -101}), "priority"),
            (json!({"priority": 70_000}), "priority"),
            (json!({"expires_at": now}), "expires_at"),
            (json!({"expires_at": soon, "effective_at": soon}), "expires_at"),
            (json!({"expires_at": "tomorrow"}), "expires_at"),
            (json!({"rollover": {"max": 1}}), "rollover"),
            (json!({"expires_at": soon, "rollover": {}}), "rollover"),
            (json!({"expires_at": soon, "rollover": {"max": -1}}), "rollover.max"),
            (json!({"expires_at": soon, "rollover": {"min": 2, "max": 1}}), "rollover.min"),
            (json!({"expires_at": soon, "rollover": {"max": 1, "lasts_secs": 3_599}}), "rollover.lasts_secs"),
            (json!({"expires_at": soon, "rollover": {"max": 1, "lasts_secs": 315_360_001}}), "rollover.lasts_secs"),
            (json!({"expires_at": soon, "rollover": {"max": 1, "every": 1}}), "rollover.every"),
            (json!({"reason": ""}), "reason"),
            (json!({"reason": "a\u{0}"}), "reason"),
            (json!({"reason": "a".repeat(501)}), "reason"),
            (json!({"feature": "nothing"}), "feature"),
            (json!({"feature": "\u{0}"}), "feature"),
            (json!({"colour": 1}), "colour"),
        ];
        for (fields, expected) in cases {
            assert_eq!(field(give(app, &shop, fields.clone()).await), expected, "{fields}");
        }
        for fields in [
            json!({"amount": i64::MAX.to_string(), "priority": 100}),
            json!({"priority": -100, "reason": "é".repeat(500)}),
            json!({"expires_at": soon, "rollover": {"min": 1, "max": 1, "lasts_secs": 315_360_000}}),
        ] {
            give(app, &shop, fields).await.expect(201);
        }
        assert_eq!(list(app, &shop, "").await["data"].as_array().unwrap().len(), 3);
    }

    async fn only_what_adds_up_can_be_granted(app: TestApp) {
        let shop = app.open_shop().await;
        let gauges = [
            json!({"key": "stored", "meter": {"aggregation": "last", "period": "month"}}),
            json!({"key": "lately", "meter": {"aggregation": "count", "period": "rolling", "rolling_secs": 60}}),
        ];
        for gauge in gauges {
            new_feature(app, &shop, gauge.clone()).await;
            let problem = give(app, &shop, json!({"feature": gauge["key"]})).await;
            assert_eq!(field(problem), "feature", "{gauge}");
        }
        new_feature(app, &shop, json!({"key": "seats", "kind": "integer"})).await;
        let seats = give(app, &shop, json!({"feature": "seats"})).await;
        seats.refused(422, "feature_not_metered");

        let meter = json!({"key": "old", "meter": {"aggregation": "sum", "period": "never"}});
        let old = new_feature(app, &shop, meter).await;
        give(app, &shop, json!({"feature": "old"})).await.expect(201);
        let archive = format!("/v1/features/{old}/archive");
        shop.signs(app.post(&archive)).send().await.expect(200);
        assert_eq!(field(give(app, &shop, json!({"feature": "old"})).await), "feature");
    }

    async fn an_archived_customer_is_given_nothing(app: TestApp) {
        let shop = app.open_shop().await;
        let given = give(app, &shop, json!({})).await.expect(201);
        let archive = format!("/v1/customers/{}/archive", shop.customer);
        shop.signs(app.post(&archive)).send().await.expect(200);
        give(app, &shop, json!({})).await.refused(422, "customer_archived");
        // What they have can be looked at and taken back.
        assert_eq!(list(app, &shop, "").await["data"], json!([given]));
        void(app, &shop, &given).await.expect(200);
    }

    async fn grants_are_listed_newest_first_by_feature_and_page(app: TestApp) {
        let shop = app.open_shop().await;
        let meter = json!({"meter": {"aggregation": "sum", "period": "month"}});
        let feature = new_feature(app, &shop, meter).await;
        let mut given = Vec::new();
        for name in ["calls", "extra", "calls"] {
            given.insert(0, give(app, &shop, json!({"feature": name})).await.expect(201));
        }
        let globex = TestShop {
            customer: app.new_customer(&shop.key, "globex").await,
            ..shop.clone()
        };
        give(app, &globex, json!({})).await.expect(201);
        assert_eq!(list(app, &shop, "").await["data"], json!(given));
        for name in ["extra", &feature] {
            let of_feature = list(app, &shop, &format!("?feature={name}")).await;
            assert_eq!(of_feature["data"], json!([given[1]]));
        }
        let first = list(app, &shop, "?limit=2").await;
        assert_eq!(first["data"], json!(given[..2]));
        let cursor = first["next_cursor"].as_str().unwrap();
        let rest = list(app, &shop, &format!("?limit=2&cursor={cursor}")).await;
        assert_eq!((&rest["data"], &rest["next_cursor"]), (&json!(given[2..]), &Value::Null));

        let bad = format!("/v1/customers/{}/grants?feature=nothing", shop.customer);
        shop.signs(app.get(&bad)).send().await.refused(404, "not_found");
        let bad = format!("/v1/customers/{}/grants?cursor=x", shop.customer);
        assert_eq!(field(shop.signs(app.get(&bad)).send().await), "cursor");
    }

    async fn a_call_under_a_key_gives_once(app: TestApp) {
        let shop = app.open_shop().await;
        let path = format!("/v1/customers/{}/grants", shop.customer);
        let body = json!({"feature": "calls", "amount": 10, "reason": "Bought."});
        let call = || shop.signs(app.post(&path)).header("idempotency-key", "order-1").json(&body).send();
        assert_eq!(call().await.expect(201), call().await.expect(201));
        assert_eq!(list(app, &shop, "").await["data"].as_array().unwrap().len(), 1);
    }

    async fn a_customer_has_only_so_many_open_grants(app: TestApp) {
        let shop = app.open_shop().await;
        let mut last = Value::Null;
        for _ in 0..grants::MAX_OPEN {
            last = give(app, &shop, json!({})).await.expect(201);
        }
        let problem = give(app, &shop, json!({})).await.refused(409, "conflict");
        assert_eq!(problem["limit"], grants::MAX_OPEN);
        take(app, &shop, &last, 10, 0).await;
        let more = give(app, &shop, json!({})).await.expect(201);
        give(app, &shop, json!({})).await.refused(409, "conflict");
        void(app, &shop, &more).await.expect(200);
        give(app, &shop, json!({})).await.expect(201);
    }

    async fn another_shop_s_grant_does_not_exist(app: TestApp) {
        let (shop, stranger) = (app.open_shop().await, app.open_shop().await);
        let given = give(app, &shop, json!({})).await.expect(201);
        stranger.signs(app.get(&path(&given))).send().await.refused(404, "not_found");
        void(app, &stranger, &given).await.refused(404, "not_found");
        let theirs = TestShop { customer: shop.customer, ..stranger.clone() };
        give(app, &theirs, json!({})).await.refused(404, "not_found");
        let listed = format!("/v1/customers/{}/grants", shop.customer);
        stranger.signs(app.get(&listed)).send().await.refused(404, "not_found");
        let foreign = give(app, &stranger, json!({"feature": given["feature_id"]})).await;
        assert_eq!(field(foreign), "feature");
        assert_eq!(get(app, &shop, &given).await, given);
    }

    async fn reading_is_not_changing(app: TestApp) {
        let shop = app.open_shop().await;
        let given = give(app, &shop, json!({})).await.expect(201);
        let reader = key_with(app, &shop, &["customers:read"]).await;
        app.get(&path(&given)).key(&reader).send().await.expect(200);
        let reading = TestShop { key: reader, ..shop.clone() };
        void(app, &reading, &given).await.refused(403, "permission_denied");
        give(app, &reading, json!({})).await.refused(403, "permission_denied");
        let blind = key_with(app, &shop, &["usage:consume"]).await;
        app.get(&path(&given)).key(&blind).send().await.refused(403, "permission_denied");
        let listed = format!("/v1/customers/{}/grants", shop.customer);
        app.get(&listed).key(&blind).send().await.refused(403, "permission_denied");
    }
}
