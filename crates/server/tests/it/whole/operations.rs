//! A walk over every operation of the API: with no credential, as a viewer, with a publishable key, as a stranger, and as the
//! owner. The document says which operations there are, so a new one fails here until it has an example.

use std::collections::BTreeSet;

use commerce::api_keys::PLATFORM_SCOPES;
use serde_json::{Value, json};
use types::Role;

use crate::harness::{Answer, Call, Member, PASSWORD, TestApp, TestShop};

/// What the examples are about: one thing of every noun, and spare ones for what ends them.
pub(super) struct World {
    pub(super) shop: TestShop,
    pub(super) ids: Value,
    viewer_key: String,
    publishable_key: String,
}

/// How one operation is called rightly.
pub(super) struct Example {
    /// Method and path as the document has them.
    pub(super) operation: &'static str,
    /// Values of the path's variables, by their names in `World::ids`.
    path: &'static [(&'static str, &'static str)],
    query: &'static str,
    body: fn(&World) -> Option<Value>,
}

fn nothing(_: &World) -> Option<Value> {
    None
}

macro_rules! example {
    ($operation:literal $(, $variable:literal = $id:literal)* $(, ?$query:literal)? $(, |$world:ident| $body:tt)?) => {
        Example {
            operation: $operation,
            path: &[$(($variable, $id)),*],
            query: concat!("" $(, "?", $query)?),
            body: example!(@body $(|$world| $body)?),
        }
    };
    (@body) => { nothing };
    (@body |$world:ident| $body:tt) => { |$world| Some(json!($body)) };
}

/// In an order in which the owner can make them all.
pub(super) const EXAMPLES: &[Example] = &[
    example!("GET /v1/me"),
    example!("GET /v1/sessions"),
    example!("DELETE /v1/sessions/{session}", "session" = "spare_session"),
    example!("GET /v1/workspaces"),
    example!("POST /v1/workspaces", |_world| {"name": "Second"}),
    example!("GET /v1/workspaces/{workspace}", "workspace" = "workspace"),
    example!("PATCH /v1/workspaces/{workspace}", "workspace" = "workspace", |_world| {"name": "Renamed"}),
    example!(
        "GET /v1/workspaces/{workspace}/memberships",
        "workspace" = "workspace"
    ),
    example!("GET /v1/audit_entries"),
    example!("POST /v1/platforms", |_world| {"name": "Another"}),
    example!("GET /v1/platforms"),
    example!("GET /v1/platforms/{platform}", "platform" = "platform"),
    example!("PATCH /v1/platforms/{platform}", "platform" = "platform", |_world| {"name": "Renamed"}),
    example!(
        "POST /v1/platforms/{platform}/archive",
        "platform" = "spare_platform"
    ),
    example!("POST /v1/api_keys", |_world| {"name": "ci", "kind": "secret", "mode": "live", "scopes": ["usage:read"]}),
    example!("GET /v1/api_keys"),
    example!("GET /v1/api_keys/{api_key}", "api_key" = "api_key"),
    example!("PATCH /v1/api_keys/{api_key}", "api_key" = "api_key", |_world| {"name": "renamed"}),
    example!("POST /v1/api_keys/{api_key}/rotate", "api_key" = "api_key", |_world| {"overlap_secs": 60}),
    example!("DELETE /v1/api_keys/{api_key}", "api_key" = "spare_api_key"),
    example!("POST /v1/features", |_world| {"key": "seats", "name": "Seats", "kind": "integer"}),
    example!("GET /v1/features"),
    example!("GET /v1/features/{feature}", "feature" = "feature"),
    example!("PATCH /v1/features/{feature}", "feature" = "feature", |_world| {"name": "Renamed"}),
    example!("POST /v1/features/{feature}/archive", "feature" = "spare_feature"),
    example!("POST /v1/plan_groups", |_world| {"key": "extra", "name": "Extra"}),
    example!("GET /v1/plan_groups"),
    example!("POST /v1/plans", |_world| {"group": "main", "key": "large", "name": "Large", "entitlements": []}),
    example!("GET /v1/plans"),
    example!("GET /v1/plans/{plan}", "plan" = "plan"),
    example!("PATCH /v1/plans/{plan}", "plan" = "plan", |_world| {"name": "Renamed"}),
    example!("POST /v1/plans/{plan}/versions", "plan" = "plan", |_world| {"entitlements": [{"feature": "calls", "limit": 9}]}),
    example!(
        "GET /v1/plans/{plan}/versions/{version}",
        "plan" = "plan",
        "version" = "version"
    ),
    example!("POST /v1/plans/{plan}/archive", "plan" = "spare_plan"),
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
    example!(
        "GET /v1/customers/{customer}/entitlements",
        "customer" = "customer"
    ),
    example!(
        "GET /v1/customers/{customer}/entitlements/{feature}",
        "customer" = "customer",
        "feature" = "feature_key"
    ),
    example!("POST /v1/subscriptions", |world| {"customer": (world.shop.customer), "plan": "paid"}),
    example!("GET /v1/subscriptions"),
    example!(
        "GET /v1/subscriptions/{subscription}",
        "subscription" = "subscription"
    ),
    example!(
        "POST /v1/subscriptions/{subscription}/end",
        "subscription" = "spare_subscription"
    ),
    example!("POST /v1/overrides", |world| {
        "customer": (world.ids["spare_customer"]), "feature": "calls", "granted": true, "limit": 7, "reason": "walk"
    }),
    example!("GET /v1/overrides"),
    example!("GET /v1/overrides/{override}", "override" = "override"),
    example!("POST /v1/overrides/{override}/remove", "override" = "override", |_world| {"reason": "walked"}),
    example!("POST /v1/usage/consume", |world| {"customer": (world.shop.customer), "feature": "calls"}),
    example!("POST /v1/usage/check", |world| {"customer": (world.shop.customer), "feature": "calls"}),
    example!("GET /v1/usage/events"),
    example!("GET /v1/usage/history", ?"feature=calls&from=2026-01-01T00:00:00Z&to=2026-01-03T00:00:00Z"),
    example!("DELETE /v1/sessions"),
    example!("POST /v1/auth/sign-out"),
];

