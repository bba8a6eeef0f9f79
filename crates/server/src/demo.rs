//! A workspace to look at: a believable platform with plans, customers and a month of usage, made by the same operations that
//! everybody uses.

use std::cmp::Reverse;
use std::time::Duration;

use commerce::Amount;
use commerce::api_keys::{self, ApiKeyKind, NewApiKey};
use commerce::catalogue::OPERATOR_WORKSPACE;
use commerce::customers::{self, CustomerCreate};
use commerce::features::{self, AggregationForm, FeatureKind, MeterForm, NewFeature, PeriodForm};
use commerce::plans::{self, EntitlementInput, Interval, NewPlan, Price, Terms};
use commerce::subscriptions::{self, SubscriptionCreate};
use commerce::usage::{self, NewUsage};
use commerce::{ShopCaller, platforms};
use futures_util::future::join_all;
use runtime::App;
use types::money::Currency;
use types::{ErrorCode, Mode, Money, PageRequest, Permission, Result};

const PLATFORM: &str = "Weather API";
const DAYS: u64 = 30;
/// Calls that wait for a commit at once.
const TOGETHER: usize = 200;
/// How long the key of the printed lines works.
const KEY_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Who buys, on which plan, and about how many calls a day they make.
const CUSTOMERS: [(&str, &str, &str, u64); 8] = [
    ("acme", "Acme Corporation", "paid", 14),
    ("globex", "Globex", "paid", 9),
    ("initech", "Initech", "paid", 6),
    ("umbrella", "Umbrella Health", "paid", 4),
    ("hooli", "Hooli", "free", 1),
    ("stark", "Stark Industries", "paid", 11),
    ("wonka", "Wonka Sweets", "free", 1),
    ("tyrell", "Tyrell Robotics", "free", 0),
];

/// What the printed lines need.
pub struct Demo {
    /// A secret key that works for a day.
    pub secret: String,
}

/// Fills the operator's workspace, unless it was filled before, and makes a new key for the lines to paste.
pub async fn fill(app: &App) -> Result<Demo> {
    let caller = app.operator(app.issuer().tenant(OPERATOR_WORKSPACE));
    let known = platforms::list(
        app,
        &caller,
        false,
        &PageRequest {
            limit: 200,
            cursor: None,
        },
    )
    .await?;
    let platform = match known.data.iter().find(|platform| platform.name == PLATFORM) {
        Some(platform) => platform.id,
        None => {
            let platform = platforms::create(app, &caller, PLATFORM).await?.id;
            let shop = ShopCaller::enter(app, caller.clone(), platform, Mode::Live).await?;
            define(app, &shop).await?;
            sell(app, &shop).await?;
            use_it(app, &shop).await?;
            platform
        }
    };
    let key = NewApiKey {
        name: "Demo, works for a day".to_owned(),
        kind: ApiKeyKind::Secret,
        platform: Some(platform),
        mode: Mode::Live,
        scopes: vec![
            Permission::UsageConsume,
            Permission::UsageRead,
            Permission::CustomersRead,
            Permission::PlatformsRead,
        ],
        expires_at: Some(app.now() + KEY_TTL),
    };
    Ok(Demo {
        secret: api_keys::create(app, &caller, &key).await?.secret,
    })
}

async fn define(app: &App, shop: &ShopCaller) -> Result<()> {
    let calls = NewFeature {
        key: "calls".to_owned(),
        name: "API calls".to_owned(),
        kind: FeatureKind::Metered,
        unit: Some("call".to_owned()),
        meter: Some(MeterForm {
            aggregation: AggregationForm::Count,
            unique_cap: None,
            scale: 0,
            period: PeriodForm::Month,
            rolling_secs: None,
            rolling_buckets: None,
        }),
        dimensions: Vec::new(),
    };
    features::create(app, shop, &calls).await?;
    let alerts = NewFeature {
        key: "storm_alerts".to_owned(),
        name: "Storm alerts".to_owned(),
        kind: FeatureKind::Boolean,
        unit: None,
        meter: None,
        dimensions: Vec::new(),
    };
    features::create(app, shop, &alerts).await?;
    plans::create_group(app, shop, "main", "Main").await?;
    for (position, (key, name, calls, price, alerts)) in
        [("free", "Free", 5, 0, false), ("paid", "Paid", 500, 2_900, true)]
            .into_iter()
            .enumerate()
    {
        let mut entitlements = vec![entitlement("calls", Some(calls))];
        if alerts {
            entitlements.push(entitlement("storm_alerts", None));
        }
        let price = Price {
            amount: Money {
                amount_minor: price,
                currency: Currency::USD,
            },
            interval: Interval::Month,
            per_seat: false,
        };
        let plan = NewPlan {
            group: "main".to_owned(),
            key: key.to_owned(),
            name: name.to_owned(),
            is_default: key == "free",
            position: position as i64,
            terms: Terms {
                price: Some(price),
                entitlements,
            },
        };
        plans::create(app, shop, &plan).await?;
    }
    Ok(())
}

