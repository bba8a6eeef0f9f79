//! Usage: calls that are counted and limited, exactly.
//!
//! A consume names one customer (or one of their end users), a feature and an amount. It is decided by the ledger inside one
//! locked transaction that serves every call waiting at that moment: the group commit. A call is answered after its
//! commit, so what was answered is on disk, and no counter is ever above what its limit allows.
//!
//! An idempotency key is stored with the debit: the same call under the same key gets the same answer and is counted once.
//! Refusals are not stored; they are decided anew.

mod check;
mod commit;
mod http;
mod order;
mod resolve;
mod store;
mod top;
mod upkeep;

use ledger::{Code, Decision, Scale};
use runtime::{Actor, App};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use types::id::{CustomerId, EndUserId, UsageEventId};
use types::{Error, Page, PageRequest, Permission, Result, Timestamp};
use utoipa::ToSchema;

pub use self::commit::Committer;
pub(crate) use self::commit::run;
pub(crate) use self::http::routes;
pub use self::order::NewUsage;
pub use self::top::{TopCustomer, top_customers};
pub(crate) use self::upkeep::run as run_upkeep;
pub use self::upkeep::tidy;

use self::order::Order;
use crate::ShopCaller;
use crate::amount::Amount;
use crate::customers::CustomerRef;

/// The answer to a consume or a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Whether the amount was (or, for a check, would be) granted.
    pub allowed: bool,
    /// Why: `granted`, `quota_exceeded`, `feature_not_in_plan`, `customer_archived`, `rate_limited` and others to come.
    #[schema(value_type = String, example = "granted")]
    pub code: Code,
    /// The recorded event; none for a check or a refusal.
    pub event: Option<UsageEventId>,
    pub customer: CustomerId,
    pub feature: String,
    pub amount: Amount,
    /// Used in the current period, this amount included when it was recorded.
    pub used: Amount,
    /// What the plan includes in a period; null for no limit.
    pub limit: Option<Amount>,
    /// What is left in the period; null for no limit.
    pub remaining: Option<Amount>,
    /// Used beyond the limit, where the plan allows that.
    pub overage: Amount,
    /// When the period ends and the count starts again; null for never.
    pub reset_at: Option<Timestamp>,
    /// After a refusal: seconds after which the same call may be granted, if waiting can help.
    pub retry_after_secs: Option<u64>,
    /// Shares of the limit, in percent, that this call was the first to reach.
    pub thresholds_reached: Vec<u16>,
}

impl Usage {
    /// The refusal that a consume is answered with.
    pub(crate) fn refusal(&self) -> Error {
        let detail = match self.code {
            Code::FeatureNotInPlan => {
                format!(
                    "The customer's plan does not include {}. A plan or an override that has it lifts this.",
                    self.feature
                )
            }
            Code::CustomerArchived => {
                "The customer is archived and can use nothing. Unarchive them first.".to_owned()
            }
            Code::RateLimited => "Too many calls at once. Wait a moment and try again.".to_owned(),
            Code::AmountTooLarge => "The amount is larger than a counter can hold.".to_owned(),
            _ => format!(
                "The limit of {} for this period is used up. It starts again at `reset_at`; a larger plan lifts it now.",
                self.feature
            ),
        };
        let code = self.code.error_code().unwrap_or(types::ErrorCode::QuotaExceeded);
        let mut error = Error::new(code, detail);
        if let Some(secs) = self.retry_after_secs {
            error = error.with_retry_after(secs);
        }
        if let Ok(Value::Object(members)) = serde_json::to_value(self) {
            // `code` is the problem's own member; what is left are the figures.
            for (name, value) in members.into_iter().filter(|(name, _)| name != "code") {
                error = error.with_member(&name, value);
            }
        }
        error
    }

    fn from_decision(
        order: &Order,
        customer: CustomerId,
        scale: Scale,
        decision: &Decision,
        units: i64,
    ) -> Self {
        // The customer's counter is the last: an end user's stands before it.
        let own = decision.counters.last();
        let amount = |units: i64| Amount::from_units(units, scale);
        let mine = own.map(|view| view.key);
        Usage {
            allowed: decision.is_granted(),
            code: decision.code,
            event: None,
            customer,
            feature: order.feature.clone(),
            amount: amount(units),
            used: amount(own.map_or(0, |view| view.used)),
            limit: own.and_then(|view| view.limit).map(amount),
            remaining: own.and_then(|view| view.remaining).map(amount),
            overage: amount(own.map_or(0, |view| view.overage)),
            reset_at: own.and_then(|view| view.reset_at),
            retry_after_secs: decision.retry_after.map(|wait| wait.as_secs().max(1)),
            thresholds_reached: decision
                .warnings
                .iter()
                .filter(|warning| Some(warning.key) == mine)
                .map(|warning| warning.threshold_percent)
                .collect(),
        }
    }
}

/// What a consume came to: the answer, and whether it is that of an earlier call under the same key.
#[derive(Debug, Clone)]
pub struct Consumed {
    pub usage: Usage,
    pub replayed: bool,
}

