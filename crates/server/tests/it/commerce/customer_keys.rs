//! Customers' keys: what they are made of, who may make them, and what a verification says.

use std::time::{Duration, Instant};

use ::commerce::customer_keys::{MAX_KEYS, write_uses};
use futures_util::future::join_all;
use serde_json::{Value, json};
use storage::params;
use types::id::CustomerKeyId;

use super::records::{actions, events, key_with};
use crate::harness::{Answer, Backend, Example, TestApp, TestShop, run};

const KEYS: &str = "/v1/keys";

pub const EXAMPLES: &[Example] = &[
    example!("POST /v1/keys", |world| {"customer": (world.shop.customer), "name": "walk"}),
    example!("GET /v1/keys"),
    example!("GET /v1/keys/{key}", "key" = "customer_key"),
    example!("PATCH /v1/keys/{key}", "key" = "customer_key", |_world| {"name": "renamed"}),
    example!("POST /v1/keys/verify", |world| {"key": (world.ids["customer_key_secret"])}),
    example!("POST /v1/keys/{key}/rotate", "key" = "customer_key", |_world| {"overlap_secs": 60}),
    example!("POST /v1/keys/{key}/revoke", "key" = "customer_key"),
];

/// A key of the shop's customer and its secret. The fields are added to the least that a key needs.
async fn create(app: &TestApp, shop: &TestShop, fields: Value) -> (Value, String) {
    parts(try_create(app, shop, fields).await)
}

async fn try_create(app: &TestApp, shop: &TestShop, fields: Value) -> Answer {
    let body = with(json!({"customer": "acme", "name": "laptop"}), fields);
    shop.signs(app.post(KEYS)).json(&body).send().await
}

fn with(mut body: Value, fields: Value) -> Value {
    let fields = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    body
}

#[track_caller]
fn parts(answer: Answer) -> (Value, String) {
    let body = answer.expect(201);
    let secret = body["secret"].as_str().unwrap().to_owned();
    (body["customer_key"].clone(), secret)
}

fn id(key: &Value) -> String {
    key["id"].as_str().unwrap().to_owned()
}

fn path(key: &Value) -> String {
    format!("{KEYS}/{}", id(key))
}

async fn get(app: &TestApp, shop: &TestShop, key: &Value) -> Value {
    shop.signs(app.get(&path(key))).send().await.expect(200)
}

async fn change(app: &TestApp, shop: &TestShop, key: &Value, fields: Value) -> Answer {
    shop.signs(app.patch(&path(key))).json(&fields).send().await
}

async fn rotate(app: &TestApp, shop: &TestShop, key: &Value, overlap_secs: u32) -> Answer {
    let body = json!({"overlap_secs": overlap_secs});
    let rotate = app.post(&format!("{}/rotate", path(key)));
    shop.signs(rotate).json(&body).send().await
}

async fn revoke(app: &TestApp, shop: &TestShop, key: &Value) -> Answer {
    shop.signs(app.post(&format!("{}/revoke", path(key))))
        .send()
        .await
}

async fn try_verify(app: &TestApp, shop: &TestShop, secret: &str, fields: Value) -> Answer {
    let body = with(json!({"key": secret}), fields);
    shop.signs(app.post("/v1/keys/verify")).json(&body).send().await
}

async fn verify(app: &TestApp, shop: &TestShop, secret: &str, fields: Value) -> Value {
    try_verify(app, shop, secret, fields).await.expect(200)
}

/// The code of a verification that asks for nothing.
async fn code(app: &TestApp, shop: &TestShop, secret: &str) -> String {
    let verdict = verify(app, shop, secret, json!({})).await;
    assert_eq!(verdict["valid"], verdict["code"] == "valid", "{verdict}");
    verdict["code"].as_str().unwrap().to_owned()
}

