//! Examples: how each operation of the API is called rightly, in a world that has one thing of every noun. The walk over all
//! operations makes them as all sorts of callers.

use commerce::api_keys::PLATFORM_SCOPES;
use serde_json::{Value, json};
use types::Role;

use super::{Call, PASSWORD, TestApp, TestShop};

/// What the examples are about: one thing of every noun, and spare ones for what ends them.
pub struct World {
    pub shop: TestShop,
    pub ids: Value,
    pub viewer_key: String,
    pub publishable_key: String,
}

/// How one operation is called rightly. Each noun's stand in its test file.
pub struct Example {
    /// Method and path as the document has them.
    pub operation: &'static str,
    /// Values of the path's variables, by their names in `World::ids`.
    pub path: &'static [(&'static str, &'static str)],
    pub query: &'static str,
    pub body: fn(&World) -> Option<Value>,
}

/// The body of a call without one.
pub fn nothing(_: &World) -> Option<Value> {
    None
}

/// `example!("METHOD /path/{variable}", "variable" = "name in World::ids", ?"query", |world| {"field": value})`; everything behind
/// the operation may be left out.
macro_rules! example {
    ($operation:literal $(, $variable:literal = $id:literal)* $(, ?$query:literal)? $(, |$world:ident| $body:tt)?) => {
        $crate::harness::Example {
            operation: $operation,
            path: &[$(($variable, $id)),*],
            query: concat!("" $(, "?", $query)?),
            body: example!(@body $(|$world| $body)?),
        }
    };
    (@body) => { $crate::harness::nothing };
    (@body |$world:ident| $body:tt) => { |$world| Some(serde_json::json!($body)) };
}

impl World {
    pub async fn make(app: &TestApp) -> World {
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
        let grant = json!({"feature": "calls", "amount": 5, "reason": "walk"});
        let grants = format!("/v1/customers/{}/grants", shop.customer);
        let rule = json!({"name": "walk", "applies_to": "customer", "limit": 100, "per_secs": 1, "customer": "acme",
            "plan": "free", "feature": "calls"});
        let issued = json!({"customer": shop.customer, "name": "laptop", "credits": {"amount": 100}});
        let customer_key = create("/v1/keys", issued).await;
        let standing = json!({"customer": shop.customer, "feature": "calls", "granted": true, "limit": null, "reason": "walk"});
        let use_one = async |path: &str| {
            theirs(app.post(path))
                .json(&shop.usage(1))
                .send()
                .await
                .expect(200)
        };
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
            "customer_key": customer_key["customer_key"]["id"],
            "customer_key_secret": customer_key["secret"],
            "subscription": theirs(app.get("/v1/subscriptions")).send().await.expect(200)["data"][0]["id"],
            "spare_subscription": create("/v1/subscriptions", paid).await["id"],
            "override": create("/v1/overrides", standing).await["id"],
            "grant": create(&grants, grant).await["id"],
            "rate_limit": create("/v1/rate_limits", rule).await["id"],
            "event": use_one("/v1/usage/consume").await["event"],
            "hold": create("/v1/usage/holds", shop.usage(1)).await["hold"]["id"],
            "spare_hold": create("/v1/usage/holds", shop.usage(1)).await["hold"]["id"],
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

    pub fn call<'a>(&self, app: &'a TestApp, example: &Example) -> Call<'a> {
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
    pub fn secrets(&self) -> Vec<String> {
        let ids = self.ids.as_object().unwrap().values().filter_map(Value::as_str);
        ids.filter(|id| id.contains('_') && id.len() > 20)
            .map(str::to_owned)
            .collect()
    }
}

pub fn in_shop<'a>(call: Call<'a>, shop: &TestShop) -> Call<'a> {
    call.header("plinth-platform", shop.platform)
        .header("plinth-mode", shop.mode)
}
