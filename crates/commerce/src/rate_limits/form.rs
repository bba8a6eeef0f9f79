//! A rate limit as it is asked for.

use ledger::Rate;
use serde::Deserialize;
use storage::{Tenant, Tx};
use types::id::{PlanId, RateLimitId};
use types::text::check_text;
use types::{Error, ErrorCode, Result, Timestamp};
use utoipa::ToSchema;

use super::{MAX_ROUTE_CHARS, RateLimit, RateSubject, store};
use crate::customers::{self, CustomerRef};
use crate::features::Feature;
use crate::patch::present;
use crate::{Shop, entitlements};

const MAX_NAME_CHARS: usize = 100;
const MAX_LIMIT: u32 = 1_000_000;
const MAX_PER_SECS: u32 = 86_400;

/// A new rate limit. What it selects must all be met by a call; one that selects nothing is for every call.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimitCreate {
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    pub applies_to: RateSubject,
    /// Units in `per_secs` seconds, on average.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub limit: u32,
    #[schema(minimum = 1, maximum = 86_400)]
    pub per_secs: u32,
    /// Units at once, at most `limit`; as many as `limit` when absent.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub burst: Option<u32>,
    /// `pln_…` or the plan's key.
    #[schema(min_length = 1, max_length = 63)]
    pub plan: Option<String>,
    /// `cus_…` or the external id.
    pub customer: Option<CustomerRef>,
    /// `fea_…` or the key of a metered feature.
    #[schema(min_length = 1, max_length = 63)]
    pub feature: Option<String>,
    /// Just what your code sends as `route` with the call.
    #[schema(min_length = 1, max_length = 200)]
    pub route: Option<String>,
}

/// What of a rate limit changes; what is absent stays. Whom it limits and what it selects never change: that would be another
/// limit.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimitUpdate {
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub limit: Option<u32>,
    #[schema(minimum = 1, maximum = 86_400)]
    pub per_secs: Option<u32>,
    /// Null: as many as `limit`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    pub burst: Option<Option<u32>>,
}

impl RateLimitCreate {
    /// What can be checked without the shop.
    ///
    /// # Errors
    /// `validation_failed`.
    pub(super) fn check(&self) -> Result<()> {
        check_text("name", &self.name, 1, MAX_NAME_CHARS)?;
        if let Some(route) = &self.route {
            check_text("route", route, 1, MAX_ROUTE_CHARS)?;
        }
        rate(self.limit, self.per_secs, self.burst).map(drop)
    }

    /// The rule, with what it selects found in the shop.
    ///
    /// # Errors
    /// `validation_failed`, `feature_not_metered`; `not_found` for the customer.
    pub(super) async fn to_rule(&self, tx: &mut Tx<Tenant>, shop: Shop, now: Timestamp) -> Result<RateLimit> {
        let plan = match &self.plan {
            None => None,
            Some(name) => Some(plan(tx, shop, name).await?),
        };
        let customer = match &self.customer {
            None => None,
            Some(named) => Some(customers::existing(tx, shop, named).await?.id),
        };
        let feature = match &self.feature {
            None => None,
            Some(name) => Some(feature(tx, shop, name).await?),
        };
        let (plan_id, plan) = plan.unzip();
        let (feature_id, feature) = feature.map(|feature| (feature.id, feature.key)).unzip();
        Ok(RateLimit {
            id: RateLimitId::generate(),
            name: self.name.clone(),
            applies_to: self.applies_to,
            limit: self.limit,
            per_secs: self.per_secs,
            burst: self.burst,
            plan,
            plan_id,
            customer,
            feature,
            feature_id,
            route: self.route.clone(),
            created_at: now,
        })
    }
}

async fn plan(tx: &mut Tx<Tenant>, shop: Shop, name: &str) -> Result<(PlanId, String)> {
    let mut plans = store::plans(tx, shop, name).await?;
    match (plans.pop(), plans.is_empty()) {
        (Some(plan), true) => Ok(plan),
        (Some(_), false) => Err(Error::invalid(
            "plan",
            "several groups have a plan with this key; give its id",
        )),
        (None, _) => Err(Error::invalid("plan", "there is no such plan, or it is archived")),
    }
}

async fn feature(tx: &mut Tx<Tenant>, shop: Shop, name: &str) -> Result<Feature> {
    let found = entitlements::find_feature(tx, shop, name).await?;
    let feature = found
        .filter(|feature| feature.archived_at.is_none())
        .ok_or_else(|| {
            Error::invalid(
                "feature",
                "there is no such feature on this platform, or it is archived",
            )
        })?;
    if feature.meter.is_none() {
        let detail = format!("{} is not a metered feature, so no call is of it.", feature.key);
        return Err(Error::new(ErrorCode::FeatureNotMetered, detail));
    }
    Ok(feature)
}

impl RateLimitUpdate {
    /// The rule with what changes of it.
    ///
    /// # Errors
    /// `validation_failed`.
    pub(super) fn of(&self, before: &RateLimit) -> Result<RateLimit> {
        let after = RateLimit {
            name: self.name.clone().unwrap_or_else(|| before.name.clone()),
            limit: self.limit.unwrap_or(before.limit),
            per_secs: self.per_secs.unwrap_or(before.per_secs),
            burst: self.burst.unwrap_or(before.burst),
            ..before.clone()
        };
        check_text("name", &after.name, 1, MAX_NAME_CHARS)?;
        rate(after.limit, after.per_secs, after.burst)?;
        Ok(after)
    }
}

/// The rate that the ledger keeps to.
///
/// # Errors
/// `validation_failed`, naming the part that is out of bounds.
pub(super) fn rate(limit: u32, per_secs: u32, burst: Option<u32>) -> Result<Rate> {
    check_bounds("limit", limit, MAX_LIMIT)?;
    check_bounds("per_secs", per_secs, MAX_PER_SECS)?;
    let burst = burst.unwrap_or(limit);
    if burst == 0 || burst > limit {
        let message = format!("must be from 1 to the limit, {limit}");
        return Err(Error::invalid("burst", message));
    }
    Rate::new(limit, per_secs * 1_000, burst).map_err(Error::internal)
}

fn check_bounds(field: &str, value: u32, max: u32) -> Result<()> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid(field, format!("must be from 1 to {max}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_name_their_fields() {
        for (limit, per_secs, burst) in [
            (1, 1, None),
            (1_000_000, 1, None),
            (1_000_000, 86_400, Some(1_000_000)),
        ] {
            assert!(
                rate(limit, per_secs, burst).is_ok(),
                "{limit} {per_secs} {burst:?}"
            );
        }
        for (limit, per_secs, burst, field) in [
            (0, 1, None, "limit"),
            (1_000_001, 1, None, "limit"),
            (1, 0, None, "per_secs"),
            (1, 86_401, None, "per_secs"),
            (5, 1, Some(0), "burst"),
            (5, 1, Some(6), "burst"),
        ] {
            let error = rate(limit, per_secs, burst).unwrap_err();
            assert_eq!(error.fields()[0].field, field, "{limit} {per_secs} {burst:?}");
        }
    }

    #[test]
    fn a_burst_is_the_limit_unless_it_is_said() {
        let per_minute = |units, burst| Rate::per_minute(units, burst).unwrap();
        assert_eq!(rate(5, 60, None).unwrap(), per_minute(5, 5));
        assert_eq!(rate(5, 60, Some(2)).unwrap(), per_minute(5, 2));
    }
}