both_databases! {
    async fn a_secret_is_shown_once_and_verifies(app: TestApp) {
        let shop = app.open_shop().await;
        let (key, secret) = create(app, &shop, json!({"prefix": "acme_live_", "end_user": "ada",
            "permissions": ["documents.write", "documents.read"], "metadata": {"device": "laptop"}})).await;
        assert!(secret.starts_with("acme_live_") && secret.len() == "acme_live_".len() + 71);
        assert_eq!(key["hint"], json!(secret[secret.len() - 4..]));
        assert_eq!(key["permissions"], json!(["documents.read", "documents.write"]));
        assert_eq!((&key["customer"], &key["enabled"]), (&json!(shop.customer), &json!(true)));

        let listed = shop.signs(app.get(KEYS)).send().await;
        assert!(!listed.text().contains(&secret[20..]));
        assert_eq!(listed.expect(200)["data"], json!([key]));
        assert_eq!(get(app, &shop, &key).await, key);

        let verdict = verify(app, &shop, &secret, json!({})).await;
        assert_eq!((&verdict["valid"], &verdict["code"]), (&json!(true), &json!("valid")));
        for (told, of_key) in [("key", "id"), ("name", "name"), ("customer", "customer"), ("end_user", "end_user"),
            ("permissions", "permissions"), ("metadata", "metadata")] {
            assert_eq!(verdict[told], key[of_key], "{told}");
        }
        assert_eq!(events(app, &shop, &id(&key)).await, ["customer_key.created"]);
        assert_eq!(actions(app, &shop, &id(&key)).await, ["customer_key.create"]);
    }

    async fn without_a_prefix_a_key_tells_its_mode(app: TestApp) {
        let shop = app.open_shop().await;
        let (_, secret) = create(app, &shop, json!({})).await;
        assert!(secret.starts_with("ck_test_"));
    }

    async fn what_is_no_key_of_the_platform_is_not_found(app: TestApp) {
        let shop = app.open_shop().await;
        let (_, secret) = create(app, &shop, json!({"prefix": "acme_"})).await;
        let mut tampered = secret.clone().into_bytes();
        let place = tampered.len() - 20;
        tampered[place] = if tampered[place] == b'x' { b'y' } else { b'x' };
        let tampered = String::from_utf8(tampered).unwrap();
        let unmade = ::runtime::crypto::IssuedKey::generate("acme_").unwrap().1;
        for wrong in [tampered.as_str(), "acme_", "no key", &secret[..40], unmade.as_str(), &secret.replace("acme_", "ecma_")] {
            let verdict = verify(app, &shop, wrong, json!({})).await;
            assert_eq!((&verdict["valid"], &verdict["code"]), (&json!(false), &json!("not_found")), "{wrong}");
            assert_eq!((&verdict["key"], &verdict["customer"]), (&Value::Null, &Value::Null));
        }
        assert_eq!(code(app, &shop, &secret).await, "valid");
    }

    async fn the_secret_decides_and_not_the_id(app: TestApp) {
        let shop = app.open_shop().await;
        let (key, secret) = create(app, &shop, json!({})).await;
        let id: CustomerKeyId = id(&key).parse().unwrap();
        let hash = &[7_u8; 32];
        let swap = "UPDATE customer_keys SET secret_hash = $2 WHERE customer_key_id = $1";
        app.app.db().of(app.system()).write(|mut tx| async move { tx.execute(swap, params![id, hash.as_slice()]).await }).await.unwrap();
        assert_eq!(code(app, &shop, &secret).await, "not_found");
    }

    async fn another_workspace_s_keys_are_not_there(app: TestApp) {
        let (shop, stranger) = (app.open_shop().await, app.open_shop().await);
        let (key, secret) = create(app, &shop, json!({})).await;
        // Known here by now, and still nothing to a stranger.
        assert_eq!(code(app, &shop, &secret).await, "valid");
        assert_eq!(code(app, &stranger, &secret).await, "not_found");
        stranger.signs(app.get(&path(&key))).send().await.refused(404, "not_found");
        change(app, &stranger, &key, json!({"enabled": false})).await.refused(404, "not_found");
        rotate(app, &stranger, &key, 0).await.refused(404, "not_found");
        revoke(app, &stranger, &key).await.refused(404, "not_found");
        assert_eq!(stranger.signs(app.get(KEYS)).send().await.expect(200)["data"], json!([]));
        try_create(app, &stranger, json!({"customer": shop.customer})).await.refused(404, "not_found");
        let of_ours = format!("{KEYS}?customer={}", shop.customer);
        stranger.signs(app.get(&of_ours)).send().await.refused(404, "not_found");
        assert_eq!(get(app, &shop, &key).await, key);
    }

    async fn another_mode_s_key_is_forbidden_and_another_platform_s_not_found(app: TestApp) {
        let owner = app.sign_up().await;
        let live = app.open_shop_of(owner.clone(), "live").await;
        let other = app.open_shop_of(owner.clone(), "live").await;
        let (key, secret) = create(app, &live, json!({})).await;
        let body = json!({"key": secret});
        let in_test = owner.signs(app.post("/v1/keys/verify")).header("plinth-platform", live.platform).header("plinth-mode", "test");
        let verdict = in_test.json(&body).send().await.expect(200);
        assert_eq!((&verdict["valid"], &verdict["code"]), (&json!(false), &json!("forbidden")));
        assert_eq!(verdict["key"], Value::Null);
        assert_eq!(code(app, &other, &secret).await, "not_found");
        assert_eq!(code(app, &live, &secret).await, "valid");
        let read = owner.signs(app.get(&path(&key))).header("plinth-platform", live.platform).header("plinth-mode", "test");
        read.send().await.refused(404, "not_found");
    }

    async fn a_key_is_refused_from_the_instant_it_expires(app: TestApp) {
        let shop = app.open_shop().await;
        let end = app.app.now() + Duration::from_secs(100);
        let (key, secret) = create(app, &shop, json!({"expires_at": end})).await;
        app.advance(Duration::from_micros(99_999_999));
        assert_eq!(code(app, &shop, &secret).await, "valid");
        app.advance(Duration::from_micros(1));
        let verdict = verify(app, &shop, &secret, json!({})).await;
        assert_eq!((&verdict["code"], &verdict["key"]), (&json!("expired"), &key["id"]));
        rotate(app, &shop, &key, 0).await.refused(409, "conflict");
        change(app, &shop, &key, json!({"expires_at": null})).await.expect(200);
        assert_eq!(code(app, &shop, &secret).await, "valid");
    }

    async fn a_disabled_key_is_refused_until_it_is_enabled(app: TestApp) {
        let shop = app.open_shop().await;
        let (key, secret) = create(app, &shop, json!({})).await;
        assert_eq!(code(app, &shop, &secret).await, "valid");
        assert_eq!(change(app, &shop, &key, json!({"enabled": false})).await.expect(200)["enabled"], false);
        assert_eq!(code(app, &shop, &secret).await, "disabled");
        change(app, &shop, &key, json!({"enabled": true})).await.expect(200);
        assert_eq!(code(app, &shop, &secret).await, "valid");
        let told = ["customer_key.created", "customer_key.updated", "customer_key.updated"];
        assert_eq!(events(app, &shop, &id(&key)).await, told);
    }

    async fn a_revoked_key_is_refused_at_once_and_for_good(app: TestApp) {
        let shop = app.open_shop().await;
        let (key, secret) = create(app, &shop, json!({})).await;
        assert_eq!(code(app, &shop, &secret).await, "valid");
        let revoked = revoke(app, &shop, &key).await.expect(200);
        assert_eq!(revoked["revoked_at"], json!(app.app.now()));
        assert_eq!(code(app, &shop, &secret).await, "revoked");
        app.advance(Duration::from_secs(60));
        assert_eq!(revoke(app, &shop, &key).await.expect(200), revoked);
        change(app, &shop, &key, json!({"enabled": true})).await.refused(409, "conflict");
        rotate(app, &shop, &key, 0).await.refused(409, "conflict");
        assert_eq!(actions(app, &shop, &id(&key)).await, ["customer_key.create", "customer_key.revoke"]);
        let log = shop.owner.signs(app.get("/v1/audit_entries")).send().await.expect(200);
        assert!(!log.to_string().contains(&secret));
    }

    async fn an_archived_customer_s_keys_are_refused(app: TestApp) {
        let shop = app.open_shop().await;
        let (key, secret) = create(app, &shop, json!({})).await;
        let archive = format!("/v1/customers/{}/archive", shop.customer);
        shop.signs(app.post(&archive)).send().await.expect(200);
        assert_eq!(code(app, &shop, &secret).await, "customer_archived");
        try_create(app, &shop, json!({})).await.refused(422, "customer_archived");
        rotate(app, &shop, &key, 0).await.refused(422, "customer_archived");
    }

    async fn a_rotated_key_is_good_for_the_overlap(app: TestApp) {
        let shop = app.open_shop().await;
        let (old, old_secret) = create(app, &shop, json!({"prefix": "acme_", "permissions": ["a"], "limits": [{"feature": "calls", "amount": 3}]})).await;
        assert_eq!(code(app, &shop, &old_secret).await, "valid");
        let (new, new_secret) = parts(rotate(app, &shop, &old, 60).await);
        for field in ["customer", "name", "prefix", "permissions", "limits", "expires_at"] {
            assert_eq!(new[field], old[field], "{field}");
        }
        assert!(new_secret.starts_with("acme_") && new_secret != old_secret);
        assert_eq!(get(app, &shop, &old).await["rotated_to"], new["id"]);
        assert_eq!(code(app, &shop, &old_secret).await, "valid");
        assert_eq!(code(app, &shop, &new_secret).await, "valid");
        rotate(app, &shop, &old, 0).await.refused(409, "conflict");
        let refusal = change(app, &shop, &old, json!({"name": "mine"})).await.refused(409, "conflict");
        assert!(refusal["detail"].as_str().unwrap().contains(&id(&new)));

        app.advance(Duration::from_secs(60));
        assert_eq!(code(app, &shop, &old_secret).await, "expired");
        assert_eq!(code(app, &shop, &new_secret).await, "valid");
        let (_, newest) = parts(rotate(app, &shop, &new, 0).await);
        assert_eq!(code(app, &shop, &new_secret).await, "expired");
        assert_eq!(code(app, &shop, &newest).await, "valid");
        rotate(app, &shop, &new, 30 * 86_400 + 1).await.refused(422, "validation_failed");
        let told = ["customer_key.created", "customer_key.rotated"];
        assert_eq!(events(app, &shop, &id(&old)).await, told);
    }

    async fn permissions_are_asked_for_as_a_list_or_an_expression(app: TestApp) {
        let shop = app.open_shop().await;
        let (_, secret) = create(app, &shop, json!({"permissions": ["documents.*", "billing.read"]})).await;
        for (asked, answer) in [
            (json!(["documents.read", "billing.read"]), "valid"),
            (json!(["documents.read", "billing.write"]), "insufficient_permissions"),
            (json!("billing.write OR documents.write"), "valid"),
            (json!("documents.read AND (billing.write OR admin)"), "insufficient_permissions"),
        ] {
            let verdict = verify(app, &shop, &secret, json!({"permissions": asked})).await;
            assert_eq!(verdict["code"], answer, "{asked}");
            assert_eq!(verdict["permissions"], json!(["billing.read", "documents.*"]));
        }
        for wrong in [json!("a AND"), json!("a b"), json!(["a b"]), json!(7)] {
            let problem = try_verify(app, &shop, &secret, json!({"permissions": wrong})).await;
            let field = problem.refused(422, "validation_failed")["errors"][0]["field"].clone();
            assert!(field.as_str().unwrap().starts_with("permissions"), "{field}");
        }
    }

    async fn a_change_is_what_was_asked_for(app: TestApp) {
        let shop = app.open_shop().await;
        let (key, _) = create(app, &shop, json!({"metadata": {"a": "1"}, "permissions": ["a"]})).await;
        assert_eq!(change(app, &shop, &key, json!({})).await.expect(200), key);
        let limits = json!([{"feature": "calls", "amount": 7, "period": "day"}]);
        let rates = json!([{"name": "per_minute", "limit": 60, "per_secs": 60, "burst": 5}]);
        let fields = json!({"name": "desktop", "permissions": [], "metadata": {}, "limits": limits, "rate_limits": rates,
            "credits": {"amount": 20, "refill": {"period": "month", "amount": 100}}});
        let changed = change(app, &shop, &key, fields).await.expect(200);
        assert_eq!(json!([changed["name"], changed["permissions"], changed["metadata"]]), json!(["desktop", [], {}]));
        assert_eq!(changed["limits"][0]["amount"], 7);
        assert_eq!(changed["limits"][0]["period"], "day");
        assert_eq!(changed["rate_limits"], rates);
        assert_eq!(changed["credits"]["remaining"], 20);
        assert_eq!(changed["credits"]["refill"], json!({"period": "month", "amount": 100}));
        assert_eq!(get(app, &shop, &key).await, changed);
        let cleared = change(app, &shop, &key, json!({"credits": null, "limits": [], "rate_limits": []})).await.expect(200);
        assert_eq!(json!([cleared["credits"], cleared["limits"], cleared["rate_limits"]]), json!([null, [], []]));
    }

    async fn what_breaks_a_rule_names_its_field(app: TestApp) {
        let shop = app.open_shop().await;
        let past = app.app.now() - Duration::from_secs(1);
        let rate = |name: &str, limit: i64| json!({"name": name, "limit": limit, "per_secs": 1});
        let cases = [
            (json!({"name": ""}), "name"),
            (json!({"name": "a\u{0}"}), "name"),
            (json!({"prefix": "acme"}), "prefix"),
            (json!({"prefix": "sk_live_"}), "prefix"),
            (json!({"permissions": ["a", "b c"]}), "permissions[1]"),
            (json!({"metadata": {"": "x"}}), "metadata"),
            (json!({"expires_at": past}), "expires_at"),
            (json!({"limits": [{"feature": "nothing", "amount": 1}]}), "limits[0].feature"),
            (json!({"limits": [{"feature": "calls", "amount": -1}]}), "limits[0].amount"),
            (json!({"limits": [{"feature": "calls", "amount": 1, "period": "rolling"}]}), "limits[0].period"),
            (json!({"limits": [{"feature": "calls", "amount": 1}, {"feature": "calls", "amount": 2}]}), "limits[1].feature"),
            (json!({"credits": {"amount": -1}}), "credits.amount"),
            (json!({"credits": {"amount": 1, "refill": {"period": "day", "amount": -1}}}), "credits.refill.amount"),
            (json!({"rate_limits": [rate("a", 0)]}), "rate_limits[0].limit"),
            (json!({"rate_limits": [rate("a b", 1)]}), "rate_limits[0].name"),
            (json!({"rate_limits": [rate("a", 1), rate("a", 2)]}), "rate_limits[1].name"),
        ];
        for (fields, field) in cases {
            let problem = try_create(app, &shop, fields.clone()).await.refused(422, "validation_failed");
            assert_eq!(problem["errors"][0]["field"], field, "{fields}");
        }
        let (key, _) = create(app, &shop, json!({})).await;
        for (fields, field) in [
            (json!({"add_credits": 5}), "add_credits"),
            (json!({"add_credits": 0, "name": "a"}), "add_credits"),
            (json!({"add_credits": 5, "credits": {"amount": 5}}), "add_credits"),
            (json!({"name": ""}), "name"),
            (json!({"limits": [{"feature": "nothing", "amount": 1}]}), "limits[0].feature"),
        ] {
            let problem = change(app, &shop, &key, fields.clone()).await.refused(422, "validation_failed");
            assert_eq!(problem["errors"][0]["field"], field, "{fields}");
        }
        try_create(app, &shop, json!({"customer": "nobody"})).await.refused(404, "not_found");
        try_create(app, &shop, json!({"end_user": "eus_00000000000000000000000000"})).await.refused(404, "not_found");
        try_verify(app, &shop, "", json!({})).await.refused(422, "validation_failed");
    }

    async fn each_verb_needs_its_permission(app: TestApp) {
        let shop = app.open_shop().await;
        let (key, secret) = create(app, &shop, json!({})).await;
        let verifier = key_with(app, &shop, &["customer_keys:verify"]).await;
        let body = json!({"key": secret});
        app.post("/v1/keys/verify").key(&verifier).json(&body).send().await.expect(200);
        app.get(&path(&key)).key(&verifier).send().await.refused(403, "permission_denied");
        let reader = key_with(app, &shop, &["customer_keys:read"]).await;
        app.get(&path(&key)).key(&reader).send().await.expect(200);
        app.get(KEYS).key(&reader).send().await.expect(200);
        app.post("/v1/keys/verify").key(&reader).json(&body).send().await.refused(403, "permission_denied");
        app.patch(&path(&key)).key(&reader).json(&json!({"name": "a"})).send().await.refused(403, "permission_denied");
        app.post(&format!("{}/revoke", path(&key))).key(&reader).send().await.refused(403, "permission_denied");
        app.post(KEYS).key(&reader).json(&json!({"customer": "acme", "name": "a"})).send().await.refused(403, "permission_denied");
    }

    async fn keys_are_listed_newest_first_and_by_customer(app: TestApp) {
        let shop = app.open_shop().await;
        app.new_customer(&shop.key, "globex").await;
        let (first, _) = create(app, &shop, json!({})).await;
        let (other, _) = create(app, &shop, json!({"customer": "globex"})).await;
        let (last, _) = create(app, &shop, json!({})).await;
        let list = async |query: &str| shop.signs(app.get(&format!("{KEYS}{query}"))).send().await.expect(200);
        assert_eq!(list("").await["data"], json!([last, other, first]));
        assert_eq!(list("?customer=acme").await["data"], json!([last, first]));
        let page = list("?customer=acme&limit=1").await;
        assert_eq!(page["data"], json!([last]));
        let next = format!("?customer=acme&limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
        assert_eq!(list(&next).await["data"], json!([first]));
        shop.signs(app.get(&format!("{KEYS}?customer=nobody"))).send().await.refused(404, "not_found");
        shop.signs(app.get(&format!("{KEYS}?cursor=x"))).send().await.refused(422, "validation_failed");
    }

    async fn when_a_key_was_used_is_known_to_the_minute(app: TestApp) {
        let shop = app.open_shop().await;
        let (key, secret) = create(app, &shop, json!({})).await;
        write_uses(&app.app).await.unwrap();
        assert_eq!(get(app, &shop, &key).await["last_used_at"], Value::Null);
        verify(app, &shop, &secret, json!({})).await;
        write_uses(&app.app).await.unwrap();
        assert_eq!(get(app, &shop, &key).await["last_used_at"], json!(app.app.now()));
    }

    async fn a_customer_has_a_limit_of_usable_keys(app: TestApp) {
        let shop = app.open_shop().await;
        let (first, _) = create(app, &shop, json!({})).await;
        fill(app, &shop, &first, MAX_KEYS - 1).await;
        try_create(app, &shop, json!({})).await.refused(409, "conflict");
        rotate(app, &shop, &first, 60).await.refused(409, "conflict");
        // Others have their own, and a replacement takes no room.
        app.new_customer(&shop.key, "globex").await;
        create(app, &shop, json!({"customer": "globex"})).await;
        parts(rotate(app, &shop, &first, 0).await);
    }

    async fn a_use_needs_room_in_the_customer_s_quota_and_in_the_key_s(app: TestApp) {
        let shop = app.open_shop().await;
        let (_, narrow) = create(app, &shop, json!({"limits": [{"feature": "calls", "amount": 3, "period": "day"}]})).await;
        let (_, wide) = create(app, &shop, json!({})).await;
        let call = json!({"feature": "calls"});
        for used in 1..=3 {
            let verdict = verify(app, &shop, &narrow, call.clone()).await;
            assert_eq!((&verdict["code"], &verdict["usage"]["used"]), (&json!("valid"), &json!(used)));
        }
        let refused = verify(app, &shop, &narrow, call.clone()).await;
        assert_eq!(json!([refused["valid"], refused["code"], refused["limited_by"]]), json!([false, "usage_exceeded", "key"]));
        assert!(refused["retry_after_secs"].as_u64().unwrap() <= 86_400);
        // What is left of the customer's five, all of it or nothing.
        let refused = verify(app, &shop, &wide, json!({"feature": "calls", "amount": 3})).await;
        assert_eq!(json!([refused["code"], refused["limited_by"]]), json!(["usage_exceeded", "customer"]));
        let last = verify(app, &shop, &wide, json!({"feature": "calls", "amount": 2})).await;
        assert_eq!(json!([last["code"], last["usage"]["remaining"]]), json!(["valid", 0]));
        let consumed = shop.signs(app.post("/v1/usage/consume")).json(&shop.usage(1)).send().await;
        consumed.refused(429, "quota_exceeded");
        // Tomorrow the key's quota starts again, and the customer's does not, unless the month ends.
        app.advance(Duration::from_secs(86_400));
        let tomorrow = verify(app, &shop, &narrow, call.clone()).await;
        assert_ne!(tomorrow["limited_by"], "key");
    }

    async fn what_a_use_is_of_has_to_be_there(app: TestApp) {
        let shop = app.open_shop().await;
        let (_, secret) = create(app, &shop, json!({})).await;
        let tokens = json!({"key": "tokens", "name": "Tokens", "kind": "metered", "meter": {"aggregation": "sum", "scale": 2, "period": "month"}});
        shop.signs(app.post("/v1/features")).json(&tokens).send().await.expect(201);
        let verdict = verify(app, &shop, &secret, json!({"feature": "tokens"})).await;
        assert_eq!(json!([verdict["valid"], verdict["code"]]), json!([false, "feature_not_in_plan"]));
        try_verify(app, &shop, &secret, json!({"feature": "nothing"})).await.refused(404, "not_found");
        for (fields, field) in [
            (json!({"amount": 2}), "amount"),
            (json!({"dimensions": {"model": "small"}}), "dimensions"),
            (json!({"feature": "calls", "amount": 0}), "amount"),
            (json!({"feature": "calls", "route": ""}), "route"),
            (json!({"idempotency_key": "k".repeat(256)}), "idempotency_key"),
        ] {
            let problem = try_verify(app, &shop, &secret, fields.clone()).await.refused(422, "validation_failed");
            assert_eq!(problem["errors"][0]["field"], field, "{fields}");
        }
    }

    async fn credits_are_never_oversold(app: TestApp) {
        let shop = app.open_shop().await;
        let (key, secret) = create(app, &shop, json!({"credits": {"amount": 20}})).await;
        let verdicts = join_all((0..50).map(|_| verify(app, &shop, &secret, json!({})))).await;
        let valid = verdicts.iter().filter(|verdict| verdict["valid"] == true).count();
        assert_eq!(valid, 20);
        let refused = verdicts.iter().find(|verdict| verdict["valid"] == false).unwrap();
        assert_eq!(json!([refused["code"], refused["limited_by"], refused["credits_remaining"]]), json!(["usage_exceeded", "credits", 0]));
        assert_eq!(refused["retry_after_secs"], Value::Null);
        assert_eq!(get(app, &shop, &key).await["credits"]["remaining"], 0);
    }

    async fn credits_that_are_added_meanwhile_are_neither_lost_nor_doubled(app: TestApp) {
        let shop = app.open_shop().await;
        let (key, secret) = create(app, &shop, json!({"credits": {"amount": 10}})).await;
        let add = async || { change(app, &shop, &key, json!({"add_credits": 5})).await.expect(200); };
        let spend = async || join_all((0..15).map(|_| code(app, &shop, &secret))).await;
        let (_, _, first) = tokio::join!(add(), add(), spend());
        let rest = spend().await;
        let valid = first.iter().chain(&rest).filter(|code| *code == "valid").count();
        assert_eq!(valid, 20);
        // Set anew, they are what was said, whatever was used before.
        let set = change(app, &shop, &key, json!({"credits": {"amount": 2}})).await.expect(200);
        assert_eq!(set["credits"]["remaining"], 2);
        let codes = [code(app, &shop, &secret).await, code(app, &shop, &secret).await, code(app, &shop, &secret).await];
        assert_eq!(codes, ["valid", "valid", "usage_exceeded"]);
        change(app, &shop, &key, json!({"credits": null})).await.expect(200);
        assert_eq!(verify(app, &shop, &secret, json!({})).await["credits_remaining"], Value::Null);
    }

    async fn a_credit_is_a_verification_whatever_the_amount(app: TestApp) {
        let shop = app.open_shop().await;
        let (key, secret) = create(app, &shop, json!({"credits": {"amount": 3}})).await;
        let verdict = verify(app, &shop, &secret, json!({"feature": "calls", "amount": 4})).await;
        assert_eq!(json!([verdict["code"], verdict["credits_remaining"], verdict["usage"]["used"]]), json!(["valid", 2, 4]));
        // What the customer's quota refuses uses up no credit, and the other way round.
        let refused = verify(app, &shop, &secret, json!({"feature": "calls", "amount": 2})).await;
        assert_eq!(json!([refused["limited_by"], refused["credits_remaining"]]), json!(["customer", 2]));
        change(app, &shop, &key, json!({"credits": {"amount": 0}})).await.expect(200);
        let refused = verify(app, &shop, &secret, json!({"feature": "calls"})).await;
        assert_eq!(json!([refused["code"], refused["limited_by"]]), json!(["usage_exceeded", "credits"]));
        let left = shop.signs(app.post("/v1/usage/check")).json(&shop.usage(1)).send().await.expect(200);
        assert_eq!(left["used"], 4);
    }

    async fn credits_are_refilled_when_the_customer_s_period_begins(app: TestApp) {
        let shop = app.open_shop().await;
        let (key, secret) = create(app, &shop, json!({"credits": {"amount": 1, "refill": {"period": "day", "amount": 2}}})).await;
        let codes = async || [code(app, &shop, &secret).await, code(app, &shop, &secret).await, code(app, &shop, &secret).await];
        assert_eq!(codes().await, ["valid", "usage_exceeded", "usage_exceeded"]);
        let refused = verify(app, &shop, &secret, json!({})).await;
        assert!(refused["retry_after_secs"].as_u64().unwrap() <= 86_400);
        app.advance(Duration::from_secs(86_400));
        assert_eq!(get(app, &shop, &key).await["credits"]["remaining"], 2);
        assert_eq!(codes().await, ["valid", "valid", "usage_exceeded"]);
        change(app, &shop, &key, json!({"add_credits": 1})).await.expect(200);
        assert_eq!(codes().await, ["valid", "usage_exceeded", "usage_exceeded"]);
        app.advance(Duration::from_secs(86_400));
        assert_eq!(codes().await, ["valid", "valid", "usage_exceeded"]);
    }

    async fn a_key_is_slowed_down_by_its_own_rate_limits_and_the_platform_s(app: TestApp) {
        let shop = app.open_shop().await;
        let rates = json!([{"name": "per_minute", "limit": 2, "per_secs": 60}]);
        let (_, slow) = create(app, &shop, json!({"rate_limits": rates})).await;
        let (_, other) = create(app, &shop, json!({})).await;
        let verdict = verify(app, &shop, &slow, json!({})).await;
        let standing = json!([{"rate_limit": "per_minute", "burst": 2, "remaining": 1, "reset_after_secs": 30}]);
        assert_eq!(verdict["rate_limits"], standing);
        assert_eq!(code(app, &shop, &slow).await, "valid");
        let refused = verify(app, &shop, &slow, json!({})).await;
        assert_eq!(json!([refused["code"], refused["limited_by"], refused["retry_after_secs"]]), json!(["rate_limited", "rate_limit", 30]));
        assert_eq!(code(app, &shop, &other).await, "valid");
        app.advance(Duration::from_secs(30));
        assert_eq!(code(app, &shop, &slow).await, "valid");

        let rule = json!({"name": "keys", "applies_to": "api_key", "limit": 1, "per_secs": 60});
        shop.signs(app.post("/v1/rate_limits")).json(&rule).send().await.expect(201);
        assert_eq!(code(app, &shop, &other).await, "valid");
        assert_eq!(code(app, &shop, &other).await, "rate_limited");
    }

    async fn a_rotation_gives_nobody_a_second_helping(app: TestApp) {
        let shop = app.open_shop().await;
        let (old, old_secret) = create(app, &shop, json!({"credits": {"amount": 4}, "limits": [{"feature": "calls", "amount": 3}]})).await;
        let call = json!({"feature": "calls"});
        assert_eq!(verify(app, &shop, &old_secret, call.clone()).await["credits_remaining"], 3);
        let (new, new_secret) = parts(rotate(app, &shop, &old, 60).await);
        assert_eq!(new["credits"]["remaining"], 3);
        assert_eq!(verify(app, &shop, &new_secret, call.clone()).await["credits_remaining"], 2);
        assert_eq!(verify(app, &shop, &old_secret, call.clone()).await["credits_remaining"], 1);
        let refused = verify(app, &shop, &new_secret, call.clone()).await;
        assert_eq!(refused["limited_by"], "key");
        // What is changed about the new key holds for the old one too.
        change(app, &shop, &new, json!({"credits": {"amount": 1}, "limits": []})).await.expect(200);
        assert_eq!(verify(app, &shop, &old_secret, call.clone()).await["credits_remaining"], 0);
        assert_eq!(verify(app, &shop, &new_secret, call).await["limited_by"], "credits");
    }

    async fn a_verification_is_counted_once_under_its_key(app: TestApp) {
        let shop = app.open_shop().await;
        let (_, secret) = create(app, &shop, json!({"credits": {"amount": 5}, "end_user": "ada"})).await;
        let fields = json!({"feature": "calls", "idempotency_key": "call-1"});
        let first = try_verify(app, &shop, &secret, fields.clone()).await;
        assert_eq!(first.header("idempotent-replayed"), None);
        let again = try_verify(app, &shop, &secret, fields).await;
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.expect(200), first.expect(200));
        let other = json!({"feature": "calls", "amount": 2, "idempotency_key": "call-1"});
        try_verify(app, &shop, &secret, other).await.refused(422, "idempotency_key_reused");
        let verdict = verify(app, &shop, &secret, json!({"feature": "calls"})).await;
        assert_eq!(json!([verdict["credits_remaining"], verdict["usage"]["used"]]), json!([3, 2]));
        let log = shop.signs(app.get("/v1/usage/events?customer=acme")).send().await.expect(200);
        assert_eq!(log["data"].as_array().unwrap().len(), 2);
        assert_eq!(log["data"][0]["end_user"], verdict["end_user"]);
    }

    async fn a_verification_of_nothing_but_the_key_writes_nothing(app: TestApp) {
        let shop = app.open_shop().await;
        let (_, secret) = create(app, &shop, json!({"limits": [{"feature": "calls", "amount": 3}]})).await;
        let (_, spent) = create(app, &shop, json!({"credits": {"amount": 5}})).await;
        assert_eq!(counters(app, &shop).await, 0);
        assert_eq!(code(app, &shop, &secret).await, "valid");
        verify(app, &shop, &secret, json!({"permissions": ["none"], "feature": "calls"})).await;
        assert_eq!(counters(app, &shop).await, 0);
        assert_eq!(code(app, &shop, &spent).await, "valid");
        assert_eq!(counters(app, &shop).await, 1);
    }

    async fn a_customer_who_is_archived_meanwhile_uses_nothing(app: TestApp) {
        let shop = app.open_shop().await;
        let (_, secret) = create(app, &shop, json!({})).await;
        assert_eq!(code(app, &shop, &secret).await, "valid");
        let archive = format!("/v1/customers/{}/archive", shop.customer);
        shop.signs(app.post(&archive)).send().await.expect(200);
        let verdict = verify(app, &shop, &secret, json!({"feature": "calls"})).await;
        assert_eq!(json!([verdict["valid"], verdict["code"]]), json!([false, "customer_archived"]));
    }
}

