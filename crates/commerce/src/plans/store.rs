//! The tables `plan_groups`, `plans`, `plan_versions` and `plan_entitlements`.

use std::collections::HashMap;

use ledger::{Limit, Scale};
use storage::{Row, Scope, Tenant, Tx, Value, params};
use types::id::{PlanGroupId, PlanId};
use types::money::Currency;
use types::{Error, Money, Page, PageRequest, Result, Timestamp};

use super::{Interval, NewPlan, Plan, PlanEntitlement, PlanGroup, PlanVersion, Price};
use crate::entitlements::LimitColumns;
use crate::features::Feature;
use crate::{Shop, cursor};

const INSERT_GROUP: &str =
    "INSERT INTO plan_groups (workspace_id, platform_id, mode, plan_group_id, group_key, name, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";

/// False, when the shop has a group with this key already.
pub(crate) async fn insert_group(tx: &mut Tx<Tenant>, shop: Shop, group: &PlanGroup) -> Result<bool> {
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        group.id,
        &group.key,
        &group.name,
        group.created_at
    ];
    Ok(tx.execute(INSERT_GROUP, params).await? == 1)
}

const FIND_GROUP_BY_KEY: &str = "SELECT * FROM plan_groups
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND group_key = $4";

pub(crate) async fn find_group_by_key<S: Scope>(
    tx: &mut Tx<S>,
    shop: Shop,
    key: &str,
) -> Result<Option<PlanGroup>> {
    let params = params![shop.workspace, shop.platform, shop.mode, key];
    let row = tx.fetch_optional(FIND_GROUP_BY_KEY, params).await?;
    row.as_ref().map(group).transpose()
}

const LIST_GROUPS: &str = "SELECT * FROM plan_groups
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND plan_group_id > $4
    ORDER BY plan_group_id LIMIT $5";

pub(super) async fn list_groups(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    page: &PageRequest,
) -> Result<Page<PlanGroup>> {
    let after: PlanGroupId = cursor::after(page)?;
    let params = params![tx.workspace(), shop.platform, shop.mode, after, page.limit + 1];
    let rows = tx.fetch_all(LIST_GROUPS, params).await?;
    let groups = rows.iter().map(group).collect::<Result<_>>()?;
    Ok(Page::from_overfetch(groups, page.limit, |group: &PlanGroup| {
        group.id.to_string()
    }))
}

const RENAME_GROUP: &str = "UPDATE plan_groups SET name = $5
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND plan_group_id = $4";

pub(crate) async fn rename_group(tx: &mut Tx<Tenant>, shop: Shop, id: PlanGroupId, name: &str) -> Result<()> {
    let params = params![tx.workspace(), shop.platform, shop.mode, id, name];
    tx.execute(RENAME_GROUP, params).await.map(drop)
}

const INSERT_PLAN: &str =
    "INSERT INTO plans (workspace_id, platform_id, mode, plan_id, plan_group_id, plan_key, name,
        current_version, is_default, position, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9, $10) ON CONFLICT DO NOTHING";

/// False, when the group has a plan with this key already.
pub(super) async fn insert_plan(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    id: PlanId,
    group: PlanGroupId,
    new: &NewPlan,
    now: Timestamp,
) -> Result<bool> {
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        id,
        group,
        &new.key,
        &new.name,
        new.is_default,
        new.position,
        now
    ];
    Ok(tx.execute(INSERT_PLAN, params).await? == 1)
}

const CLEAR_DEFAULT: &str = "UPDATE plans SET is_default = false
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND plan_group_id = $4 AND is_default";

/// Leaves the group without a default plan.
pub(super) async fn clear_default(tx: &mut Tx<Tenant>, shop: Shop, group: PlanGroupId) -> Result<()> {
    let params = params![tx.workspace(), shop.platform, shop.mode, group];
    tx.execute(CLEAR_DEFAULT, params).await.map(drop)
}

const UPDATE_PLAN: &str = "UPDATE plans SET name = $5, is_default = $6, position = $7, archived_at = $8
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND plan_id = $4";

/// Writes what of a plan can change.
pub(crate) async fn update_plan(tx: &mut Tx<Tenant>, shop: Shop, plan: &Plan) -> Result<()> {
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        plan.id,
        &plan.name,
        plan.is_default,
        plan.position,
        plan.archived_at
    ];
    tx.execute(UPDATE_PLAN, params).await.map(drop)
}

const SET_CURRENT: &str = "UPDATE plans SET current_version = $5
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND plan_id = $4";

pub(super) async fn set_current(tx: &mut Tx<Tenant>, shop: Shop, plan: PlanId, version: i64) -> Result<()> {
    let params = params![tx.workspace(), shop.platform, shop.mode, plan, version];
    tx.execute(SET_CURRENT, params).await.map(drop)
}

