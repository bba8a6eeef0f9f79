//! What overrides and the plans of running subscriptions say, and where the counters stand.

use storage::{Row, Scope, Tx, params};
use types::Result;
use types::id::{CustomerId, FeatureId};

use super::columns::LimitColumns;
use super::resolve::{OverrideSource, PlanSource};
use crate::Shop;

const STANDING_OVERRIDE: &str = "SELECT * FROM overrides
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND customer_id = $4 AND feature_id = $5
        AND removed_at IS NULL";

/// The override that was not removed; it may have expired.
pub(super) async fn standing_override<S: Scope>(
    tx: &mut Tx<S>,
    shop: Shop,
    customer: CustomerId,
    feature: FeatureId,
) -> Result<Option<OverrideSource>> {
    let params = params![shop.workspace, shop.platform, shop.mode, customer, feature];
    let row = tx.fetch_optional(STANDING_OVERRIDE, params).await?;
    row.as_ref().map(override_source).transpose()
}

const RUNNING_PLANS: &str = "SELECT s.subscription_id, s.plan_id, s.plan_version, s.plan_group_id, p.plan_key, g.group_key,
        e.feature_id, e.amount, e.overage, e.overage_cap, e.thresholds
    FROM subscriptions s
    JOIN plans p ON p.workspace_id = s.workspace_id AND p.platform_id = s.platform_id AND p.mode = s.mode
        AND p.plan_id = s.plan_id
    JOIN plan_groups g ON g.workspace_id = s.workspace_id AND g.platform_id = s.platform_id AND g.mode = s.mode
        AND g.plan_group_id = s.plan_group_id
    LEFT JOIN plan_entitlements e ON e.workspace_id = s.workspace_id AND e.platform_id = s.platform_id
        AND e.mode = s.mode AND e.plan_id = s.plan_id AND e.version = s.plan_version AND e.feature_id = $5
    WHERE s.workspace_id = $1 AND s.platform_id = $2 AND s.mode = $3 AND s.customer_id = $4 AND s.ended_at IS NULL
    ORDER BY g.group_key";

/// The plan versions that the customer has, in the order of their groups' keys, with what each gives of the feature.
pub(super) async fn running_plans<S: Scope>(
    tx: &mut Tx<S>,
    shop: Shop,
    customer: CustomerId,
    feature: FeatureId,
) -> Result<Vec<PlanSource>> {
    let params = params![shop.workspace, shop.platform, shop.mode, customer, feature];
    let rows = tx.fetch_all(RUNNING_PLANS, params).await?;
    rows.iter().map(plan_source).collect()
}

fn override_source(row: &Row) -> Result<OverrideSource> {
    let granted: bool = row.get("granted")?;
    Ok(OverrideSource {
        id: row.get("override_id")?,
        limit: granted.then(|| LimitColumns::read(row)).transpose()?,
        reason: row.get("reason")?,
        expires_at: row.get("expires_at")?,
    })
}

fn plan_source(row: &Row) -> Result<PlanSource> {
    let included = row.get::<Option<FeatureId>>("feature_id")?;
    Ok(PlanSource {
        subscription: row.get("subscription_id")?,
        plan: row.get("plan_id")?,
        plan_key: row.get("plan_key")?,
        version: row.get("plan_version")?,
        group: row.get("plan_group_id")?,
        group_key: row.get("group_key")?,
        limit: included.map(|_| LimitColumns::read(row)).transpose()?,
    })
}
