//! Customers and their end users.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::records::{actions, events, key_with};
use crate::harness::{Answer, Example, TestApp, TestShop};

pub const EXAMPLES: &[Example] = &[
    example!("POST /v1/customers", |_world| {"external_id": "globex"}),
    example!("GET /v1/customers"),
    example!("GET /v1/customers/{customer}", "customer" = "customer"),
    example!("PATCH /v1/customers/{customer}", "customer" = "customer", |_world| {"name": "Renamed"}),
    example!(
        "POST /v1/customers/{customer}/archive",
        "customer" = "spare_customer"
    ),
    example!(
        "POST /v1/customers/{customer}/unarchive",
        "customer" = "spare_customer"
    ),
    example!("POST /v1/customers/{customer}/end_users", "customer" = "customer", |_world| {"external_id": "ada"}),
    example!("GET /v1/customers/{customer}/end_users", "customer" = "customer"),
];

async fn create(app: &TestApp, shop: &TestShop, body: Value) -> Answer {
    shop.signs(app.post("/v1/customers")).json(&body).send().await
}

async fn update(app: &TestApp, shop: &TestShop, id: &str, body: Value) -> Answer {
    let path = format!("/v1/customers/{id}");
    shop.signs(app.patch(&path)).json(&body).send().await
}

fn id(resource: &Value) -> String {
    resource["id"].as_str().unwrap().to_owned()
}