/// Plans with their groups and current versions.
macro_rules! select_plans {
    ($rest:literal) => {
        concat!(
            "SELECT p.*, g.group_key, v.version, v.price_minor, v.price_currency, v.price_interval, v.per_seat,
                v.created_at AS version_created_at
            FROM plans p
            JOIN plan_groups g ON g.workspace_id = p.workspace_id AND g.platform_id = p.platform_id
                AND g.mode = p.mode AND g.plan_group_id = p.plan_group_id
            JOIN plan_versions v ON v.workspace_id = p.workspace_id AND v.platform_id = p.platform_id
                AND v.mode = p.mode AND v.plan_id = p.plan_id AND v.version = p.current_version
            WHERE p.workspace_id = $1 AND p.platform_id = $2 AND p.mode = $3 ",
            $rest
        )
    };
}

const FIND_PLAN: &str = select_plans!("AND p.plan_id = $4");

/// The plan with that id, archived or not.
pub(crate) async fn find_plan<S: Scope>(tx: &mut Tx<S>, shop: Shop, id: PlanId) -> Result<Option<Plan>> {
    let params = params![shop.workspace, shop.platform, shop.mode, id];
    let row = tx.fetch_optional(FIND_PLAN, params).await?;
    with_entitlements(tx, shop, row.as_ref()).await
}

async fn with_entitlements<S: Scope>(tx: &mut Tx<S>, shop: Shop, row: Option<&Row>) -> Result<Option<Plan>> {
    let Some(row) = row else {
        return Ok(None);
    };
    let mut plan = plan(row)?;
    plan.current.entitlements = entitlements(tx, shop, plan.id, plan.current.version).await?;
    Ok(Some(plan))
}

const LIST_PLANS: &str =
    select_plans!("AND p.plan_id > $4 AND ($5 OR p.archived_at IS NULL) ORDER BY p.plan_id LIMIT $6");

const LIST_ENTITLEMENTS: &str = "SELECT e.*, f.feature_key, f.scale FROM plan_entitlements e
    JOIN plans p ON p.workspace_id = e.workspace_id AND p.platform_id = e.platform_id AND p.mode = e.mode
        AND p.plan_id = e.plan_id AND p.current_version = e.version
    JOIN features f ON f.workspace_id = e.workspace_id AND f.platform_id = e.platform_id AND f.mode = e.mode
        AND f.feature_id = e.feature_id
    WHERE e.workspace_id = $1 AND e.platform_id = $2 AND e.mode = $3 AND e.plan_id BETWEEN $4 AND $5
    ORDER BY f.feature_key";

pub(super) async fn list_plans(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    with_archived: bool,
    page: &PageRequest,
) -> Result<Page<Plan>> {
    let after: PlanId = cursor::after(page)?;
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        after,
        with_archived,
        page.limit + 1
    ];
    let rows = tx.fetch_all(LIST_PLANS, params).await?;
    let plans = plans_with_entitlements(tx, shop, &rows).await?;
    Ok(Page::from_overfetch(plans, page.limit, |plan: &Plan| {
        plan.id.to_string()
    }))
}

const ALL_PLANS: &str = select_plans!("ORDER BY p.plan_id");

/// Every plan of the shop, archived or not: for reading the catalogue against them.
pub(crate) async fn all_plans(tx: &mut Tx<Tenant>, shop: Shop) -> Result<Vec<Plan>> {
    let params = params![tx.workspace(), shop.platform, shop.mode];
    let rows = tx.fetch_all(ALL_PLANS, params).await?;
    plans_with_entitlements(tx, shop, &rows).await
}

/// The plans of rows in the order of their ids.
async fn plans_with_entitlements(tx: &mut Tx<Tenant>, shop: Shop, rows: &[Row]) -> Result<Vec<Plan>> {
    let mut plans = rows.iter().map(plan).collect::<Result<Vec<_>>>()?;
    if let (Some(first), Some(last)) = (plans.first(), plans.last()) {
        let params = params![tx.workspace(), shop.platform, shop.mode, first.id, last.id];
        let mut by_plan: HashMap<PlanId, Vec<PlanEntitlement>> = HashMap::new();
        for row in tx.fetch_all(LIST_ENTITLEMENTS, params).await? {
            by_plan
                .entry(row.get("plan_id")?)
                .or_default()
                .push(entitlement(&row)?);
        }
        for plan in &mut plans {
            plan.current.entitlements = by_plan.remove(&plan.id).unwrap_or_default();
        }
    }
    Ok(plans)
}

const INSERT_VERSION: &str =
    "INSERT INTO plan_versions (workspace_id, platform_id, mode, plan_id, version, price_minor,
        price_currency, price_interval, per_seat, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

pub(super) async fn insert_version(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    plan: PlanId,
    version: i64,
    price: Option<&Price>,
    now: Timestamp,
) -> Result<()> {
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        plan,
        version,
        price.map(|price| price.amount.amount_minor),
        price.map(|price| price.amount.currency.as_str().to_owned()),
        price.map(|price| price.interval.as_str()),
        price.is_some_and(|price| price.per_seat),
        now,
    ];
    tx.execute(INSERT_VERSION, params).await.map(drop)
}

