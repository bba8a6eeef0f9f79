//! The table `overrides`.

use ledger::{Limit, Scale};
use storage::{Row, Tenant, Tx, params};
use types::id::{CustomerId, FeatureId, OverrideId};
use types::{Error, Page, PageRequest, Result, Timestamp};

use super::{NOTHING, Override};
use crate::entitlements::LimitColumns;
use crate::plans::OverageForm;
use crate::{Amount, Shop, cursor};

const INSERT: &str =
    "INSERT INTO overrides (workspace_id, platform_id, mode, override_id, customer_id, feature_id, granted,
        amount, overage, overage_cap, thresholds, reason, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";

pub(super) async fn insert(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    created: &Override,
    limit: Option<&Limit>,
) -> Result<()> {
    let columns = LimitColumns::of(limit.unwrap_or(&NOTHING))?;
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        created.id,
        created.customer,
        created.feature_id,
        created.granted,
        columns.amount,
        columns.overage,
        columns.overage_cap,
        columns.thresholds,
        &created.reason,
        created.created_at,
        created.expires_at,
    ];
    tx.execute(INSERT, params).await.map(drop)
}

const SET_REMOVED: &str = "UPDATE overrides SET removed_at = $5
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND override_id = $4";

pub(super) async fn set_removed(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    id: OverrideId,
    removed_at: Timestamp,
) -> Result<()> {
    let params = params![tx.workspace(), shop.platform, shop.mode, id, removed_at];
    tx.execute(SET_REMOVED, params).await.map(drop)
}

/// Overrides with the keys and scales of their features.
macro_rules! select_overrides {
    ($which:literal) => {
        concat!(
            "SELECT o.*, f.feature_key, f.scale FROM overrides o
            JOIN features f ON f.workspace_id = o.workspace_id AND f.platform_id = o.platform_id
                AND f.mode = o.mode AND f.feature_id = o.feature_id
            WHERE o.workspace_id = $1 AND o.platform_id = $2 AND o.mode = $3 AND ",
            $which
        )
    };
}

const FIND: &str = select_overrides!("o.override_id = $4");

pub(super) async fn find(tx: &mut Tx<Tenant>, shop: Shop, id: OverrideId) -> Result<Option<Override>> {
    let params = params![tx.workspace(), shop.platform, shop.mode, id];
    let row = tx.fetch_optional(FIND, params).await?;
    row.as_ref().map(read).transpose()
}

const FIND_STANDING: &str =
    select_overrides!("o.customer_id = $4 AND o.feature_id = $5 AND o.removed_at IS NULL");

/// The one that was not removed; it may have expired.
pub(super) async fn find_standing(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    customer: CustomerId,
    feature: FeatureId,
) -> Result<Option<Override>> {
    let params = params![tx.workspace(), shop.platform, shop.mode, customer, feature];
    let row = tx.fetch_optional(FIND_STANDING, params).await?;
    row.as_ref().map(read).transpose()
}

const LIST: &str = select_overrides!(
    "o.override_id < $4 AND ($5 OR o.removed_at IS NULL) ORDER BY o.override_id DESC LIMIT $6"
);

/// Everybody's, newest first.
pub(super) async fn list(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    with_removed: bool,
    page: &PageRequest,
) -> Result<Page<Override>> {
    let before: OverrideId = cursor::before(page)?;
    let most = page.limit + 1;
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        before,
        with_removed,
        most
    ];
    let rows = tx.fetch_all(LIST, params).await?;
    page_of(&rows, page)
}

const LIST_OF: &str = select_overrides!(
    "o.customer_id = $4 AND o.override_id < $5 AND ($6 OR o.removed_at IS NULL)
        ORDER BY o.override_id DESC LIMIT $7"
);

/// One customer's, newest first.
pub(super) async fn list_of(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    customer: CustomerId,
    with_removed: bool,
    page: &PageRequest,
) -> Result<Page<Override>> {
    let before: OverrideId = cursor::before(page)?;
    let most = page.limit + 1;
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        customer,
        before,
        with_removed,
        most
    ];
    let rows = tx.fetch_all(LIST_OF, params).await?;
    page_of(&rows, page)
}

fn page_of(rows: &[Row], page: &PageRequest) -> Result<Page<Override>> {
    let overrides = rows.iter().map(read).collect::<Result<_>>()?;
    Ok(Page::from_overfetch(overrides, page.limit, |found: &Override| {
        found.id.to_string()
    }))
}

/// A row with its feature's key and scale, which is null unless the feature is metered.
fn read(row: &Row) -> Result<Override> {
    let limit = LimitColumns::read(row)?;
    let scale = match row.get::<Option<i64>>("scale")? {
        None => Scale::WHOLE,
        Some(places) => u8::try_from(places)
            .map_err(Error::internal)
            .and_then(|places| Scale::new(places).map_err(Error::internal))?,
    };
    Ok(Override {
        id: row.get("override_id")?,
        customer: row.get("customer_id")?,
        feature: row.get("feature_key")?,
        feature_id: row.get("feature_id")?,
        granted: row.get("granted")?,
        limit: limit.amount.map(|units| Amount::from_units(units, scale)),
        overage: OverageForm::new(limit.overage, scale),
        thresholds: limit.thresholds,
        reason: row.get("reason")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        removed_at: row.get("removed_at")?,
    })
}
