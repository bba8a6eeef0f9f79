//! Entitlements: what a customer may use, how much of it is left, and why.

mod columns;
mod explain;
mod http;
mod resolve;
mod standing;
mod store;

use runtime::App;
use serde::Serialize;
use storage::{Scope, Tenant, Tx};
use types::id::{CustomerId, FeatureId};
use types::{Error, Page, PageRequest, Permission, Result, Timestamp};
use utoipa::ToSchema;

pub(crate) use self::columns::LimitColumns;
pub use self::explain::{ConsideredSource, Explanation, Gift, SourceForm, Verdict};
pub(crate) use self::http::routes;
pub(crate) use self::resolve::{Holdings, Resolved, Source, resolve};
pub use self::standing::CounterForm;

use self::standing::Standing;
use crate::customers::{self, Customer, Reference};
use crate::features::{self, Feature, FeatureKind};
use crate::key::check_key;
use crate::{Amount, Shop, ShopCaller, cursor};

/// What a customer may use of one feature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Entitlement {
    /// The feature's key.
    pub feature: String,
    pub feature_id: FeatureId,
    pub kind: FeatureKind,
    /// Whether the customer has the feature at all; for a boolean one: whether it is on.
    pub entitled: bool,
    /// How much, in a period if the feature is metered; null for unlimited, and where there is nothing to
    /// limit.
    pub limit: Option<Amount>,
    /// Used in the current period; null unless the feature is metered, like the four that follow.
    pub used: Option<Amount>,
    /// Reserved by open holds.
    pub held: Option<Amount>,
    /// What is left in the period; null for unlimited.
    pub remaining: Option<Amount>,
    /// Used beyond the limit, where the plan allows that.
    pub overage: Option<Amount>,
    /// When the period ends and the count starts again; null for never.
    pub reset_at: Option<Timestamp>,
    /// Why, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explain: Option<Explanation>,
}

/// What the customer may use of each feature of the platform, oldest feature first. Features that were
/// archived are listed while the customer still has them.
///
/// # Errors
/// `permission_denied`; `not_found` for the customer.
pub async fn list(
    app: &App,
    caller: &ShopCaller,
    customer: CustomerId,
    page: &PageRequest,
) -> Result<Page<Entitlement>> {
    caller.caller.require(Permission::CustomersRead)?;
    let (now, shop) = (app.now(), caller.shop);
    let after: FeatureId = cursor::after(page)?;
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move {
            let customer = customers::existing(&mut tx, shop, &Reference::Id(customer)).await?;
            let holdings = Holdings::load(&mut tx, shop, customer.id).await?;
            let features = features::store::all(&mut tx, shop).await?;
            let wanted = features
                .into_iter()
                .filter(|feature| feature.id > after)
                .filter_map(|feature| {
                    let resolved = holdings.resolve(feature.id, now);
                    let is_listed = feature.archived_at.is_none() || resolved.limit.is_some();
                    is_listed.then_some((feature, resolved))
                });
            let mut entitlements = Vec::new();
            for (feature, resolved) in wanted.take(page.limit as usize + 1) {
                entitlements.push(
                    entitlement(&mut tx, shop, &customer, &feature, &resolved, now)
                        .await?
                        .0,
                );
            }
            Ok(Page::from_overfetch(
                entitlements,
                page.limit,
                |entitlement: &Entitlement| entitlement.feature_id.to_string(),
            ))
        })
        .await
}

/// What the customer may use of the feature with that id or key, and why, if `explain`.
///
/// # Errors
/// `permission_denied`; `not_found` for the customer or the feature.
pub async fn get(
    app: &App,
    caller: &ShopCaller,
    customer: CustomerId,
    feature: &str,
    explain: bool,
) -> Result<Entitlement> {
    caller.caller.require(Permission::CustomersRead)?;
    let (now, shop) = (app.now(), caller.shop);
    app.db()
        .of(caller.tenant())
        .read(|mut tx| async move {
            let customer = customers::existing(&mut tx, shop, &Reference::Id(customer)).await?;
            let feature = find_feature(&mut tx, shop, feature).await?;
            let feature = feature.ok_or_else(|| Error::not_found("feature"))?;
            let resolved = resolve(&mut tx, shop, customer.id, feature.id, now).await?;
            let (mut entitlement, standing) =
                entitlement(&mut tx, shop, &customer, &feature, &resolved, now).await?;
            if explain {
                entitlement.explain = Some(Explanation::new(&customer, &feature, &resolved, standing, now));
            }
            Ok(entitlement)
        })
        .await
}

/// The feature with that id or key, archived or not; an id wins.
pub(crate) async fn find_feature<S: Scope>(
    tx: &mut Tx<S>,
    shop: Shop,
    name: &str,
) -> Result<Option<Feature>> {
    if let Ok(id) = name.parse() {
        return features::store::find(tx, shop, id).await;
    }
    match check_key("feature", name) {
        Ok(()) => features::by_key(tx, shop, name).await,
        Err(_) => Ok(None),
    }
}

/// The entitlement, and where the counter stands if the feature is metered.
async fn entitlement(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    customer: &Customer,
    feature: &Feature,
    resolved: &Resolved,
    now: Timestamp,
) -> Result<(Entitlement, Option<Standing>)> {
    let standing = match feature.meter {
        None => None,
        Some(meter) => {
            let limit = resolved.limit.as_ref();
            Some(Standing::load(tx, shop, customer, (feature.id, meter), limit, now).await?)
        }
    };
    let amount = |units| Amount::from_units(units, feature.scale());
    let view = standing.as_ref().map(|standing| &standing.view);
    let entitlement = Entitlement {
        feature: feature.key.clone(),
        feature_id: feature.id,
        kind: feature.kind,
        entitled: resolved.limit.is_some() && customer.archived_at.is_none(),
        limit: resolved.limit.as_ref().and_then(|limit| limit.amount).map(amount),
        used: view.map(|view| amount(view.used)),
        held: view.map(|view| amount(view.held)),
        remaining: view.and_then(|view| view.remaining).map(amount),
        overage: view.map(|view| amount(view.overage)),
        reset_at: view.and_then(|view| view.reset_at),
        explain: None,
    };
    Ok((entitlement, standing))
}