const FIND_VERSION: &str = "SELECT v.*, v.created_at AS version_created_at FROM plan_versions v
    WHERE v.workspace_id = $1 AND v.platform_id = $2 AND v.mode = $3 AND v.plan_id = $4 AND v.version = $5";

pub(crate) async fn find_version<S: Scope>(
    tx: &mut Tx<S>,
    shop: Shop,
    plan: PlanId,
    number: i64,
) -> Result<Option<PlanVersion>> {
    let params = params![shop.workspace, shop.platform, shop.mode, plan, number];
    let Some(row) = tx.fetch_optional(FIND_VERSION, params).await? else {
        return Ok(None);
    };
    let mut found = version(&row)?;
    found.entitlements = entitlements(tx, shop, plan, number).await?;
    Ok(Some(found))
}

const INSERT_ENTITLEMENTS: &str =
    "INSERT INTO plan_entitlements (workspace_id, platform_id, mode, plan_id, version,
        feature_id, amount, overage, overage_cap, thresholds) VALUES";

pub(super) async fn insert_entitlements(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    plan: PlanId,
    version: i64,
    entitlements: &[(&Feature, Limit)],
) -> Result<()> {
    let workspace = tx.workspace();
    let row = |(feature, limit): &(&Feature, Limit)| -> Result<Vec<Value>> {
        let limit = LimitColumns::of(limit)?;
        Ok(params![
            workspace,
            shop.platform,
            shop.mode,
            plan,
            version,
            feature.id,
            limit.amount,
            limit.overage,
            limit.overage_cap,
            limit.thresholds,
        ])
    };
    let rows = entitlements.iter().map(row).collect::<Result<_>>()?;
    tx.insert_rows(INSERT_ENTITLEMENTS, rows, "").await.map(drop)
}

const ENTITLEMENTS: &str = "SELECT e.*, f.feature_key, f.scale FROM plan_entitlements e
    JOIN features f ON f.workspace_id = e.workspace_id AND f.platform_id = e.platform_id AND f.mode = e.mode
        AND f.feature_id = e.feature_id
    WHERE e.workspace_id = $1 AND e.platform_id = $2 AND e.mode = $3 AND e.plan_id = $4 AND e.version = $5
    ORDER BY f.feature_key";

/// What a version gives, in the order of the features' keys.
async fn entitlements<S: Scope>(
    tx: &mut Tx<S>,
    shop: Shop,
    plan: PlanId,
    version: i64,
) -> Result<Vec<PlanEntitlement>> {
    let params = params![shop.workspace, shop.platform, shop.mode, plan, version];
    let rows = tx.fetch_all(ENTITLEMENTS, params).await?;
    rows.iter().map(entitlement).collect()
}

fn group(row: &Row) -> Result<PlanGroup> {
    Ok(PlanGroup {
        id: row.get("plan_group_id")?,
        key: row.get("group_key")?,
        name: row.get("name")?,
        created_at: row.get("created_at")?,
    })
}

fn plan(row: &Row) -> Result<Plan> {
    Ok(Plan {
        id: row.get("plan_id")?,
        group_id: row.get("plan_group_id")?,
        group: row.get("group_key")?,
        key: row.get("plan_key")?,
        name: row.get("name")?,
        is_default: row.get("is_default")?,
        position: row.get("position")?,
        current: version(row)?,
        created_at: row.get("created_at")?,
        archived_at: row.get("archived_at")?,
    })
}

/// A version without its entitlements, which are other rows.
fn version(row: &Row) -> Result<PlanVersion> {
    Ok(PlanVersion {
        version: row.get("version")?,
        price: price(row)?,
        entitlements: Vec::new(),
        created_at: row.get("version_created_at")?,
    })
}

fn price(row: &Row) -> Result<Option<Price>> {
    let Some(amount_minor) = row.get::<Option<i64>>("price_minor")? else {
        return Ok(None);
    };
    let interval = match row.get::<String>("price_interval")?.as_str() {
        "month" => Interval::Month,
        "year" => Interval::Year,
        "one_time" => Interval::OneTime,
        other => return Err(Error::internal(format!("{other:?} is no interval"))),
    };
    let currency = Currency::try_from(row.get::<String>("price_currency")?).map_err(Error::internal)?;
    Ok(Some(Price {
        amount: Money {
            amount_minor,
            currency,
        },
        interval,
        per_seat: row.get("per_seat")?,
    }))
}

fn entitlement(row: &Row) -> Result<PlanEntitlement> {
    let places = row.get::<Option<i64>>("scale")?.unwrap_or(0);
    let scale = Scale::new(u8::try_from(places).map_err(Error::internal)?).map_err(Error::internal)?;
    let key: String = row.get("feature_key")?;
    Ok(PlanEntitlement::new(&key, scale, &LimitColumns::read(row)?))
}