/// Reviewed: what anybody may call. Each has tests of its own under `accounts`.
const PUBLIC: &[&str] = &[
    "POST /v1/auth/sign-up",
    "POST /v1/auth/sign-in",
    "POST /v1/auth/sign-out",
];

/// Reviewed: unsafe by method, and harmless to a viewer.
const FOR_VIEWERS: &[&str] = &["POST /v1/usage/check"];

/// Reviewed: calls that leave no entry in the workspace's own audit log.
const NOT_IN_THE_WORKSPACES_LOG: &[&str] = &[
    // Usage has a log of its own.
    "POST /v1/usage/consume",
    "POST /v1/usage/check",
    // In the log of the workspace that is made.
    "POST /v1/workspaces",
    // What people do with their sessions is in the log of the workspace that runs their realm.
    "POST /v1/auth/sign-out",
    "DELETE /v1/sessions",
    "DELETE /v1/sessions/{session}",
];

/// Reviewed: operations that need a second member, which has its own tests.
const WITHOUT_EXAMPLE: &[&str] = &[
    "PATCH /v1/workspaces/{workspace}/memberships/{user}",
    "DELETE /v1/workspaces/{workspace}/memberships/{user}",
];

fn is_unsafe(operation: &str) -> bool {
    !operation.starts_with("GET ")
}

