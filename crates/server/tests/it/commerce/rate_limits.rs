//! Rate limits: the rules by which a platform says how fast calls may come.

mod enforced;

use ::commerce::Shop;
use ::commerce::rate_limits::{Call, Known, MAX_RULES};
use serde_json::{Value, json};
use types::id::{CustomerId, FeatureId};

use super::records::{actions, events, key_with};
use crate::harness::{Answer, Example, TestApp, TestShop};

pub const EXAMPLES: &[Example] = &[
    example!("POST /v1/rate_limits", |_world| {
        "name": "new", "applies_to": "api_key", "limit": 100, "per_secs": 1, "plan": "paid", "feature": "calls"
    }),
    example!("GET /v1/rate_limits"),
    example!("GET /v1/rate_limits/{rate_limit}", "rate_limit" = "rate_limit"),
    example!("PATCH /v1/rate_limits/{rate_limit}", "rate_limit" = "rate_limit", |_world| {"name": "renamed"}),
    example!("DELETE /v1/rate_limits/{rate_limit}", "rate_limit" = "rate_limit"),
];

const RULES: &str = "/v1/rate_limits";

/// A rule of ten calls a minute for each customer, and what the fields say instead.
async fn create(app: &TestApp, shop: &TestShop, fields: Value) -> Answer {
    let mut body = json!({"name": "calls", "applies_to": "customer", "limit": 10, "per_secs": 60});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    shop.signs(app.post(RULES)).json(&body).send().await
}

async fn update(app: &TestApp, shop: &TestShop, rule: &Value, fields: Value) -> Answer {
    shop.signs(app.patch(&path(rule))).json(&fields).send().await
}

async fn get(app: &TestApp, shop: &TestShop, rule: &Value) -> Answer {
    shop.signs(app.get(&path(rule))).send().await
}

async fn delete(app: &TestApp, shop: &TestShop, rule: &Value) -> Answer {
    shop.signs(app.delete(&path(rule))).send().await
}

async fn list(app: &TestApp, shop: &TestShop) -> Value {
    let answer = shop.signs(app.get(RULES)).send().await;
    answer.expect(200)["data"].clone()
}

fn id(resource: &Value) -> String {
    resource["id"].as_str().unwrap().to_owned()
}

fn path(rule: &Value) -> String {
    format!("{RULES}/{}", id(rule))
}

/// A field of a problem.
fn field(answer: Answer) -> Value {
    answer.refused(422, "validation_failed")["errors"][0]["field"].clone()
}

/// The names of the rules that a call of some customer comes under, as this node knows them, with their rates.
async fn known(app: &TestApp, shop: &TestShop) -> Vec<(String, u32, u32)> {
    let of = Shop {
        workspace: shop.owner.workspace,
        platform: shop.platform,
        mode: shop.mode.parse().unwrap(),
    };
    let call = Call {
        shop: of,
        customer: CustomerId::generate(),
        end_user: None,
        api_key: None,
        feature: FeatureId::generate(),
        route: None,
        plans: &[],
        cost: 1,
    };
    let limits = app
        .app
        .service::<Known>()
        .unwrap()
        .of(&app.app, of)
        .await
        .unwrap();
    let charges = limits.charges(&call);
    charges
        .into_iter()
        .map(|charge| {
            (
                charge.key.name.to_string(),
                charge.rate.units(),
                charge.rate.burst(),
            )
        })
        .collect()
}

