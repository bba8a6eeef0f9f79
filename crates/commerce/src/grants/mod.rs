//! Grants: extra balance of one customer and metered feature, beside what their plan includes, bought or given. Usage
//! burns grants when the plan's allowance is used up and before anything is overage: lower priority first, then what
//! expires first, then the older one.
//!
//! The group commit of usage changes `used` and `held`, under a lock on the row, and knows by the customer's version that
//! there are other grants than it remembers. Whatever ends a grant takes the same lock.

mod expire;
mod form;
mod http;
pub(crate) mod store;

use runtime::outbox::{self, NewEvent};
use runtime::{App, Module, audit, jobs};
use serde::{Deserialize, Serialize};
use storage::{Tenant, Tx};
use types::id::{CustomerId, FeatureId, GrantId};
use types::text::check_text;
use types::{Error, ErrorCode, Page, PageRequest, Permission, Result, Timestamp};
use utoipa::ToSchema;

pub use self::form::{GrantCreate, RolloverForm};
pub(crate) use self::http::routes;
pub use self::store::{live_ids, lock, read, write};

use self::expire::ExpireGrant;
use self::store::GrantRow;
use crate::customers::{self, Reference};
use crate::features::Feature;
use crate::{Amount, Shop, ShopCaller, entitlements};

/// Characters of a reason, at most.
const MAX_REASON_CHARS: usize = 500;
/// Grants of one customer and feature of which something is left, at most: every consume looks at all of them.
pub const MAX_OPEN: i64 = 100;

/// Extra balance of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    pub id: GrantId,
    pub customer: CustomerId,
    /// The feature's key.
    pub feature: String,
    pub feature_id: FeatureId,
    pub amount: Amount,
    pub used: Amount,
    /// Reserved by open holds.
    pub held: Amount,
    /// Neither used nor held. It can be burned from `effective_at` until the grant expires or is voided; what is left
    /// then is lost, unless it rolls over.
    pub remaining: Amount,
    /// Lower is burned first.
    pub priority: i16,
    /// The first instant at which it can be burned.
    pub effective_at: Timestamp,
    /// The first instant at which it cannot be burned any more; none: it never expires.
    pub expires_at: Option<Timestamp>,
    /// What of it starts the next grant when it expires; none: nothing.
    pub rollover: Option<RolloverForm>,
    /// The grant that what was left has rolled over to.
    pub rolled_to: Option<GrantId>,
    pub reason: String,
    pub created_at: Timestamp,
    /// From this instant on nothing of it can be burned.
    pub voided_at: Option<Timestamp>,
}

impl From<&GrantRow> for Grant {
    fn from(row: &GrantRow) -> Grant {
        let amount = |units| Amount::from_units(units, row.scale);
        let state = &row.state;
        Grant {
            id: state.id,
            customer: row.customer,
            feature: row.feature.clone(),
            feature_id: row.feature_id,
            amount: amount(state.amount),
            used: amount(state.used),
            held: amount(state.held),
            remaining: amount(state.balance()),
            priority: state.priority,
            effective_at: state.effective_at,
            expires_at: state.expires_at,
            rollover: row.rollover.map(|carry| RolloverForm::new(carry, row.scale)),
            rolled_to: row.rolled_to,
            reason: row.reason.clone(),
            created_at: row.created_at,
            voided_at: row.voided_at,
        }
    }
}

/// Gives a customer extra balance of a feature.
///
/// # Errors
/// `permission_denied`; `not_found` for the customer; `customer_archived`; `validation_failed`; `feature_not_metered`;
/// `conflict`, when the customer has [`MAX_OPEN`] grants of the feature that are not used up.
pub async fn create(
    app: &App,
    caller: &ShopCaller,
    customer: CustomerId,
    new: &GrantCreate,
) -> Result<Grant> {
    caller.caller.require(Permission::CustomersManage)?;
    let (now, shop) = (app.now(), caller.shop);
    new.check(now)?;
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let customer = customers::active(&mut tx, shop, &Reference::Id(customer)).await?;
            let feature = entitlements::find_feature(&mut tx, shop, &new.feature).await?;
            let row = new.to_row(customer.id, &grantable(feature)?, now)?;
            check_room(store::count_open(&mut tx, shop, customer.id, row.feature_id).await?)?;
            start(&mut tx, shop, &row, now).await?;
            customers::touch(&mut tx, shop, customer.id).await?;
            let entry = audit::NewEntry::new("grant.create", "grant", row.state.id)
                .with_reason(&row.reason)
                .with_detail("customer", customer.id.to_string())
                .with_detail("feature", row.feature.as_str());
            audit::record(&mut tx, &caller.caller, entry, now).await?;
            let created = Grant::from(&row);
            outbox::emit(&mut tx, event("grant.created", shop, &created)?, now).await?;
            Ok(created)
        })
        .await
}

/// A feature that there can be grants of.
fn grantable(feature: Option<Feature>) -> Result<Feature> {
    let feature = feature
        .filter(|feature| feature.archived_at.is_none())
        .ok_or_else(|| {
            Error::invalid(
                "feature",
                "there is no such feature on this platform, or it is archived",
            )
        })?;
    match feature.meter {
        None => Err(Error::new(
            ErrorCode::FeatureNotMetered,
            format!(
                "{} is not a metered feature, so there is no balance of it.",
                feature.key
            ),
        )),
        Some(meter) if meter.is_gauge() => Err(Error::invalid(
            "feature",
            "its counter goes down by itself (the latest amount, or a rolling window), so there is no balance to burn; \
             give more with an override",
        )),
        Some(_) => Ok(feature),
    }
}