fn entitlement(feature: &str, limit: Option<i64>) -> EntitlementInput {
    EntitlementInput {
        feature: feature.to_owned(),
        limit: limit.map(|limit| Some(Amount::Integer(limit))),
        overage: None,
        thresholds: if limit.is_some() {
            vec![80, 100]
        } else {
            Vec::new()
        },
    }
}

async fn sell(app: &App, shop: &ShopCaller) -> Result<()> {
    for (external_id, name, plan, _) in CUSTOMERS {
        let customer = CustomerCreate {
            external_id: Some(external_id.to_owned()),
            name: Some(name.to_owned()),
            email: Some(format!("billing@{external_id}.example")),
            ..CustomerCreate::default()
        };
        customers::create(app, shop, customer).await?;
        if plan != "free" {
            let subscription = SubscriptionCreate {
                customer: external_id.parse()?,
                plan: plan.to_owned(),
                version: None,
            };
            subscriptions::create(app, shop, &subscription).await?;
        }
    }
    Ok(())
}

/// A month of calls, the oldest first, and none beyond a plan's limit.
async fn use_it(app: &App, shop: &ShopCaller) -> Result<()> {
    let now = app.now();
    let mut calls = month();
    calls.sort_by_key(|(ago, _)| Reverse(*ago));
    for some in calls.chunks(TOGETHER) {
        let mut waiting = Vec::new();
        for (ago, customer) in some {
            let input = NewUsage::one(customer.parse()?, "calls");
            waiting.push(usage::consume_at(app, shop, input, now - *ago));
        }
        // Together, so that they share their commits.
        for outcome in join_all(waiting).await {
            match outcome {
                Err(error) if !error.is(ErrorCode::QuotaExceeded) => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// How long ago each call was, and who made it: fewer at weekends, a little more every week.
fn month() -> Vec<(Duration, &'static str)> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut calls = Vec::new();
    for day in 0..DAYS {
        for (external_id, _, _, daily) in CUSTOMERS {
            let weekend = if day % 7 < 2 { 2 } else { 4 };
            let count = (daily * (2 * DAYS - day) * weekend / 180).saturating_sub(dice.roll(3));
            for _ in 0..count.max(u64::from(daily > 0 && dice.roll(6) == 0)) {
                let secs_ago = day * 86_400 + (dice.roll(9) + dice.roll(9)) * 3_600 + dice.roll(3_600);
                calls.push((Duration::from_secs(secs_ago), external_id));
            }
        }
    }
    calls
}

/// The same numbers every time: a demo that differs from the one before it is hard to talk about.
struct Dice(u64);

impl Dice {
    /// 0 to `sides - 1`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Three lines that work when they are pasted.
pub fn lines(url: &str, demo: &Demo) -> String {
    let key = &demo.secret;
    format!(
        "Count a call of the customer acme, see what acme may use, and who the customers are:\n\
         \n  curl -s {url}/v1/usage/consume -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d '{{\"customer\":\"acme\",\"feature\":\"calls\"}}'\n\
         \n  curl -s {url}/v1/usage/check -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d '{{\"customer\":\"acme\",\"feature\":\"calls\",\"amount\":100}}'\n\
         \n  curl -s '{url}/v1/customers?limit=3' -H 'Authorization: Bearer {key}'\n"
    )
}
