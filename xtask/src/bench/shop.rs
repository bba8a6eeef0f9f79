//! What a seller defines before the first call, by the API, one request after the other as a script would.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use serde_json::json;

use super::api::Api;
use crate::servers::plinth::Operator;

/// Never reached: what is measured is counting, not refusing.
pub const LIMIT: i64 = 1_000_000_000_000;

/// A platform with two metered features (`calls` counts, `tokens` adds up), one plan and its customers.
pub struct Shop {
    pub workspace: String,
    pub platform: String,
    /// A key bound to the platform, as a seller's server would hold.
    pub api_key: String,
}

impl Shop {
    /// Defines everything, with `customers` customers called `customer-1` and so on.
    pub fn open(address: SocketAddr, operator: &Operator, customers: u32) -> Result<Self> {
        let api = Api::with_key(address, &operator.api_key);
        let platform = api.create("/v1/platforms", &json!({"name": "Bench"}), "id")?;
        let api = api.with("Plinth-Platform", &platform);
        for (key, name, aggregation) in [("calls", "API calls", "count"), ("tokens", "Tokens", "sum")] {
            let meter = json!({"aggregation": aggregation, "period": "month"});
            let feature = json!({"key": key, "name": name, "kind": "metered", "meter": meter});
            api.post("/v1/features", &feature)?;
        }
        api.post("/v1/plan_groups", &json!({"key": "main", "name": "Main"}))?;
        let entitlements =
            json!([{"feature": "calls", "limit": LIMIT}, {"feature": "tokens", "limit": LIMIT}]);
        let plan = json!({"group": "main", "key": "free", "name": "Free", "is_default": true, "entitlements": entitlements});
        api.post("/v1/plans", &plan)?;
        for number in 1..=customers {
            api.post(
                "/v1/customers",
                &json!({"external_id": format!("customer-{number}")}),
            )?;
        }
        let key = json!({"name": "bench", "kind": "secret", "mode": "live", "platform": platform, "scopes": ["usage:consume"]});
        Ok(Self {
            workspace: operator.workspace.clone(),
            api_key: api.create("/v1/api_keys", &key, "secret")?,
            platform,
        })
    }

    /// Counts one call of the first customer.
    pub fn consume(&self, address: SocketAddr) -> Result<()> {
        let api = Api::with_key(address, &self.api_key);
        let answer = api.post(
            "/v1/usage/consume",
            &json!({"customer": "customer-1", "feature": "calls"}),
        )?;
        match answer["allowed"].as_bool() {
            Some(true) => Ok(()),
            _ => bail!("the first call was not allowed: {answer}"),
        }
    }
}
