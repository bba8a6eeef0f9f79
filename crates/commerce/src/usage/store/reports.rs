//! Sums for charts and rankings.

use std::collections::BTreeMap;

use storage::{Tenant, Tx, params};
use types::id::{CustomerId, FeatureId};
use types::{Result, Timestamp};

use crate::Shop;

const SUMS: &str = "SELECT hour_at - (hour_at % $6) AS start_at, CAST(SUM(amount) AS bigint) AS amount,
        CAST(SUM(events) AS bigint) AS events
    FROM usage_hours WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND feature_id = $4
        AND hour_at >= $5 AND hour_at < $7 AND ($8 = 0 OR customer_id = $9)
    GROUP BY hour_at - (hour_at % $6)";

/// Amount and number of events by stretch of `step` microseconds, from `span.0` to `span.1`; empty ones are left out.
pub(in crate::usage) async fn sums(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    feature: FeatureId,
    customer: Option<CustomerId>,
    span: (Timestamp, Timestamp),
    step: i64,
) -> Result<BTreeMap<i64, (i64, i64)>> {
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        feature,
        span.0,
        step,
        span.1,
        i64::from(customer.is_some()),
        customer.map_or(uuid::Uuid::nil(), |id| id.uuid()),
    ];
    let rows = tx.fetch_all(SUMS, params).await?;
    rows.iter()
        .map(|row| Ok((row.get("start_at")?, (row.get("amount")?, row.get("events")?))))
        .collect()
}

const TOP_CUSTOMERS: &str = "SELECT customer_id, CAST(SUM(amount) AS bigint) AS amount
    FROM usage_hours WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND feature_id = $4 AND hour_at >= $5
    GROUP BY customer_id ORDER BY SUM(amount) DESC, customer_id LIMIT $6";

/// Who used most since an instant, and how much.
pub(in crate::usage) async fn top_customers(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    feature: FeatureId,
    since: Timestamp,
    most: u32,
) -> Result<Vec<(CustomerId, i64)>> {
    let params = params![tx.workspace(), shop.platform, shop.mode, feature, since, most];
    let rows = tx.fetch_all(TOP_CUSTOMERS, params).await?;
    rows.iter()
        .map(|row| Ok((row.get("customer_id")?, row.get("amount")?)))
        .collect()
}
