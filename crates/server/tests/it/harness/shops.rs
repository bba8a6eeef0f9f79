//! A platform to sell: one metered feature, a small plan and a large one, a key and a customer.

use serde_json::{Value, json};
use types::id::{CustomerId, PlatformId};

use super::{Call, Member, TestApp};

/// A platform in one mode, with `calls` metered by month: plan `free` includes 5 (the default), `paid` 500.
#[derive(Debug, Clone)]
pub struct TestShop {
    pub owner: Member,
    pub platform: PlatformId,
    pub mode: &'static str,
    /// A secret key of the platform that may do everything there.
    pub key: String,
    pub customer: CustomerId,
}

impl TestShop {
    /// Makes a call with the shop's secret key.
    pub fn signs<'a>(&self, call: Call<'a>) -> Call<'a> {
        call.key(&self.key)
    }

    /// A body for consume or check.
    pub fn usage(&self, amount: i64) -> Value {
        json!({"customer": self.customer, "feature": "calls", "amount": amount})
    }
}

impl TestApp {
    /// Somebody new with a platform in test mode, where the workspace's own plan counts nothing.
    pub async fn open_shop(&self) -> TestShop {
        let owner = self.sign_up().await;
        self.open_shop_of(owner, "test").await
    }

    pub async fn open_shop_of(&self, owner: Member, mode: &'static str) -> TestShop {
        let body = json!({"name": "Weather"});
        let platform = owner
            .signs(self.post("/v1/platforms"))
            .json(&body)
            .send()
            .await
            .expect(201);
        let platform: PlatformId = platform["id"].as_str().unwrap().parse().unwrap();
        let scopes: Vec<&str> = ::commerce::api_keys::PLATFORM_SCOPES
            .iter()
            .map(|scope| scope.as_str())
            .collect();
        let body =
            json!({"name": "server", "kind": "secret", "platform": platform, "mode": mode, "scopes": scopes});
        let key = owner
            .signs(self.post("/v1/api_keys"))
            .json(&body)
            .send()
            .await
            .expect(201);
        let key = key["secret"].as_str().unwrap().to_owned();

        let feature = json!({"key": "calls", "name": "API calls", "kind": "metered",
            "meter": {"aggregation": "count", "period": "month"}});
        self.post("/v1/features")
            .key(&key)
            .json(&feature)
            .send()
            .await
            .expect(201);
        let group = json!({"key": "main", "name": "Main"});
        self.post("/v1/plan_groups")
            .key(&key)
            .json(&group)
            .send()
            .await
            .expect(201);
        for (plan, calls, is_default) in [("free", 5, true), ("paid", 500, false)] {
            let body = json!({"group": "main", "key": plan, "name": plan, "is_default": is_default,
                "entitlements": [{"feature": "calls", "limit": calls}]});
            self.post("/v1/plans")
                .key(&key)
                .json(&body)
                .send()
                .await
                .expect(201);
        }
        let customer = self.new_customer(&key, "acme").await;
        TestShop {
            owner,
            platform,
            mode,
            key,
            customer,
        }
    }

    pub async fn new_customer(&self, key: &str, external_id: &str) -> CustomerId {
        let body = json!({"external_id": external_id, "name": external_id});
        let customer = self
            .post("/v1/customers")
            .key(key)
            .json(&body)
            .send()
            .await
            .expect(201);
        customer["id"].as_str().unwrap().parse().unwrap()
    }
}
