//! A platform in test mode with one metered feature, made over HTTP, and what it has on record.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::Client;

pub struct Shop {
    /// A secret key of the platform.
    pub key: String,
}

impl Shop {
    /// Makes the platform with the feature `calls`, counted by month, and a plan for each name and limit. The first is what a
    /// new customer is on.
    pub fn open(workspace: &mut Client, plans: &[(&str, u64)]) -> Self {
        let platform = make(workspace, "/v1/platforms", &json!({"name": "Weather"}))["id"].clone();
        let scopes: Vec<&str> = ::commerce::api_keys::PLATFORM_SCOPES
            .iter()
            .map(|scope| scope.as_str())
            .collect();
        let key = json!({"name": "server", "kind": "secret", "platform": platform, "mode": "test", "scopes": scopes});
        let key = make(workspace, "/v1/api_keys", &key)["secret"]
            .as_str()
            .unwrap()
            .to_owned();
        let mut shop = workspace.with_key(&key);
        let meter = json!({"aggregation": "count", "period": "month"});
        let feature = json!({"key": "calls", "name": "Calls", "kind": "metered", "meter": meter});
        make(&mut shop, "/v1/features", &feature);
        make(
            &mut shop,
            "/v1/plan_groups",
            &json!({"key": "main", "name": "Main"}),
        );
        for (position, (plan, limit)) in plans.iter().enumerate() {
            let entitlements = json!([{"feature": "calls", "limit": limit}]);
            let plan = json!({"group": "main", "key": plan, "name": plan, "is_default": position == 0,
                "entitlements": entitlements});
            make(&mut shop, "/v1/plans", &plan);
        }
        Shop { key }
    }

    /// Makes a customer, on a plan that is not the default if one is named.
    pub fn add_customer(&self, node: &super::installation::Node, name: &str, plan: Option<&str>) {
        let mut client = node.client(&self.key);
        make(
            &mut client,
            "/v1/customers",
            &json!({"external_id": name, "name": name}),
        );
        if let Some(plan) = plan {
            make(
                &mut client,
                "/v1/subscriptions",
                &json!({"customer": name, "plan": plan}),
            );
        }
    }
}

fn make(client: &mut Client, path: &str, body: &Value) -> Value {
    client.post(path, body).unwrap().expect(201)
}

/// A consume of one call.
pub fn one_call(customer: &str, key: &str) -> Value {
    json!({"customer": customer, "feature": "calls", "idempotency_key": key})
}

/// What is on record of a customer: the ids in the event log, which must be as many as the counter says.
#[track_caller]
pub fn recorded(client: &mut Client, customer: &str) -> BTreeSet<String> {
    let (mut ids, mut cursor, mut rows) = (BTreeSet::new(), String::new(), 0);
    loop {
        let path = format!("/v1/usage/events?customer={customer}&limit=200{cursor}");
        let page = client.get(&path).unwrap().expect(200);
        for event in page["data"].as_array().unwrap() {
            rows += 1;
            ids.insert(event["id"].as_str().unwrap().to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let check = json!({"customer": customer, "feature": "calls"});
    let counter = client.post("/v1/usage/check", &check).unwrap().expect(200);
    assert_eq!((ids.len(), &json!(rows)), (rows, &counter["used"]), "{counter}");
    ids
}
