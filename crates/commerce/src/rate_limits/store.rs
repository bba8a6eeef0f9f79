//! The table `rate_limits`, and which plans a rule can select.

use storage::{Row, Scope, Tenant, Tx, Value, params};
use types::id::{PlanId, RateLimitId};
use types::text::check_text;
use types::{Error, Page, PageRequest, Result};

use super::{RateLimit, RateSubject};
use crate::key::MAX_KEY_CHARS;
use crate::{Shop, cursor};

const INSERT: &str =
    "INSERT INTO rate_limits (workspace_id, platform_id, mode, rate_limit_id, name, applies_to, units,
        per_secs, burst, plan_id, customer_id, feature_id, route, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";

pub(super) async fn insert(tx: &mut Tx<Tenant>, shop: Shop, rule: &RateLimit) -> Result<()> {
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        rule.id,
        &rule.name,
        rule.applies_to.kind().as_str(),
        rule.limit,
        rule.per_secs,
        rule.burst,
        rule.plan_id,
        rule.customer,
        rule.feature_id,
        rule.route.clone(),
        rule.created_at,
    ];
    tx.execute(INSERT, params).await.map(drop)
}

const UPDATE: &str = "UPDATE rate_limits SET name = $5, units = $6, per_secs = $7, burst = $8
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND rate_limit_id = $4";

/// Writes what of a rule can change.
pub(super) async fn update(tx: &mut Tx<Tenant>, shop: Shop, rule: &RateLimit) -> Result<()> {
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        rule.id,
        &rule.name,
        rule.limit,
        rule.per_secs,
        rule.burst
    ];
    tx.execute(UPDATE, params).await.map(drop)
}

const DELETE: &str = "DELETE FROM rate_limits
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND rate_limit_id = $4";

pub(super) async fn delete(tx: &mut Tx<Tenant>, shop: Shop, id: RateLimitId) -> Result<()> {
    let params = params![tx.workspace(), shop.platform, shop.mode, id];
    tx.execute(DELETE, params).await.map(drop)
}

/// Rules with the keys of the plans and features that they select.
macro_rules! select_rules {
    ($which:literal) => {
        concat!(
            "SELECT r.*, p.plan_key, f.feature_key FROM rate_limits r
            LEFT JOIN plans p ON p.workspace_id = r.workspace_id AND p.platform_id = r.platform_id
                AND p.mode = r.mode AND p.plan_id = r.plan_id
            LEFT JOIN features f ON f.workspace_id = r.workspace_id AND f.platform_id = r.platform_id
                AND f.mode = r.mode AND f.feature_id = r.feature_id
            WHERE r.workspace_id = $1 AND r.platform_id = $2 AND r.mode = $3",
            $which
        )
    };
}

const FIND: &str = select_rules!(" AND r.rate_limit_id = $4");

pub(super) async fn find(tx: &mut Tx<Tenant>, shop: Shop, id: RateLimitId) -> Result<Option<RateLimit>> {
    let params = params![tx.workspace(), shop.platform, shop.mode, id];
    let row = tx.fetch_optional(FIND, params).await?;
    row.as_ref().map(read).transpose()
}

const LIST: &str = select_rules!(" AND r.rate_limit_id > $4 ORDER BY r.rate_limit_id LIMIT $5");

/// Oldest first.
pub(super) async fn list(tx: &mut Tx<Tenant>, shop: Shop, page: &PageRequest) -> Result<Page<RateLimit>> {
    let after: RateLimitId = cursor::after(page)?;
    let params = params![tx.workspace(), shop.platform, shop.mode, after, page.limit + 1];
    let rows = tx.fetch_all(LIST, params).await?;
    let rules = rows.iter().map(read).collect::<Result<_>>()?;
    Ok(Page::from_overfetch(rules, page.limit, |rule: &RateLimit| {
        rule.id.to_string()
    }))
}

const ALL: &str = select_rules!(" ORDER BY r.rate_limit_id");

/// Every rule of the shop, oldest first.
pub(super) async fn all<S: Scope>(tx: &mut Tx<S>, shop: Shop) -> Result<Vec<RateLimit>> {
    let params = params![shop.workspace, shop.platform, shop.mode];
    let rows = tx.fetch_all(ALL, params).await?;
    rows.iter().map(read).collect()
}

const PLAN_BY_ID: &str = "SELECT plan_id, plan_key FROM plans
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND plan_id = $4 AND archived_at IS NULL";
const PLANS_BY_KEY: &str = "SELECT plan_id, plan_key FROM plans
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND plan_key = $4 AND archived_at IS NULL";

/// The plans with that id or key that are not archived: several, when several groups have a plan with the key.
pub(super) async fn plans(tx: &mut Tx<Tenant>, shop: Shop, name: &str) -> Result<Vec<(PlanId, String)>> {
    let (sql, name) = match name.parse::<PlanId>() {
        Ok(id) => (PLAN_BY_ID, Value::from(id)),
        Err(_) => {
            check_text("plan", name, 1, MAX_KEY_CHARS)?;
            (PLANS_BY_KEY, Value::from(name))
        }
    };
    let params = params![tx.workspace(), shop.platform, shop.mode, name];
    let rows = tx.fetch_all(sql, params).await?;
    rows.iter()
        .map(|row| Ok((row.get("plan_id")?, row.get("plan_key")?)))
        .collect()
}

/// A row with the keys of its plan and feature.
fn read(row: &Row) -> Result<RateLimit> {
    let applies_to: String = row.get("applies_to")?;
    let applies_to = RateSubject::ALL
        .into_iter()
        .find(|subject| subject.kind().as_str() == applies_to)
        .ok_or_else(|| Error::internal(format!("{applies_to:?} is nobody that a rate limit applies to")))?;
    let number = |number: i64| u32::try_from(number).map_err(Error::internal);
    Ok(RateLimit {
        id: row.get("rate_limit_id")?,
        name: row.get("name")?,
        applies_to,
        limit: number(row.get("units")?)?,
        per_secs: number(row.get("per_secs")?)?,
        burst: row.get::<Option<i64>>("burst")?.map(number).transpose()?,
        plan: row.get("plan_key")?,
        plan_id: row.get("plan_id")?,
        customer: row.get("customer_id")?,
        feature: row.get("feature_key")?,
        feature_id: row.get("feature_id")?,
        route: row.get("route")?,
        created_at: row.get("created_at")?,
    })
}
