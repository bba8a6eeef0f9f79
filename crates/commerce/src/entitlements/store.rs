//! What overrides and the plans of running subscriptions say, and where the counters stand.

use std::collections::HashMap;

use ledger::{CounterKey, CounterState};
use storage::{Row, Scope, Tenant, Tx, Value, params};
use types::id::{CustomerId, FeatureId};
use types::{Error, Result};

use super::columns::LimitColumns;
use super::resolve::{OverrideSource, PlanSource, RunningPlan};
use crate::{Shop, numbered};

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

const CUSTOMERS: &str = "WITH k (n, workspace_id, platform_id, mode, customer_id) AS (VALUES";

fn rows(customers: &[(Shop, CustomerId)]) -> Vec<Vec<Value>> {
    numbered::rows(customers, |(shop, id)| {
        params![shop.workspace, shop.platform, shop.mode, *id]
    })
}

const STANDING_OVERRIDES: &str = ") SELECT k.n, o.* FROM k CROSS JOIN overrides o
    WHERE o.workspace_id = k.workspace_id AND o.platform_id = k.platform_id AND o.mode = k.mode
        AND o.customer_id = k.customer_id AND o.removed_at IS NULL";

/// All of each customer's, in the order of the customers.
pub(super) async fn standing_overrides<S: Scope>(
    tx: &mut Tx<S>,
    customers: &[(Shop, CustomerId)],
) -> Result<Vec<HashMap<FeatureId, OverrideSource>>> {
    let mut standing: Vec<HashMap<_, _>> = customers.iter().map(|_| HashMap::new()).collect();
    for row in tx
        .fetch_rows(CUSTOMERS, rows(customers), STANDING_OVERRIDES)
        .await?
    {
        numbered::slot(&mut standing, &row)?.insert(row.get("feature_id")?, override_source(&row)?);
    }
    Ok(standing)
}

/// Joins what a running subscription `s` stands for: its plan, group, and what its version gives, of the features that
/// `$which` adds a condition for.
macro_rules! plan_of_subscription {
    ($which:literal) => {
        concat!(
            "JOIN plans p ON p.workspace_id = s.workspace_id AND p.platform_id = s.platform_id
                AND p.mode = s.mode AND p.plan_id = s.plan_id
            JOIN plan_groups g ON g.workspace_id = s.workspace_id AND g.platform_id = s.platform_id
                AND g.mode = s.mode AND g.plan_group_id = s.plan_group_id
            LEFT JOIN plan_entitlements e ON e.workspace_id = s.workspace_id AND e.platform_id = s.platform_id
                AND e.mode = s.mode AND e.plan_id = s.plan_id AND e.version = s.plan_version ",
            $which
        )
    };
}

/// The columns that [`plan_source`] reads.
macro_rules! plan_columns {
    () => {
        "s.subscription_id, s.plan_id, s.plan_version, s.plan_group_id, p.plan_key, g.group_key,
            e.feature_id, e.amount, e.overage, e.overage_cap, e.thresholds"
    };
}

const RUNNING_PLANS: &str = concat!(
    "SELECT ",
    plan_columns!(),
    " FROM subscriptions s ",
    plan_of_subscription!("AND e.feature_id = $5"),
    " WHERE s.workspace_id = $1 AND s.platform_id = $2 AND s.mode = $3 AND s.customer_id = $4 AND s.ended_at IS NULL
    ORDER BY g.group_key"
);

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

const RUNNING_PLANS_IN_FULL: &str = concat!(
    ") SELECT k.n, ",
    plan_columns!(),
    " FROM k CROSS JOIN subscriptions s ",
    plan_of_subscription!(""),
    " WHERE s.workspace_id = k.workspace_id AND s.platform_id = k.platform_id AND s.mode = k.mode
        AND s.customer_id = k.customer_id AND s.ended_at IS NULL
    ORDER BY k.n, g.group_key"
);

/// The plan versions that each customer has, in the order of their groups' keys, with all that each gives.
pub(super) async fn running_plans_in_full<S: Scope>(
    tx: &mut Tx<S>,
    customers: &[(Shop, CustomerId)],
) -> Result<Vec<Vec<RunningPlan>>> {
    let mut running: Vec<Vec<RunningPlan>> = customers.iter().map(|_| Vec::new()).collect();
    for row in tx
        .fetch_rows(CUSTOMERS, rows(customers), RUNNING_PLANS_IN_FULL)
        .await?
    {
        let plans = numbered::slot(&mut running, &row)?;
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
    Ok(running)
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