/// Records usage if the quota has room for all of it.
///
/// # Errors
/// A refusal says why with its code: `quota_exceeded`, `feature_not_in_plan`, `plan_limit_reached` (the workspace's own plan),
/// `customer_archived`. `outcome_unknown` asks for a retry under the same key.
pub async fn consume(app: &App, caller: &ShopCaller, input: NewUsage) -> Result<Consumed> {
    caller.caller.require(Permission::UsageConsume)?;
    let order = Order::read(caller.shop, input)?;
    app.service::<Committer>()?.commit(order, app.now()).await
}

/// Records usage as [`consume`] does, as if it had arrived at an earlier instant: in the period of that instant, against the
/// limits of today. For the operator, who fills a workspace with a history.
pub async fn consume_at(app: &App, caller: &ShopCaller, input: NewUsage, at: Timestamp) -> Result<Consumed> {
    if caller.caller.actor() != Actor::Operator || at > app.now() {
        return Err(Error::new(
            types::ErrorCode::PermissionDenied,
            "Only the operator records usage of the past.",
        ));
    }
    let order = Order::read(caller.shop, input)?;
    app.service::<Committer>()?.commit(order, at).await
}

/// Tells what a consume would be answered now, and records nothing.
pub async fn check(app: &App, caller: &ShopCaller, input: NewUsage) -> Result<Usage> {
    caller.caller.require(Permission::UsageRead)?;
    let order = Order::read(caller.shop, input)?;
    check::run(app, &order, app.now()).await
}

/// One recorded use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageEvent {
    pub id: UsageEventId,
    pub customer: CustomerId,
    pub end_user: Option<EndUserId>,
    pub feature: String,
    pub amount: Amount,
    /// When it happened, as the caller said; when it arrived, if they did not.
    pub occurred_at: Timestamp,
    pub received_at: Timestamp,
}

/// Which events are wanted.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    pub customer: Option<CustomerRef>,
    pub feature: Option<String>,
}

/// The event log, newest first.
pub async fn list_events(
    app: &App,
    caller: &ShopCaller,
    filter: &EventFilter,
    page: &PageRequest,
) -> Result<Page<UsageEvent>> {
    caller.caller.require(Permission::UsageRead)?;
    let shop = caller.shop;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move {
            let customer = match &filter.customer {
                None => None,
                Some(named) => Some(resolve::customer(&mut tx, shop, named).await?.id),
            };
            let feature = match &filter.feature {
                None => None,
                Some(key) => Some(resolve::feature(&mut tx, shop, key).await?.id),
            };
            store::list_events(&mut tx, shop, customer, feature, page).await
        })
        .await
}

/// Usage of one feature in one stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsagePoint {
    /// Start of the stretch.
    pub start: Timestamp,
    pub amount: Amount,
    /// How many events.
    pub events: i64,
}

/// How finely a history is cut. In UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    Hour,
    Day,
}

impl Granularity {
    const fn micros(self) -> i64 {
        match self {
            Granularity::Hour => 3_600_000_000,
            Granularity::Day => 86_400_000_000,
        }
    }
}

/// What a history is asked for.
#[derive(Debug, Clone)]
pub struct HistoryQuery {
    pub feature: String,
    pub customer: Option<CustomerRef>,
    /// Start of the first stretch; cut down to a whole one.
    pub from: Timestamp,
    /// End of the last one, exclusive.
    pub to: Timestamp,
    pub granularity: Granularity,
}

/// The most points of one history: a month of hours.
pub const MAX_POINTS: i64 = 31 * 24;

/// Usage over time, one point for every stretch, empty ones included.
pub async fn history(app: &App, caller: &ShopCaller, query: &HistoryQuery) -> Result<Vec<UsagePoint>> {
    caller.caller.require(Permission::UsageRead)?;
    let step = query.granularity.micros();
    let first = query.from.as_micros().div_euclid(step) * step;
    let count = (query.to.as_micros().saturating_sub(first) + step - 1).div_euclid(step);
    if !(1..=MAX_POINTS).contains(&count) {
        let message = format!("must be after `from`, and at most {MAX_POINTS} points later");
        return Err(Error::invalid("to", message));
    }
    let shop = caller.shop;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move {
            let feature = resolve::feature(&mut tx, shop, &query.feature).await?;
            let scale = feature.meter.map_or(Scale::WHOLE, |meter| meter.scale);
            let customer = match &query.customer {
                None => None,
                Some(named) => Some(resolve::customer(&mut tx, shop, named).await?.id),
            };
            let span = (
                Timestamp::from_micros(first),
                Timestamp::from_micros(first + count * step),
            );
            let sums = store::sums(&mut tx, shop, feature.id, customer, span, step).await?;
            Ok((0..count)
                .map(|index| point(first + index * step, &sums, scale))
                .collect())
        })
        .await
}

fn point(start: i64, sums: &std::collections::BTreeMap<i64, (i64, i64)>, scale: Scale) -> UsagePoint {
    let (amount, events) = sums.get(&start).copied().unwrap_or_default();
    UsagePoint {
        start: Timestamp::from_micros(start),
        amount: Amount::from_units(amount, scale),
        events,
    }
}