impl World {
    pub(super) async fn make(app: &TestApp) -> World {
        let shop = app.open_shop().await;
        let owner = shop.owner.clone();
        let theirs = |call| in_shop(owner.signs(call), &shop);
        let create =
            async |path: &str, body: Value| theirs(app.post(path)).json(&body).send().await.expect(201);
        let key = |kind: &str, scopes: Value| json!({"name": kind, "kind": kind, "platform": shop.platform, "mode": "test", "scopes": scopes});
        let viewer = Role::Viewer.permissions().intersection(PLATFORM_SCOPES);
        let viewer: Vec<&str> = viewer.iter().map(|permission| permission.as_str()).collect();
        let viewer_key = create("/v1/api_keys", key("secret", json!(viewer))).await;
        let publishable_key = create("/v1/api_keys", key("publishable", json!([]))).await;
        let features = theirs(app.get("/v1/features")).send().await.expect(200);
        let plans = theirs(app.get("/v1/plans")).send().await.expect(200);
        let spare_customer = create("/v1/customers", json!({"external_id": "spare"})).await;
        let paid = json!({"customer": spare_customer["id"], "plan": "paid"});
        let sign_in = json!({"email": owner.email, "password": PASSWORD});
        let session = app
            .post("/v1/auth/sign-in")
            .json(&sign_in)
            .send()
            .await
            .expect(200);
        let feature = json!({"key": "spare", "name": "Spare", "kind": "boolean"});
        let plan = json!({"group": "main", "key": "spare", "name": "Spare", "entitlements": []});
        let standing = json!({"customer": shop.customer, "feature": "calls", "granted": true, "limit": null, "reason": "walk"});
        let ids = json!({
            "workspace": owner.workspace,
            "platform": shop.platform,
            "spare_platform": create("/v1/platforms", json!({"name": "Spare"})).await["id"],
            "api_key": create("/v1/api_keys", key("secret", json!(["usage:read"]))).await["api_key"]["id"],
            "spare_api_key": create("/v1/api_keys", key("secret", json!(["usage:read"]))).await["api_key"]["id"],
            "feature": features["data"][0]["id"],
            "feature_key": "calls",
            "spare_feature": create("/v1/features", feature).await["id"],
            "plan": plans["data"][0]["id"],
            "version": 1,
            "spare_plan": create("/v1/plans", plan).await["id"],
            "customer": shop.customer,
            "spare_customer": spare_customer["id"],
            "subscription": theirs(app.get("/v1/subscriptions")).send().await.expect(200)["data"][0]["id"],
            "spare_subscription": create("/v1/subscriptions", paid).await["id"],
            "override": create("/v1/overrides", standing).await["id"],
            "spare_session": session["session"]["id"],
        });
        let secret = |created: Value| created["secret"].as_str().unwrap().to_owned();
        World {
            ids,
            viewer_key: secret(viewer_key),
            publishable_key: secret(publishable_key),
            shop,
        }
    }

    pub(super) fn call<'a>(&self, app: &'a TestApp, example: &Example) -> Call<'a> {
        let (method, path) = example.operation.split_once(' ').unwrap();
        let mut path = path.to_owned();
        for (variable, id) in example.path {
            let value = match &self.ids[*id] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            path = path.replace(&format!("{{{variable}}}"), &value);
        }
        let call = app.call(method, &format!("{path}{}", example.query));
        match (example.body)(self) {
            Some(body) => call.json(&body),
            None => call,
        }
    }

    /// The ids that nobody else may be shown.
    fn secrets(&self) -> Vec<String> {
        let ids = self.ids.as_object().unwrap().values().filter_map(Value::as_str);
        ids.filter(|id| id.contains('_') && id.len() > 20)
            .map(str::to_owned)
            .collect()
    }
}

pub(super) fn in_shop<'a>(call: Call<'a>, shop: &TestShop) -> Call<'a> {
    call.header("plinth-platform", shop.platform)
        .header("plinth-mode", shop.mode)
}

async fn entries(app: &TestApp, owner: &Member) -> usize {
    let page = owner
        .signs(app.get("/v1/audit_entries?limit=200"))
        .send()
        .await
        .expect(200);
    page["data"].as_array().unwrap().len()
}

pub(super) fn told(example: &Example, answer: &Answer) -> String {
    format!("{}: {} {}", example.operation, answer.status, answer.text())
}