/// How many counters the workspace has.
async fn counters(app: &TestApp, shop: &TestShop) -> i64 {
    const COUNT: &str = "SELECT COUNT(*) AS n FROM counters WHERE workspace_id = $1";
    let workspace = shop.owner.workspace;
    app.app
        .db()
        .of(app.system())
        .read(|mut tx| async move { tx.fetch_one(COUNT, params![workspace]).await?.get("n") })
        .await
        .unwrap()
}

/// Adds copies of a key without asking anybody.
pub async fn fill(app: &TestApp, shop: &TestShop, key: &Value, keys: i64) {
    const INSERT: &str = "INSERT INTO customer_keys
        (workspace_id, platform_id, mode, customer_key_id, family_id, customer_id, name, prefix, hint, secret_hash, pepper_id,
         permissions, metadata, limits, rate_limits, enabled, created_by, created_at) VALUES";
    let family: CustomerKeyId = id(key).parse().unwrap();
    let (workspace, now) = (shop.owner.workspace, app.app.now());
    let row = || {
        let id = CustomerKeyId::generate();
        params![
            workspace,
            shop.platform,
            shop.mode,
            id,
            family,
            shop.customer,
            "filler",
            "ck_",
            "",
            vec![0_u8; 32],
            id,
            "[]",
            "{}",
            "[]",
            "[]",
            true,
            "operator",
            now
        ]
    };
    let rows: Vec<_> = (0..keys).map(|_| row()).collect();
    let rows = &rows;
    app.app
        .db()
        .of(app.system())
        .write(|mut tx| async move { tx.insert_rows(INSERT, rows.clone(), "").await })
        .await
        .unwrap();
}

#[test]
fn another_node_refuses_a_revoked_key_within_a_second() {
    run(Backend::Postgres, async |app: &TestApp| {
        let other = TestApp::start(Backend::Postgres).await;
        let shop = app.open_shop().await;
        let (key, secret) = create(app, &shop, json!({})).await;
        assert_eq!(code(&other, &shop, &secret).await, "valid");
        revoke(app, &shop, &key).await.expect(200);
        let revoked_at = Instant::now();
        while code(&other, &shop, &secret).await == "valid" {
            assert!(revoked_at.elapsed() < Duration::from_secs(1));
        }
        assert_eq!(code(&other, &shop, &secret).await, "revoked");
        other.stop().await;
    });
}
