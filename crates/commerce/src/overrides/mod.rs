//! Overrides: what one customer gets of a feature whatever their plans say, more or less, until it expires or
//! is removed. Each has a reason, and one stands for each customer and feature.

mod form;
mod http;
mod store;

use ledger::Limit;
use runtime::outbox::{self, NewEvent};
use runtime::{App, audit};
use serde::Serialize;
use storage::{Tenant, Tx};
use types::id::{CustomerId, FeatureId, OverrideId};
use types::text::check_text;
use types::{Error, Page, PageRequest, Permission, Result, Timestamp};
use utoipa::ToSchema;

pub use self::form::OverrideCreate;
pub(crate) use self::http::routes;

use crate::customers::{self, CustomerRef};
use crate::entitlements;
use crate::features::Feature;
use crate::plans::OverageForm;
use crate::{Amount, Shop, ShopCaller};

/// Characters of a reason, at most.
pub const MAX_REASON_CHARS: usize = 500;

/// What one customer gets of a feature, whatever their plans say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Override {
    pub id: OverrideId,
    pub customer: CustomerId,
    /// The feature's key.
    pub feature: String,
    pub feature_id: FeatureId,
    /// False: the feature is taken away.
    pub granted: bool,
    /// How much; null for unlimited, for a boolean feature, and for one that is taken away.
    pub limit: Option<Amount>,
    pub overage: OverageForm,
    /// Percentages of the limit at which a warning is given.
    pub thresholds: Vec<u16>,
    pub reason: String,
    pub created_at: Timestamp,
    /// None: it stands until it is removed.
    pub expires_at: Option<Timestamp>,
    pub removed_at: Option<Timestamp>,
}

/// What is given of a feature that is taken away, as far as columns and forms ask for it.
static NOTHING: Limit = Limit::unlimited();

impl Override {
    fn new(
        new: &OverrideCreate,
        customer: CustomerId,
        feature: &Feature,
        limit: Option<&Limit>,
        now: Timestamp,
    ) -> Self {
        let scale = feature.scale();
        let included = limit.unwrap_or(&NOTHING);
        Override {
            id: OverrideId::generate(),
            customer,
            feature: feature.key.clone(),
            feature_id: feature.id,
            granted: limit.is_some(),
            limit: included.amount.map(|units| Amount::from_units(units, scale)),
            overage: OverageForm::new(included.overage, scale),
            thresholds: included.thresholds.clone(),
            reason: new.reason.clone(),
            created_at: now,
            expires_at: new.expires_at,
            removed_at: None,
        }
    }
}

/// Gives a customer something of a feature, or takes it away, in the place of the override that stood there.
///
/// # Errors
/// `permission_denied`; `not_found` for the customer; `customer_archived`; `validation_failed`.
pub async fn create(app: &App, caller: &ShopCaller, new: &OverrideCreate) -> Result<Override> {
    caller.caller.require(Permission::CustomersManage)?;
    check_reason(&new.reason)?;
    let (now, shop) = (app.now(), caller.shop);
    if new.expires_at.is_some_and(|at| at <= now) {
        return Err(Error::invalid("expires_at", "must lie in the future"));
    }
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let customer = customers::active(&mut tx, shop, &new.customer).await?;
            let feature = entitlements::find_feature(&mut tx, shop, &new.feature).await?;
            let feature = feature
                .filter(|feature| feature.archived_at.is_none())
                .ok_or_else(|| {
                    Error::invalid(
                        "feature",
                        "there is no such feature on this platform, or it is archived",
                    )
                })?;
            let limit = new.limit(&feature)?;
            if let Some(standing) = store::find_standing(&mut tx, shop, customer.id, feature.id).await? {
                take_away(&mut tx, caller, standing, &new.reason, now).await?;
            }
            let created = Override::new(new, customer.id, &feature, limit.as_ref(), now);
            store::insert(&mut tx, shop, &created, limit.as_ref()).await?;
            customers::touch(&mut tx, shop, customer.id).await?;
            let entry = audit::NewEntry::new("override.create", "override", created.id)
                .with_reason(&created.reason)
                .with_detail("customer", customer.id.to_string())
                .with_detail("feature", feature.key)
                .with_detail("granted", created.granted);
            audit::record(&mut tx, &caller.caller, entry, now).await?;
            outbox::emit(&mut tx, event("override.created", shop, &created)?, now).await?;
            Ok(created)
        })
        .await
}

/// A customer's overrides, newest first; everybody's, when no customer is named.
///
/// # Errors
/// `permission_denied`, `not_found` for the customer.
pub async fn list(
    app: &App,
    caller: &ShopCaller,
    customer: Option<&CustomerRef>,
    with_removed: bool,
    page: &PageRequest,
) -> Result<Page<Override>> {
    caller.caller.require(Permission::CustomersRead)?;
    let shop = caller.shop;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move {
            match customer {
                None => store::list(&mut tx, shop, with_removed, page).await,
                Some(reference) => {
                    let customer = customers::existing(&mut tx, shop, reference).await?;
                    store::list_of(&mut tx, shop, customer.id, with_removed, page).await
                }
            }
        })
        .await
}

/// # Errors
/// `permission_denied`; `not_found`, when the shop has no such override.
pub async fn get(app: &App, caller: &ShopCaller, id: OverrideId) -> Result<Override> {
    caller.caller.require(Permission::CustomersRead)?;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move { existing(&mut tx, caller.shop, id).await })
        .await
}

/// Removes an override now, for a reason: the plans decide again. Doing it again changes nothing.
///
/// # Errors
/// `permission_denied`, `not_found`, `validation_failed` for the reason.
pub async fn remove(app: &App, caller: &ShopCaller, id: OverrideId, reason: &str) -> Result<Override> {
    caller.caller.require(Permission::CustomersManage)?;
    check_reason(reason)?;
    let now = app.now();
    app.db()
        .of(caller.tenant())
        .write(|mut tx| async move {
            let standing = existing(&mut tx, caller.shop, id).await?;
            if standing.removed_at.is_some() {
                return Ok(standing);
            }
            take_away(&mut tx, caller, standing, reason, now).await
        })
        .await
}

async fn take_away(
    tx: &mut Tx<Tenant>,
    caller: &ShopCaller,
    mut standing: Override,
    reason: &str,
    now: Timestamp,
) -> Result<Override> {
    standing.removed_at = Some(now);
    store::set_removed(tx, caller.shop, standing.id, now).await?;
    customers::touch(tx, caller.shop, standing.customer).await?;
    let entry = audit::NewEntry::new("override.remove", "override", standing.id)
        .with_reason(reason)
        .with_detail("customer", standing.customer.to_string())
        .with_detail("feature", standing.feature.as_str());
    audit::record(tx, &caller.caller, entry, now).await?;
    outbox::emit(tx, event("override.removed", caller.shop, &standing)?, now).await?;
    Ok(standing)
}

async fn existing(tx: &mut Tx<Tenant>, shop: Shop, id: OverrideId) -> Result<Override> {
    let found = store::find(tx, shop, id).await?;
    found.ok_or_else(|| Error::not_found("override"))
}

fn check_reason(reason: &str) -> Result<()> {
    check_text("reason", reason, 1, MAX_REASON_CHARS)
}

fn event(kind: &'static str, shop: Shop, subject: &Override) -> Result<NewEvent> {
    Ok(NewEvent::new(kind, subject.id, subject)?.of_platform(shop.platform, shop.mode))
}