both_databases! {
    async fn every_operation_has_an_example(app: TestApp) {
        let document = app.get("/openapi.json").send().await.expect(200);
        let mut documented = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                documented.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        let examples = EXAMPLES.iter().map(|example| example.operation);
        let known: BTreeSet<String> =
            examples.chain(PUBLIC.iter().copied()).chain(WITHOUT_EXAMPLE.iter().copied()).map(str::to_owned).collect();
        assert_eq!(documented, known);
    }

    async fn nothing_is_done_for_strangers_without_a_credential(app: TestApp) {
        let world = World::make(app).await;
        for example in EXAMPLES.iter().filter(|example| !PUBLIC.contains(&example.operation)) {
            let answer = in_shop(world.call(app, example), &world.shop).send().await;
            assert_eq!(answer.status, 401, "{}", told(example, &answer));
        }
    }

    async fn a_viewer_changes_nothing(app: TestApp) {
        let world = World::make(app).await;
        let before = entries(app, &world.shop.owner).await;
        for example in EXAMPLES.iter().filter(|example| is_unsafe(example.operation)) {
            if PUBLIC.contains(&example.operation) || FOR_VIEWERS.contains(&example.operation) {
                continue;
            }
            let answer = world.call(app, example).key(&world.viewer_key).send().await;
            assert_eq!(answer.status, 403, "{}", told(example, &answer));
        }
        assert_eq!(entries(app, &world.shop.owner).await, before);
    }

    async fn a_publishable_key_does_nothing_of_a_servers(app: TestApp) {
        let world = World::make(app).await;
        for example in EXAMPLES.iter().filter(|example| !PUBLIC.contains(&example.operation)) {
            let answer = world.call(app, example).key(&world.publishable_key).send().await;
            assert_eq!(answer.status, 403, "{}", told(example, &answer));
            assert_eq!(answer.json()["code"], "wrong_key_kind", "{}", told(example, &answer));
        }
    }

    async fn another_workspaces_things_do_not_exist(app: TestApp) {
        let world = World::make(app).await;
        let stranger = app.open_shop().await;
        let secrets = world.secrets();
        for example in EXAMPLES.iter().filter(|example| !PUBLIC.contains(&example.operation)) {
            if example.operation == "DELETE /v1/sessions" {
                continue;
            }
            // In their own workspace, with our ids; then naming our workspace as if it were theirs.
            for workspace in [stranger.owner.workspace, world.shop.owner.workspace] {
                let call = stranger.owner.signs_in(world.call(app, example), workspace);
                let answer = in_shop(call, &world.shop).send().await;
                let text = answer.text();
                assert!(answer.status.as_u16() < 500, "{}", told(example, &answer));
                let leaks = secrets.iter().any(|id| text.contains(id.as_str()));
                // A problem may repeat the path that was asked for; an answer may not hold what is ours.
                assert!(!answer.status.is_success() || !leaks, "{}", told(example, &answer));
                if !example.path.is_empty() {
                    assert_eq!(answer.status, 404, "{}", told(example, &answer));
                }
            }
        }
        // All of it is still there.
        let ours = in_shop(world.shop.owner.signs(app.get(&format!("/v1/customers/{}", world.shop.customer))), &world.shop);
        assert_eq!(ours.send().await.expect(200)["archived_at"], Value::Null);
    }

    async fn the_owner_does_all_of_it_and_it_is_written_down(app: TestApp) {
        let world = World::make(app).await;
        let owner = &world.shop.owner;
        for example in EXAMPLES {
            let before = match example.operation {
                "POST /v1/auth/sign-out" => 0,
                _ => entries(app, owner).await,
            };
            let answer = in_shop(owner.signs(world.call(app, example)), &world.shop).send().await;
            assert!(answer.status.is_success(), "{}", told(example, &answer));
            if is_unsafe(example.operation) && !NOT_IN_THE_WORKSPACES_LOG.contains(&example.operation) {
                let after = entries(app, owner).await;
                assert!(after > before, "{} left no audit entry", example.operation);
            }
        }
    }
}
