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
mod corrections;
mod event;
mod holds;
mod http;
mod ingest;
mod order;
mod query;
mod rebuild;
#[cfg(test)]
mod simulation;
mod source;
mod store;
mod top;
mod upkeep;
mod verify;
mod windows;

use std::collections::BTreeMap;

use ledger::{Code, RateView};
use runtime::{Actor, App};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::{Scope, Tx};
use types::id::{CustomerId, EndUserId, UsageEventId};
use types::{Error, Page, PageRequest, Permission, Result, Timestamp};
use utoipa::ToSchema;

pub use self::commit::Committer;
pub(crate) use self::commit::{LimitedBy, Used, run, whole_secs};
pub use self::corrections::{Correction, NewCorrection, correct};
pub use self::event::{UsageEventDetail, UsagePaidByGrant, UsagePayment, get_event};
pub use self::holds::{
    Hold, HoldFilter, HoldStatusForm, NewReservation, NewSettlement, Reservation, Settlement, get_hold,
    list_holds, release, reserve, settle,
};
pub(crate) use self::http::{IdempotencyHeader, REPLAYED, routes, take_header_key};
pub use self::ingest::{CloudEvent, Ingested, MAX_EVENTS, ingest};
pub use self::order::NewUsage;
pub(crate) use self::order::{Also, check_call};
pub use self::query::{
    DimensionFilter, HistoryQuery, MAX_GROUPS, UsageGroup, UsagePoint, UsageQuery, UsageReport, history,
    query,
};
pub use self::rebuild::{Repair, rebuild_rollups};
pub use self::source::EventSource;
pub use self::top::{TopCustomer, top_customers};
pub(crate) use self::upkeep::run as run_upkeep;
pub use self::upkeep::{expire_holds, tidy};
pub use self::verify::{Difference, Verdict, verify, verify_shop};
pub use self::windows::{Granularity, MAX_WINDOWS};

use self::commit::Answer;
use self::order::{Order, Use, Verb, Work};
use crate::amount::Amount;
use crate::customers::{self, Customer, CustomerRef};
use crate::features::{self, Feature};
use crate::{Shop, ShopCaller};

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
    /// Reserved by open holds.
    pub held: Amount,
    /// What the plan includes in a period; null for no limit.
    pub limit: Option<Amount>,
    /// What is left in the period, grants included; null for no limit.
    pub remaining: Option<Amount>,
    /// Used beyond the limit, where the plan allows that.
    pub overage: Amount,
    /// When the period ends and the count starts again; null for never.
    pub reset_at: Option<Timestamp>,
    /// After a refusal: seconds after which the same call may be granted, if waiting can help.
    pub retry_after_secs: Option<u64>,
    /// Shares of the limit, in percent, that this call was the first to reach.
    pub thresholds_reached: Vec<u16>,
    /// The rate limits that the call came under.
    pub rate_limits: Vec<RateLimitStanding>,
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
}

/// Where a rate limit stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RateLimitStanding {
    /// The rate limit's id, or the name that a key gives it.
    pub rate_limit: String,
    /// The most calls at once.
    pub burst: u32,
    /// Calls that may be made now.
    pub remaining: u32,
    /// Seconds after which all of the burst is there again.
    pub reset_after_secs: u64,
}

