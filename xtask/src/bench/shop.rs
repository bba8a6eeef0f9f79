//! What a seller defines before the first call, by the API, one request after the other as a script would.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::servers::ask;
use crate::servers::plinth::Operator;

/// Never reached: what is measured is counting, not refusing.
const LIMIT: i64 = 1_000_000_000_000;

/// A platform with one metered feature, one plan and its customers.
pub struct Shop {
    pub workspace: String,
    pub platform: String,
    /// A key bound to the platform, as a seller's server would hold.
    pub api_key: String,
}

impl Shop {
    /// Defines everything, with `customers` customers called `customer-1` and so on.
    pub fn open(address: SocketAddr, operator: &Operator, customers: u32) -> Result<Self> {
        let mut api = Api {
            address,
            key: operator.api_key.clone(),
            platform: None,
        };
        let platform = api.create("platforms", &json!({"name": "Bench"}), "id")?;
        api.platform = Some(platform.clone());
        let meter = json!({"aggregation": "count", "period": "month"});
        api.post(
            "features",
            &json!({"key": "calls", "name": "API calls", "kind": "metered", "meter": meter}),
        )?;
        api.post("plan_groups", &json!({"key": "main", "name": "Main"}))?;
        let entitlements = json!([{"feature": "calls", "limit": LIMIT}]);
        let plan = json!({"group": "main", "key": "free", "name": "Free", "is_default": true, "entitlements": entitlements});
        api.post("plans", &plan)?;
        for number in 1..=customers {
            api.post("customers", &json!({"external_id": format!("customer-{number}")}))?;
        }
        let key = json!({"name": "bench", "kind": "secret", "mode": "live", "platform": platform, "scopes": ["usage:consume"]});
        Ok(Self {
            workspace: operator.workspace.clone(),
            api_key: api.create("api_keys", &key, "secret")?,
            platform,
        })
    }

    /// Counts one call of the first customer.
    pub fn consume(&self, address: SocketAddr) -> Result<()> {
        let api = Api {
            address,
            key: self.api_key.clone(),
            platform: None,
        };
        let answer = api.post(
            "usage/consume",
            &json!({"customer": "customer-1", "feature": "calls"}),
        )?;
        match answer["allowed"].as_bool() {
            Some(true) => Ok(()),
            _ => bail!("the first call was not allowed: {answer}"),
        }
    }
}

/// One after the other, a connection each, as `curl` in a script does it.
struct Api {
    address: SocketAddr,
    key: String,
    platform: Option<String>,
}

impl Api {
    /// Posts, and picks one text out of the answer.
    fn create(&self, path: &str, body: &Value, field: &str) -> Result<String> {
        let made = self.post(path, body)?;
        let text = made[field].as_str().map(str::to_owned);
        text.with_context(|| format!("/v1/{path} answered without `{field}`"))
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let body = body.to_string();
        let platform = match &self.platform {
            Some(id) => format!("Plinth-Platform: {id}\r\n"),
            None => String::new(),
        };
        // HTTP/1.0: the answer ends with the connection, and comes in one piece.
        let request = format!(
            "POST /v1/{path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{platform}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            self.key,
            body.len(),
        );
        let answer = ask(self.address, &request, usize::MAX)
            .with_context(|| format!("no answer to POST /v1/{path}"))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        if !head
            .split_whitespace()
            .nth(1)
            .is_some_and(|status| status.starts_with('2'))
        {
            bail!("POST /v1/{path} was refused: {body}");
        }
        serde_json::from_str(body)
            .with_context(|| format!("POST /v1/{path} answered something else than JSON"))
    }
}
