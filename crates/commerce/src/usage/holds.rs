//! Holds: reserve now, settle what it really cost later. For work whose cost is known only when it is done.

use std::time::Duration;

use ledger::HoldStatus;
use runtime::App;
use serde::{Deserialize, Serialize};
use types::id::{CustomerId, EndUserId, HoldId, UsageEventId};
use types::{Error, Page, PageRequest, Permission, Result, Timestamp};
use utoipa::ToSchema;

use super::commit::{Answer, Committer};
use super::order::{NewUsage, Order, Settle, Verb, Work};
use super::store::{self, StoredHold};
use super::{Usage, commit_use, customer};
use crate::ShopCaller;
use crate::amount::Amount;
use crate::customers::CustomerRef;

/// How long a hold lasts when nobody says, in seconds.
pub const DEFAULT_HOLD_SECS: u32 = 15 * 60;
/// How long a hold may last, in seconds.
pub const MAX_HOLD_SECS: u32 = 7 * 24 * 60 * 60;

/// Units that are reserved, and what has become of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Hold {
    pub id: HoldId,
    pub status: HoldStatusForm,
    pub customer: CustomerId,
    pub end_user: Option<EndUserId>,
    pub feature: String,
    /// What was reserved.
    pub amount: Amount,
    /// What was settled so far.
    pub settled: Amount,
    /// Of what was settled, what was beyond the hold or came after it had ended.
    pub overrun: Amount,
    /// What is still reserved.
    pub held: Amount,
    pub created_at: Timestamp,
    /// The first instant at which it does not hold any more.
    pub expires_at: Timestamp,
}

/// Where a hold is in its life: it reserves; it was closed by a last settlement; it was given back; its time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HoldStatus)]
pub enum HoldStatusForm {
    Open,
    Settled,
    Released,
    Expired,
}

impl From<HoldStatus> for HoldStatusForm {
    fn from(status: HoldStatus) -> Self {
        match status {
            HoldStatus::Open => HoldStatusForm::Open,
            HoldStatus::Settled => HoldStatusForm::Settled,
            HoldStatus::Released => HoldStatusForm::Released,
            HoldStatus::Expired => HoldStatusForm::Expired,
        }
    }
}

impl Hold {
    pub(super) fn new(stored: &StoredHold) -> Self {
        let amount = |units| Amount::from_units(units, stored.scale());
        let hold = &stored.hold;
        Hold {
            id: hold.id,
            status: hold.status.into(),
            customer: stored.customer,
            end_user: stored.end_user,
            feature: stored.feature_key().to_owned(),
            amount: amount(hold.amount),
            settled: amount(hold.settled),
            overrun: amount(hold.overrun),
            held: amount(hold.held()),
            created_at: hold.created_at,
            expires_at: hold.expires_at,
        }
    }
}

/// Units to reserve.
#[derive(Debug, Clone)]
pub struct NewReservation {
    pub usage: NewUsage,
    /// How long they are reserved, in seconds; [`DEFAULT_HOLD_SECS`] when none.
    pub lasts_secs: Option<u32>,
}

/// The answer to a reservation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reservation {
    pub hold: Hold,
    pub usage: Usage,
}

/// What a hold has cost.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSettlement {
    /// What it has cost altogether so far, zero or above; all that was reserved when absent. Being a total, it can be sent
    /// twice.
    #[serde(default)]
    pub amount: Option<Amount>,
    /// Whether that was all: what is left of the hold is given back. True when absent.
    #[serde(default = "yes")]
    pub close: bool,
}

fn yes() -> bool {
    true
}

/// What a settlement did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Settlement {
    pub hold: Hold,
    /// The recorded event; none when nothing was charged.
    pub event: Option<UsageEventId>,
    /// Charged by this call; 0 when it says what was said before.
    pub charged: Amount,
    /// Of what was charged, what was beyond the hold or came after it had ended.
    pub overrun: Amount,
    /// What the customer has used in the period of the hold.
    pub used: Amount,
    pub limit: Option<Amount>,
    pub remaining: Option<Amount>,
}