both_databases! {
    async fn a_rule_is_made_changed_and_deleted(app: TestApp) {
        let shop = app.open_shop().await;
        let made = create(app, &shop, json!({"burst": 2})).await.expect(201);
        assert!(id(&made).starts_with("rtl_"));
        assert_eq!(
            json!([made["name"], made["applies_to"], made["limit"], made["per_secs"], made["burst"]]),
            json!(["calls", "customer", 10, 60, 2])
        );
        for selector in ["plan", "plan_id", "customer", "feature", "feature_id", "route"] {
            assert_eq!(made[selector], Value::Null, "{selector}");
        }
        assert_eq!(get(app, &shop, &made).await.expect(200), made);

        let changed = update(app, &shop, &made, json!({"name": "Calls", "limit": 20, "burst": null})).await.expect(200);
        assert_eq!(
            json!([changed["name"], changed["limit"], changed["per_secs"], changed["burst"]]),
            json!(["Calls", 20, 60, null])
        );
        assert_eq!(get(app, &shop, &made).await.expect(200), changed);
        // What changes nothing is not told.
        assert_eq!(update(app, &shop, &made, json!({"limit": 20})).await.expect(200), changed);
        assert_eq!(list(app, &shop).await, json!([changed]));

        delete(app, &shop, &made).await.expect(204);
        get(app, &shop, &made).await.refused(404, "not_found");
        delete(app, &shop, &made).await.refused(404, "not_found");
        assert_eq!(list(app, &shop).await, json!([]));
        let done = ["rate_limit.create", "rate_limit.update", "rate_limit.delete"];
        assert_eq!(actions(app, &shop, &id(&made)).await, done);
        let told = ["rate_limit.created", "rate_limit.updated", "rate_limit.deleted"];
        assert_eq!(events(app, &shop, &id(&made)).await, told);
    }

    async fn a_rule_says_what_it_selects(app: TestApp) {
        let shop = app.open_shop().await;
        let fields = json!({"applies_to": "end_user", "plan": "paid", "customer": "acme", "feature": "calls",
            "route": "GET /weather"});
        let made = create(app, &shop, fields).await.expect(201);
        assert_eq!(
            json!([made["plan"], made["customer"], made["feature"], made["route"]]),
            json!(["paid", shop.customer, "calls", "GET /weather"])
        );
        assert_eq!(get(app, &shop, &made).await.expect(200), made);
        assert_eq!(list(app, &shop).await, json!([made]));
        // By ids it is the same rule.
        let fields = json!({"name": "by id", "applies_to": "api_key", "plan": made["plan_id"],
            "customer": made["customer"], "feature": made["feature_id"]});
        let by_id = create(app, &shop, fields).await.expect(201);
        for selected in ["plan", "plan_id", "customer", "feature", "feature_id"] {
            assert_eq!(by_id[selected], made[selected]);
        }
    }

    async fn what_breaks_a_rule_names_its_field(app: TestApp) {
        let shop = app.open_shop().await;
        let cases = [
            (json!({"name": ""}), "name"),
            (json!({"name": "a".repeat(101)}), "name"),
            (json!({"name": "a\u{0}"}), "name"),
            (json!({"applies_to": "device"}), "applies_to"),
            (json!({"limit": 0}), "limit"),
            (json!({"limit": -1}), "limit"),
            (json!({"limit": 1_000_001}), "limit"),
            (json!({"limit": 1.5}), "limit"),
            (json!({"per_secs": 0}), "per_secs"),
            (json!({"per_secs": 86_401}), "per_secs"),
            (json!({"burst": 0}), "burst"),
            (json!({"burst": 11}), "burst"),
            (json!({"plan": "nothing"}), "plan"),
            (json!({"plan": ""}), "plan"),
            (json!({"plan": "a\u{0}"}), "plan"),
            (json!({"feature": "nothing"}), "feature"),
            (json!({"feature": "\u{0}"}), "feature"),
            (json!({"route": ""}), "route"),
            (json!({"route": "a\u{0}"}), "route"),
            (json!({"route": "a".repeat(201)}), "route"),
            (json!({"customer": ""}), "customer"),
            (json!({"colour": 1}), "colour"),
        ];
        for (fields, expected) in cases {
            assert_eq!(field(create(app, &shop, fields.clone()).await), expected, "{fields}");
        }
        create(app, &shop, json!({"customer": "nobody"})).await.refused(404, "not_found");
        let seats = json!({"key": "seats", "name": "Seats", "kind": "integer"});
        shop.signs(app.post("/v1/features")).json(&seats).send().await.expect(201);
        create(app, &shop, json!({"feature": "seats"})).await.refused(422, "feature_not_metered");
        assert_eq!(list(app, &shop).await, json!([]));
        for (n, fields) in [
            json!({"limit": 1, "per_secs": 86_400, "burst": 1, "route": "r".repeat(200)}),
            json!({"limit": 1_000_000, "per_secs": 1, "burst": 1_000_000}),
        ]
        .into_iter()
        .enumerate()
        {
            let mut fields = fields;
            fields["name"] = json!(format!("{n}{}", "é".repeat(99)));
            create(app, &shop, fields).await.expect(201);
        }
    }

    async fn a_change_keeps_the_bounds_of_the_whole(app: TestApp) {
        let shop = app.open_shop().await;
        let made = create(app, &shop, json!({"burst": 5})).await.expect(201);
        let cases = [
            // Below the burst that stands.
            (json!({"limit": 4}), "burst"),
            (json!({"burst": 11}), "burst"),
            (json!({"limit": 0}), "limit"),
            (json!({"per_secs": 0}), "per_secs"),
            (json!({"name": ""}), "name"),
            // Whom it limits and what it selects never change.
            (json!({"applies_to": "end_user"}), "applies_to"),
            (json!({"route": "GET /"}), "route"),
        ];
        for (fields, expected) in cases {
            assert_eq!(field(update(app, &shop, &made, fields.clone()).await), expected, "{fields}");
        }
        assert_eq!(get(app, &shop, &made).await.expect(200), made);
        let both = update(app, &shop, &made, json!({"limit": 4, "burst": 4})).await.expect(200);
        assert_eq!(json!([both["limit"], both["burst"]]), json!([4, 4]));
    }

    async fn a_name_is_taken_once(app: TestApp) {
        let shop = app.open_shop().await;
        let made = create(app, &shop, json!({})).await.expect(201);
        let problem = create(app, &shop, json!({})).await.refused(409, "already_exists");
        assert_eq!(problem["errors"][0]["field"], "name");
        let other = create(app, &shop, json!({"name": "other"})).await.expect(201);
        let renamed = update(app, &shop, &other, json!({"name": "calls"})).await;
        assert_eq!(renamed.refused(409, "already_exists")["errors"][0]["field"], "name");
        update(app, &shop, &made, json!({"name": "calls", "limit": 11})).await.expect(200);
        // It is free again, and another shop never knew of it.
        delete(app, &shop, &made).await.expect(204);
        update(app, &shop, &other, json!({"name": "calls"})).await.expect(200);
        let elsewhere = app.open_shop().await;
        create(app, &elsewhere, json!({})).await.expect(201);
    }

    async fn a_plan_that_several_groups_have_is_named_by_id(app: TestApp) {
        let shop = app.open_shop().await;
        let group = json!({"key": "extra", "name": "Extra"});
        shop.signs(app.post("/v1/plan_groups")).json(&group).send().await.expect(201);
        let plan = json!({"group": "extra", "key": "paid", "name": "Paid", "entitlements": []});
        let plan = shop.signs(app.post("/v1/plans")).json(&plan).send().await.expect(201);
        assert_eq!(field(create(app, &shop, json!({"plan": "paid"})).await), "plan");
        let made = create(app, &shop, json!({"plan": plan["id"]})).await.expect(201);
        assert_eq!(made["plan_id"], plan["id"]);
        // One that is archived cannot be selected any more; rules that do go on.
        shop.signs(app.post(&format!("/v1/plans/{}/archive", id(&plan)))).send().await.expect(200);
        let late = create(app, &shop, json!({"name": "late", "plan": plan["id"]})).await;
        assert_eq!(field(late), "plan");
        assert_eq!(get(app, &shop, &made).await.expect(200), made);
    }

    async fn a_change_is_known_at_once(app: TestApp) {
        let shop = app.open_shop().await;
        assert_eq!(known(app, &shop).await, []);
        let made = create(app, &shop, json!({})).await.expect(201);
        create(app, &shop, json!({"name": "elsewhere", "route": "GET /"})).await.expect(201);
        assert_eq!(known(app, &shop).await, [(id(&made), 10, 10)]);
        // Under its id, so that a bucket outlives a new name.
        update(app, &shop, &made, json!({"name": "renamed", "limit": 20, "burst": 3})).await.expect(200);
        assert_eq!(known(app, &shop).await, [(id(&made), 20, 3)]);
        delete(app, &shop, &made).await.expect(204);
        assert_eq!(known(app, &shop).await, []);
    }

    async fn a_shop_has_only_so_many(app: TestApp) {
        let shop = app.open_shop().await;
        let mut last = Value::Null;
        for n in 0..MAX_RULES {
            last = create(app, &shop, json!({"name": format!("rule {n}")})).await.expect(201);
        }
        let problem = create(app, &shop, json!({"name": "one more"})).await.refused(409, "conflict");
        assert_eq!(problem["limit"], MAX_RULES);
        delete(app, &shop, &last).await.expect(204);
        create(app, &shop, json!({"name": "one more"})).await.expect(201);

        let first = shop.signs(app.get("/v1/rate_limits?limit=60")).send().await.expect(200);
        let rest = format!("/v1/rate_limits?limit=60&cursor={}", first["next_cursor"].as_str().unwrap());
        let rest = shop.signs(app.get(&rest)).send().await.expect(200);
        let names = [&first, &rest].map(|page| page["data"].as_array().unwrap().len());
        assert_eq!((names, &rest["next_cursor"]), ([60, 40], &Value::Null));
        assert_eq!(json!([first["data"][0]["name"], rest["data"][39]["name"]]), json!(["rule 0", "one more"]));
    }

    async fn another_shop_s_rule_does_not_exist(app: TestApp) {
        let (shop, stranger) = (app.open_shop().await, app.open_shop().await);
        let made = create(app, &shop, json!({"plan": "paid", "feature": "calls"})).await.expect(201);
        get(app, &stranger, &made).await.refused(404, "not_found");
        update(app, &stranger, &made, json!({"limit": 1})).await.refused(404, "not_found");
        delete(app, &stranger, &made).await.refused(404, "not_found");
        create(app, &stranger, json!({"customer": shop.customer})).await.refused(404, "not_found");
        for selected in ["plan", "feature"] {
            let mut fields = json!({});
            fields[selected] = made[format!("{selected}_id")].clone();
            assert_eq!(field(create(app, &stranger, fields).await), selected);
        }
        assert_eq!((list(app, &stranger).await, known(app, &stranger).await), (json!([]), Vec::new()));
        assert_eq!(get(app, &shop, &made).await.expect(200), made);
    }

    async fn reading_is_not_changing(app: TestApp) {
        let shop = app.open_shop().await;
        let made = create(app, &shop, json!({})).await.expect(201);
        let reader = key_with(app, &shop, &["platforms:read"]).await;
        let reading = TestShop { key: reader, ..shop.clone() };
        get(app, &reading, &made).await.expect(200);
        create(app, &reading, json!({"name": "mine"})).await.refused(403, "permission_denied");
        update(app, &reading, &made, json!({"limit": 1})).await.refused(403, "permission_denied");
        delete(app, &reading, &made).await.refused(403, "permission_denied");
        let blind = key_with(app, &shop, &["usage:consume"]).await;
        app.get(RULES).key(&blind).send().await.refused(403, "permission_denied");
        app.get(&path(&made)).key(&blind).send().await.refused(403, "permission_denied");
    }
}
