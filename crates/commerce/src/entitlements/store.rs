//! What overrides and the plans of running subscriptions say, and where the counters stand.

use std::collections::HashMap;

use ledger::{CounterKey, CounterState, Limit};
use storage::{Row, Scope, Tenant, Tx, params};
use types::id::{CustomerId, FeatureId};
use types::{Error, Result};

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

const STANDING_OVERRIDES: &str = "SELECT * FROM overrides
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND customer_id = $4 AND removed_at IS NULL";

/// All of the customer's.
pub(super) async fn standing_overrides<S: Scope>(
    tx: &mut Tx<S>,
    shop: Shop,
    customer: CustomerId,
) -> Result<HashMap<FeatureId, OverrideSource>> {
    let params = params![shop.workspace, shop.platform, shop.mode, customer];
    let rows = tx.fetch_all(STANDING_OVERRIDES, params).await?;
    rows.iter()
        .map(|row| Ok((row.get("feature_id")?, override_source(row)?)))
        .collect()
}

/// The running subscriptions of a customer, each with what its plan version gives: of the features that
/// `$which` adds a condition for, or of all.
macro_rules! select_running {
    ($which:literal) => {
        concat!(
            "SELECT s.subscription_id, s.plan_id, s.plan_version, s.plan_group_id, p.plan_key, g.group_key,
                e.feature_id, e.amount, e.overage, e.overage_cap, e.thresholds
            FROM subscriptions s
            JOIN plans p ON p.workspace_id = s.workspace_id AND p.platform_id = s.platform_id
                AND p.mode = s.mode AND p.plan_id = s.plan_id
            JOIN plan_groups g ON g.workspace_id = s.workspace_id AND g.platform_id = s.platform_id
                AND g.mode = s.mode AND g.plan_group_id = s.plan_group_id
            LEFT JOIN plan_entitlements e ON e.workspace_id = s.workspace_id AND e.platform_id = s.platform_id
                AND e.mode = s.mode AND e.plan_id = s.plan_id AND e.version = s.plan_version ",
            $which,
            " WHERE s.workspace_id = $1 AND s.platform_id = $2 AND s.mode = $3 AND s.customer_id = $4
                AND s.ended_at IS NULL
            ORDER BY g.group_key"
        )
    };
}

const RUNNING_PLANS: &str = select_running!("AND e.feature_id = $5");

/// The plan versions that the customer has, in the order of their groups' keys, with what each gives of the
/// feature.
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

const RUNNING_PLANS_IN_FULL: &str = select_running!("");

/// The plan versions that the customer has, in the order of their groups' keys, with all that each gives.
pub(super) async fn running_plans_in_full<S: Scope>(
    tx: &mut Tx<S>,
    shop: Shop,
    customer: CustomerId,
) -> Result<Vec<(PlanSource, HashMap<FeatureId, Limit>)>> {
    let params = params![shop.workspace, shop.platform, shop.mode, customer];
    let mut plans: Vec<(PlanSource, HashMap<FeatureId, Limit>)> = Vec::new();
    for row in tx.fetch_all(RUNNING_PLANS_IN_FULL, params).await? {
        let mut plan = plan_source(&row)?;
        let gift = plan.limit.take();
        // Rows of one plan follow each other: a group has one running subscription.
        if plans
            .last()
            .is_none_or(|(last, _)| last.subscription != plan.subscription)
        {
            plans.push((plan, HashMap::new()));
        }
        if let (Some(limit), Some((_, gives))) = (gift, plans.last_mut()) {
            gives.insert(row.get("feature_id")?, limit);
        }
    }
    Ok(plans)
}

const COUNTER: &str = "SELECT * FROM counters WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3
    AND subject_kind = $4 AND subject_id = $5 AND feature_id = $6 AND period_start = $7";

/// A counter as it stands; none before its first use.
pub(super) async fn find_counter(tx: &mut Tx<Tenant>, key: &CounterKey) -> Result<Option<CounterState>> {
    let subject = key.subject;
    let params = params![
        tx.workspace(),
        subject.platform,
        subject.mode,
        subject.kind.as_str(),
        subject.id,
        key.feature,
        key.period_start,
    ];
    let row = tx.fetch_optional(COUNTER, params).await?;
    row.as_ref().map(counter).transpose()
}

fn counter(row: &Row) -> Result<CounterState> {
    let ring: Option<String> = row.get("ring")?;
    let ring = ring.map(|text| serde_json::from_str(&text)).transpose();
    Ok(CounterState {
        used: row.get("used")?,
        held: row.get("held")?,
        from_grants: row.get("from_grants")?,
        overage: row.get("overage")?,
        overrun: row.get("overrun")?,
        threshold: u16::try_from(row.get::<i64>("threshold")?).map_err(Error::internal)?,
        version: row.get("version")?,
        ring: ring.map_err(Error::internal)?,
    })
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