both_databases! {
    async fn a_customer_is_made_found_and_on_the_default_plan(app: TestApp) {
        let shop = app.open_shop().await;
        let body = json!({"external_id": "org-7", "name": "Zoë", "email": "zoe@example.com",
            "metadata": {"tier": "gold"}, "time_zone": "Europe/Berlin", "anchor_day": 31});
        let made = create(app, &shop, body).await.expect(201);
        assert_eq!(made["anchor"], json!({"first": "2024-01-31T00:00:00", "zone": "Europe/Berlin"}));
        assert_eq!(made["metadata"], json!({"tier": "gold"}));
        let path = format!("/v1/customers/{}", id(&made));
        assert_eq!(shop.signs(app.get(&path)).send().await.expect(200), made);

        let found = shop.signs(app.get("/v1/customers?external_id=org-7")).send().await.expect(200);
        assert_eq!(found["data"], json!([made]));
        let nobody = shop.signs(app.get("/v1/customers?external_id=org-8")).send().await.expect(200);
        assert_eq!(nobody["data"], json!([]));

        let path = format!("/v1/subscriptions?customer={}", id(&made));
        let subscriptions = shop.signs(app.get(&path)).send().await.expect(200);
        assert_eq!(subscriptions["data"].as_array().unwrap().len(), 1);
        assert_eq!(subscriptions["data"][0]["plan"], "free");
        assert_eq!(actions(app, &shop, &id(&made)).await, ["customer.create"]);
        assert_eq!(events(app, &shop, &id(&made)).await, ["customer.created"]);
        let subscription = id(&subscriptions["data"][0]);
        assert_eq!(events(app, &shop, &subscription).await, ["subscription.created"]);
    }

    async fn an_external_id_belongs_to_one_customer(app: TestApp) {
        let shop = app.open_shop().await;
        let problem = create(app, &shop, json!({"external_id": "acme"})).await.refused(409, "already_exists");
        assert_eq!(problem["errors"][0]["field"], "external_id");
        let other = create(app, &shop, json!({"external_id": "other"})).await.expect(201);
        let taken = json!({"external_id": "acme", "name": "Other"});
        update(app, &shop, &id(&other), taken).await.refused(409, "already_exists");
        // Nothing of a refused change was written.
        assert_eq!(create(app, &shop, json!({})).await.expect(201)["external_id"], Value::Null);
        let path = format!("/v1/customers/{}", id(&other));
        assert_eq!(shop.signs(app.get(&path)).send().await.expect(200), other);
    }

    async fn of_many_at_once_one_gets_the_external_id(app: TestApp) {
        let shop = app.open_shop().await;
        let body = json!({"external_id": "race"});
        let answers = join_all((0..8).map(|_| create(app, &shop, body.clone()))).await;
        let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((count(201), count(409)), (1, 7));
    }

    async fn what_breaks_a_rule_names_its_field(app: TestApp) {
        let shop = app.open_shop().await;
        let cases = [
            (json!({"name": ""}), "name"),
            (json!({"name": "a\u{0}b"}), "name"),
            (json!({"email": "nobody"}), "email"),
            (json!({"external_id": shop.customer}), "external_id"),
            (json!({"metadata": {"k": "v".repeat(501)}}), "metadata.k"),
            (json!({"metadata": {"": "v"}}), "metadata"),
            (json!({"metadata": {"k": 1}}), "metadata.k"),
            (json!({"time_zone": "Mars/Base"}), "time_zone"),
            (json!({"anchor_day": 32}), "anchor_day"),
            (json!({"anchor_day": 1, "anchor_at": "2026-01-01T00:00:00Z"}), "anchor_day"),
            (json!({"anchor_at": "tomorrow"}), "anchor_at"),
            (json!({"nickname": "Zoë"}), "nickname"),
        ];
        for (body, field) in cases {
            let problem = create(app, &shop, body.clone()).await.refused(422, "validation_failed");
            assert_eq!(problem["errors"][0]["field"], field, "{body}");
        }
    }

    async fn a_change_touches_what_it_names(app: TestApp) {
        let shop = app.open_shop().await;
        let body = json!({"name": "Before", "email": "a@example.com", "metadata": {"a": "1"}});
        let before = create(app, &shop, body).await.expect(201);
        let change = json!({"name": "After", "email": null});
        let after = update(app, &shop, &id(&before), change).await.expect(200);
        let mut expected = before.clone();
        expected["name"] = json!("After");
        expected["email"] = Value::Null;
        assert_eq!(after, expected);
        let after = update(app, &shop, &id(&before), json!({"metadata": {"b": "2"}})).await.expect(200);
        assert_eq!(after["metadata"], json!({"b": "2"}));
        // What changes nothing tells nothing.
        update(app, &shop, &id(&before), json!({})).await.expect(200);
        update(app, &shop, &id(&before), json!({"name": "After"})).await.expect(200);
        let told = events(app, &shop, &id(&before)).await;
        assert_eq!(told, ["customer.created", "customer.updated", "customer.updated"]);
        assert_eq!(actions(app, &shop, &id(&before)).await.len(), 3);
        update(app, &shop, &id(&before), json!({"anchor_day": 2})).await.refused(422, "validation_failed");
    }

    async fn an_archived_customer_can_use_nothing_until_they_are_back(app: TestApp) {
        let shop = app.open_shop().await;
        let path = format!("/v1/customers/{}", shop.customer);
        for _ in 0..2 {
            let archived = shop.signs(app.post(&format!("{path}/archive"))).send().await.expect(200);
            assert!(archived["archived_at"].is_string());
        }
        let listed = shop.signs(app.get("/v1/customers")).send().await.expect(200);
        assert_eq!(listed["data"], json!([]));
        let listed = shop.signs(app.get("/v1/customers?with_archived=true")).send().await.expect(200);
        assert_eq!(listed["data"].as_array().unwrap().len(), 1);
        let usage = shop.usage(1);
        shop.signs(app.post("/v1/usage/consume")).json(&usage).send().await.refused(422, "customer_archived");
        let body = json!({"customer": "acme", "plan": "paid"});
        shop.signs(app.post("/v1/subscriptions")).json(&body).send().await.refused(422, "customer_archived");
        let entitlement = format!("{path}/entitlements/calls?explain=true");
        let entitlement = shop.signs(app.get(&entitlement)).send().await.expect(200);
        assert_eq!(entitlement["entitled"], false);
        assert!(entitlement["explain"]["summary"].as_str().unwrap().contains("archived"));

        let back = shop.signs(app.post(&format!("{path}/unarchive"))).send().await.expect(200);
        assert_eq!(back["archived_at"], Value::Null);
        shop.signs(app.post("/v1/usage/consume")).json(&usage).send().await.expect(200);
        let told = events(app, &shop, &shop.customer.to_string()).await;
        assert_eq!(told, ["customer.created", "customer.archived", "customer.unarchived"]);
    }

    async fn customers_are_listed_newest_first_page_by_page(app: TestApp) {
        let shop = app.open_shop().await;
        for name in ["second", "third"] {
            app.new_customer(&shop.key, name).await;
        }
        let mut names = Vec::new();
        let mut path = "/v1/customers?limit=2".to_owned();
        loop {
            let page = shop.signs(app.get(&path)).send().await.expect(200);
            names.extend(page["data"].as_array().unwrap().iter().map(|customer| customer["name"].clone()));
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/v1/customers?limit=2&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(names, ["third", "second", "acme"]);
        let bad = shop.signs(app.get("/v1/customers?cursor=x")).send().await;
        assert_eq!(bad.refused(422, "validation_failed")["errors"][0]["field"], "cursor");
    }

    async fn end_users_are_made_once(app: TestApp) {
        let shop = app.open_shop().await;
        let path = format!("/v1/customers/{}/end_users", shop.customer);
        let body = json!({"external_id": "ada"});
        let first = shop.signs(app.post(&path)).json(&body).send().await.expect(200);
        let again = shop.signs(app.post(&path)).json(&body).send().await.expect(200);
        assert_eq!(first, again);
        assert_eq!(first["customer"], json!(shop.customer));
        assert_eq!(actions(app, &shop, &id(&first)).await, ["end_user.create"]);
        // Another customer's of the same name is somebody else.
        let other = app.new_customer(&shop.key, "other").await;
        let others = format!("/v1/customers/{other}/end_users");
        let namesake = shop.signs(app.post(&others)).json(&body).send().await.expect(200);
        assert_ne!(namesake["id"], first["id"]);
        let listed = shop.signs(app.get(&path)).send().await.expect(200);
        assert_eq!(listed["data"], json!([first]));
        let empty = json!({"external_id": ""});
        shop.signs(app.post(&path)).json(&empty).send().await.refused(422, "validation_failed");
    }

    async fn another_shop_s_customer_does_not_exist(app: TestApp) {
        let (shop, stranger) = (app.open_shop().await, app.open_shop().await);
        let path = format!("/v1/customers/{}", shop.customer);
        stranger.signs(app.get(&path)).send().await.refused(404, "not_found");
        stranger.signs(app.get(&format!("{path}/end_users"))).send().await.refused(404, "not_found");
        stranger.signs(app.post(&format!("{path}/archive"))).send().await.refused(404, "not_found");
        let mine = json!({"name": "Mine"});
        update(app, &stranger, &shop.customer.to_string(), mine).await.refused(404, "not_found");
        // The other mode of the same platform is another shop, too.
        let live = shop.owner.signs(app.get(&path)).header("plinth-platform", shop.platform);
        live.send().await.refused(404, "not_found");
        shop.signs(app.get("/v1/customers/cus_nobody")).send().await.refused(404, "not_found");
        assert_eq!(actions(app, &shop, &shop.customer.to_string()).await, ["customer.create"]);
    }

    async fn reading_is_not_changing(app: TestApp) {
        let shop = app.open_shop().await;
        let reader = key_with(app, &shop, &["customers:read"]).await;
        let path = format!("/v1/customers/{}", shop.customer);
        app.get(&path).key(&reader).send().await.expect(200);
        let name = json!({"name": "x"});
        let refused = app.post("/v1/customers").key(&reader).json(&name).send().await;
        refused.refused(403, "permission_denied");
        app.patch(&path).key(&reader).json(&name).send().await.refused(403, "permission_denied");
        app.post(&format!("{path}/archive")).key(&reader).send().await.refused(403, "permission_denied");
        let ada = json!({"external_id": "ada"});
        let end_users = app.post(&format!("{path}/end_users")).key(&reader).json(&ada);
        end_users.send().await.refused(403, "permission_denied");
        let blind = key_with(app, &shop, &["usage:consume"]).await;
        app.get(&path).key(&blind).send().await.refused(403, "permission_denied");
        app.get("/v1/customers").key(&blind).send().await.refused(403, "permission_denied");
    }
}