impl From<&RateView> for RateLimitStanding {
    fn from(view: &RateView) -> Self {
        RateLimitStanding {
            rate_limit: view.name.clone(),
            burst: view.burst,
            remaining: view.remaining,
            reset_after_secs: view.reset_after.as_micros().div_ceil(1_000_000) as u64,
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
/// A refusal says why with its code: `quota_exceeded`, `rate_limited`, `feature_not_in_plan`, `plan_limit_reached` (the
/// workspace's own plan), `customer_archived`. `outcome_unknown` asks for a retry under the same key.
pub async fn consume(app: &App, caller: &ShopCaller, input: NewUsage) -> Result<Consumed> {
    caller.caller.require(Permission::UsageConsume)?;
    commit_use(app, caller, input, Verb::Spend, app.now())
        .await?
        .into_consumed()
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
    commit_use(app, caller, input, Verb::Spend, at)
        .await?
        .into_consumed()
}

/// The most calls of one batch.
pub const MAX_CONSUME_BATCH: usize = 1_000;

/// Records many uses, each decided by itself as [`consume`] does, in their order.
///
/// # Errors
/// `validation_failed`, when there are none or too many; `unavailable`, when they do not all fit the queue. Whatever is wrong
/// with one of them is that one's answer.
pub async fn consume_batch(
    app: &App,
    caller: &ShopCaller,
    inputs: Vec<Result<NewUsage>>,
) -> Result<Vec<Result<Consumed>>> {
    caller.caller.require(Permission::UsageConsume)?;
    if !(1..=MAX_CONSUME_BATCH).contains(&inputs.len()) {
        return Err(Error::invalid("items", format!("send 1 to {MAX_CONSUME_BATCH}")));
    }
    let now = app.now();
    let orders = inputs
        .into_iter()
        .map(|input| order_of(caller.shop, input?, Verb::Spend, now));
    let answers = commit_all(app, orders.collect()).await?;
    Ok(answers
        .into_iter()
        .map(|answer| used(answer?)?.into_consumed())
        .collect())
}

/// Commits those orders that could be read; the answers are in their order.
async fn commit_all(app: &App, orders: Vec<Result<Order>>) -> Result<Vec<Result<Answer>>> {
    let (mut sound, mut answers) = (Vec::new(), Vec::with_capacity(orders.len()));
    for order in orders {
        answers.push(order.map(|order| sound.push(order)).map(|()| None));
    }
    let mut committed = app.service::<Committer>()?.commit_all(sound).await?.into_iter();
    Ok(answers
        .into_iter()
        .map(|answer: Result<Option<Answer>>| {
            answer?;
            committed.next().unwrap_or_else(|| Err(Answer::unexpected()))
        })
        .collect())
}

fn order_of(shop: Shop, mut input: NewUsage, verb: Verb, at: Timestamp) -> Result<Order> {
    let key = input.idempotency_key.take();
    Order::new(shop, Work::Use(Box::new(Use::read(input, verb)?)), key, at)
}

async fn commit_use(
    app: &App,
    caller: &ShopCaller,
    input: NewUsage,
    verb: Verb,
    at: Timestamp,
) -> Result<Used> {
    let order = order_of(caller.shop, input, verb, at)?;
    used(app.service::<Committer>()?.commit(order).await?)
}

fn used(answer: Answer) -> Result<Used> {
    match answer {
        Answer::Used(used) => Ok(*used),
        _ => Err(Answer::unexpected()),
    }
}

impl Used {
    /// The figures of a granted use; what refused it otherwise.
    fn into_consumed(self) -> Result<Consumed> {
        let usage = self.usage.ok_or_else(Answer::unexpected)?;
        match usage.allowed {
            true => Ok(Consumed {
                usage,
                replayed: self.replayed,
            }),
            false => Err(usage.refusal()),
        }
    }
}

/// A use by somebody who came with a key of the seller's: of a feature or of nothing but the key itself. What it says has been
/// looked at by [`check_call`].
#[derive(Debug, Clone)]
pub(crate) struct KeyedUse {
    pub customer: CustomerRef,
    pub end_user: Option<EndUserId>,
    pub feature: Option<String>,
    /// 1 when none.
    pub amount: Option<Amount>,
    pub dimensions: BTreeMap<String, String>,
    pub route: Option<String>,
    pub idempotency_key: Option<String>,
}

/// Decides a use together with the limits of the key, in one: all of them have room, or nothing is counted. The answer says
/// what refused it.
///
/// # Errors
/// `validation_failed`, `not_found`, `plan_limit_reached`, `outcome_unknown`.
pub(crate) async fn consume_with_key(
    app: &App,
    caller: &ShopCaller,
    input: KeyedUse,
    also: Also,
) -> Result<Used> {
    let key = input.idempotency_key.clone();
    let wanted = Box::new(Use::of_key(input, also));
    let order = Order::new(caller.shop, Work::Use(wanted), key, app.now())?;
    used(app.service::<Committer>()?.commit(order).await?)
}

/// Tells what a consume would be answered now, and records nothing.
pub async fn check(app: &App, caller: &ShopCaller, mut input: NewUsage) -> Result<Usage> {
    caller.caller.require(Permission::UsageRead)?;
    input.idempotency_key = None;
    let order = order_of(caller.shop, input, Verb::Spend, app.now())?;
    check::run(app, order).await
}

/// # Errors
/// `not_found`.
async fn customer<S: Scope>(tx: &mut Tx<S>, shop: Shop, named: &CustomerRef) -> Result<Customer> {
    let customer = customers::store::find_by_ref(tx, shop, named).await?;
    customer.ok_or_else(|| Error::not_found("customer"))
}

/// # Errors
/// `not_found`.
async fn feature<S: Scope>(tx: &mut Tx<S>, shop: Shop, key: &str) -> Result<Feature> {
    let feature = features::store::by_key(tx, shop, key).await?;
    feature.ok_or_else(|| Error::not_found("feature"))
}

/// One recorded use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageEvent {
    pub id: UsageEventId,
    pub customer: CustomerId,
    pub end_user: Option<EndUserId>,
    pub feature: String,
    /// What it added; below zero for a correction. Of a largest or latest value, the value.
    pub amount: Amount,
    /// Values of the feature's dimensions.
    pub dimensions: BTreeMap<String, String>,
    pub source: EventSource,
    /// The event that a correction takes back from.
    pub corrects: Option<UsageEventId>,
    /// When it happened, as the caller said; when it arrived, if they did not.
    pub occurred_at: Timestamp,
    pub received_at: Timestamp,
}

/// Which events are wanted.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    pub customer: Option<CustomerRef>,
    pub feature: Option<String>,
    pub source: Option<EventSource>,
    /// Only what happened at this instant or later.
    pub from: Option<Timestamp>,
    /// Only what happened before this instant.
    pub to: Option<Timestamp>,
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
            let of_customer = match &filter.customer {
                None => None,
                Some(named) => Some(customer(&mut tx, shop, named).await?.id),
            };
            let of_feature = match &filter.feature {
                None => None,
                Some(key) => Some(feature(&mut tx, shop, key).await?.id),
            };
            store::list_events(&mut tx, shop, (of_customer, of_feature), filter, page).await
        })
        .await
}