/// Reserves units if the quota has room for all of them.
///
/// # Errors
/// As [`super::consume`]; `validation_failed` for a feature whose usage does not add up.
pub async fn reserve(app: &App, caller: &ShopCaller, input: NewReservation) -> Result<Reservation> {
    caller.caller.require(Permission::UsageConsume)?;
    let secs = input.lasts_secs.unwrap_or(DEFAULT_HOLD_SECS);
    if !(1..=MAX_HOLD_SECS).contains(&secs) {
        return Err(Error::invalid(
            "lasts_secs",
            format!("must be 1 to {MAX_HOLD_SECS} seconds"),
        ));
    }
    let verb = Verb::Reserve(Duration::from_secs(secs.into()));
    let used = commit_use(app, caller, input.usage, verb, app.now()).await?;
    let usage = used.usage.ok_or_else(Answer::unexpected)?;
    if !usage.allowed {
        return Err(usage.refusal());
    }
    let hold = used.hold.ok_or_else(Answer::unexpected)?;
    Ok(Reservation { hold, usage })
}

/// Charges what a hold has cost altogether. What is more than was held, or comes after it has expired, is charged all the same
/// and told as overrun: it was really used.
///
/// # Errors
/// `permission_denied`, `not_found`, `validation_failed` for a total below what was settled, `conflict` for a hold that was
/// released or is closed with another total.
pub async fn settle(
    app: &App,
    caller: &ShopCaller,
    hold: HoldId,
    input: NewSettlement,
) -> Result<Settlement> {
    caller.caller.require(Permission::UsageConsume)?;
    let work = Work::Settle(Settle {
        hold,
        total: input.amount,
        close: input.close,
    });
    let order = Order::new(caller.shop, work, None, app.now())?;
    match app.service::<Committer>()?.commit(order).await? {
        Answer::Settled(settlement) => Ok(*settlement),
        _ => Err(Answer::unexpected()),
    }
}

/// Gives back what a hold still reserves; what was settled stays settled. Doing it again changes nothing.
///
/// # Errors
/// `permission_denied`, `not_found`, `conflict` for a hold that was settled.
pub async fn release(app: &App, caller: &ShopCaller, hold: HoldId) -> Result<Hold> {
    caller.caller.require(Permission::UsageConsume)?;
    let order = Order::new(caller.shop, Work::Release(hold), None, app.now())?;
    match app.service::<Committer>()?.commit(order).await? {
        Answer::Released(hold) => Ok(*hold),
        _ => Err(Answer::unexpected()),
    }
}

/// # Errors
/// `permission_denied`, `not_found`.
pub async fn get_hold(app: &App, caller: &ShopCaller, hold: HoldId) -> Result<Hold> {
    caller.caller.require(Permission::UsageRead)?;
    let shop = caller.shop;
    let found = app
        .db()
        .of(caller.tenant())
        .read(|mut tx| async move { store::find_hold(&mut tx, shop, hold).await })
        .await?;
    found
        .as_ref()
        .map(Hold::new)
        .ok_or_else(|| Error::not_found("hold"))
}

/// Which holds are wanted.
#[derive(Debug, Clone, Default)]
pub struct HoldFilter {
    pub customer: Option<CustomerRef>,
    /// Only those that still reserve.
    pub open_only: bool,
}

/// Holds, newest first.
///
/// # Errors
/// `permission_denied`; `not_found` for the customer.
pub async fn list_holds(
    app: &App,
    caller: &ShopCaller,
    filter: &HoldFilter,
    page: &PageRequest,
) -> Result<Page<Hold>> {
    caller.caller.require(Permission::UsageRead)?;
    let shop = caller.shop;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move {
            let of_customer = match &filter.customer {
                None => None,
                Some(named) => Some(customer(&mut tx, shop, named).await?.id),
            };
            let page = store::list_holds(&mut tx, shop, of_customer, filter.open_only, page).await?;
            Ok(page.map(|stored| Hold::new(&stored)))
        })
        .await
}

/// Gives back what overdue holds reserve. How many there were.
pub(super) async fn expire_overdue(app: &App) -> Result<usize> {
    let now = app.now();
    let overdue = app
        .db()
        .of(super::commit::system(app))
        .read(|mut tx| async move { store::overdue_holds(&mut tx, now, MAX_OVERDUE).await })
        .await?;
    let count = overdue.len();
    let orders = overdue
        .into_iter()
        .map(|(shop, hold)| Order::new(shop, Work::Expire(hold), None, now));
    for answer in super::commit_all(app, orders.collect()).await? {
        answer?;
    }
    Ok(count)
}

/// Overdue holds that are given back together.
const MAX_OVERDUE: u32 = 500;