fn check_room(open: i64) -> Result<()> {
    if open < MAX_OPEN {
        return Ok(());
    }
    let detail = format!(
        "The customer has {MAX_OPEN} grants of this feature that are not used up, the most there can be. Void one first."
    );
    Err(Error::new(ErrorCode::Conflict, detail).with_member("limit", MAX_OPEN))
}

/// Writes a new grant, and the job that sees to its expiry.
async fn start(tx: &mut Tx<Tenant>, shop: Shop, row: &GrantRow, now: Timestamp) -> Result<()> {
    store::insert(tx, shop, row).await?;
    if let Some(at) = row.state.expires_at {
        let job = ExpireGrant::new(shop, row.state.id);
        jobs::enqueue_at(tx, &job, at, now).await?;
    }
    Ok(())
}

/// A customer's grants, newest first, whatever became of them; of one feature, by id or key, if it is named.
///
/// # Errors
/// `permission_denied`; `not_found` for the customer or the feature.
pub async fn list(
    app: &App,
    caller: &ShopCaller,
    customer: CustomerId,
    feature: Option<&str>,
    page: &PageRequest,
) -> Result<Page<Grant>> {
    caller.caller.require(Permission::CustomersRead)?;
    let shop = caller.shop;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move {
            let customer = customers::existing(&mut tx, shop, &Reference::Id(customer)).await?;
            let feature = match feature {
                None => None,
                Some(name) => {
                    let found = entitlements::find_feature(&mut tx, shop, name).await?;
                    Some(found.ok_or_else(|| Error::not_found("feature"))?.id)
                }
            };
            store::list(&mut tx, shop, customer.id, feature, page).await
        })
        .await
        .map(|rows| rows.map(|row| Grant::from(&row)))
}

/// # Errors
/// `permission_denied`; `not_found`, when the shop has no such grant.
pub async fn get(app: &App, caller: &ShopCaller, id: GrantId) -> Result<Grant> {
    caller.caller.require(Permission::CustomersRead)?;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { existing(store::find(&mut tx, caller.shop, id).await?) })
        .await
        .map(|row| Grant::from(&row))
}

/// Ends a grant now, for a reason: what is left cannot be burned any more and does not roll over. What open holds reserve
/// stays theirs. Doing it again changes nothing.
///
/// # Errors
/// `permission_denied`, `not_found`, `validation_failed` for the reason; `conflict`, when it has expired.
pub async fn void(app: &App, caller: &ShopCaller, id: GrantId, reason: &str) -> Result<Grant> {
    caller.caller.require(Permission::CustomersManage)?;
    check_reason(reason)?;
    let (now, shop) = (app.now(), caller.shop);
    app.db()
        .of(caller.tenant())
        .write_locked(|mut tx| async move {
            let mut row = existing(store::lock_one(&mut tx, shop, id).await?)?;
            if row.voided_at.is_some() {
                return Ok(Grant::from(&row));
            }
            refuse_expired(&row, now)?;
            (row.voided_at, row.closed_at) = (Some(now), Some(now));
            end(&mut tx, shop, &row).await?;
            let entry = audit::NewEntry::new("grant.void", "grant", id)
                .with_reason(reason)
                .with_detail("customer", row.customer.to_string())
                .with_detail("feature", row.feature.as_str());
            audit::record(&mut tx, &caller.caller, entry, now).await?;
            let voided = Grant::from(&row);
            outbox::emit(&mut tx, event("grant.voided", shop, &voided)?, now).await?;
            Ok(voided)
        })
        .await
}

fn refuse_expired(row: &GrantRow, now: Timestamp) -> Result<()> {
    // A node whose clock is ahead may have seen to it already.
    let is_over = |end: &Timestamp| *end <= now || row.closed_at.is_some();
    let Some(end) = row.state.expires_at.filter(is_over) else {
        return Ok(());
    };
    let next = match row.rolled_to {
        Some(next) => format!(" What was left has rolled over to {next}; void that one."),
        None => String::new(),
    };
    let detail = format!("The grant has expired at {end}: there is nothing left to void.{next}");
    Err(Error::new(ErrorCode::Conflict, detail))
}

/// Writes what became of a grant whose row is locked. The customer comes after the grant, as in the group commit of usage, so
/// that the two never wait for each other in a circle.
async fn end(tx: &mut Tx<Tenant>, shop: Shop, row: &GrantRow) -> Result<()> {
    store::close(tx, shop, row).await?;
    customers::touch(tx, shop, row.customer).await
}

fn existing(row: Option<GrantRow>) -> Result<GrantRow> {
    row.ok_or_else(|| Error::not_found("grant"))
}

fn check_reason(reason: &str) -> Result<()> {
    check_text("reason", reason, 1, MAX_REASON_CHARS)
}

fn event(kind: &'static str, shop: Shop, grant: &Grant) -> Result<NewEvent> {
    Ok(NewEvent::new(kind, grant.id, grant)?.of_platform(shop.platform, shop.mode))
}

/// Adds the job that sees to grants that expire.
pub(crate) fn register(mut module: Module) -> Module {
    module.jobs = std::mem::take(&mut module.jobs).with::<ExpireGrant>();
    module
}
