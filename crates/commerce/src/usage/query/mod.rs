//! Usage of a feature by window, customer and dimensions.

mod groups;

use std::collections::{BTreeMap, BTreeSet};

use ledger::Aggregation;
use runtime::App;
use serde::Serialize;
use types::id::CustomerId;
use types::{Error, ErrorCode, Permission, Result, Timestamp};
use utoipa::ToSchema;

use self::groups::Plan;
use super::store::Gather;
use super::windows::{Granularity, Windows};
use crate::ShopCaller;
use crate::amount::Amount;
use crate::customers::{CustomerRef, EndUserRef};
use crate::features::Feature;

/// The most names that one query groups by.
pub const MAX_GROUP_BY: usize = 3;
/// The most filters of one query.
pub const MAX_FILTERS: usize = 20;
/// The most groups of one answer.
pub const MAX_GROUPS: usize = 1_000;
/// The most days of one query of an end user: it is answered from the events themselves.
const MAX_END_USER_DAYS: u64 = 31;

/// Which usage is wanted, and how it is told.
#[derive(Debug, Clone)]
pub struct UsageQuery {
    /// The key of a metered feature.
    pub feature: String,
    /// Only this customer's.
    pub customer: Option<CustomerRef>,
    /// Only this end user's, who is the customer's.
    pub end_user: Option<EndUserRef>,
    /// The first instant; the windows that cover it and `to` are told whole.
    pub from: Timestamp,
    /// The first instant not wanted any more.
    pub to: Timestamp,
    pub granularity: Granularity,
    /// `customer` and names of the feature's dimensions, at most [`MAX_GROUP_BY`].
    pub group_by: Vec<String>,
    /// At most [`MAX_FILTERS`]. Of those with the same name one must fit, and of every name one.
    pub filters: Vec<DimensionFilter>,
    /// The most groups, at most [`MAX_GROUPS`].
    pub limit: Option<u32>,
}

/// Only usage whose dimension of that name has that value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DimensionFilter {
    pub name: String,
    pub value: String,
}

/// Usage of one feature.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct UsageReport {
    pub feature: String,
    pub granularity: Granularity,
    /// Start of the first window.
    pub from: Timestamp,
    /// End of the last one, exclusive.
    pub to: Timestamp,
    pub group_by: Vec<String>,
    /// Those with the greatest amounts first. Without `group_by` there is one.
    pub groups: Vec<UsageGroup>,
    /// Whether there are more groups, with smaller amounts.
    pub is_cut: bool,
}

/// Usage of one group.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct UsageGroup {
    /// When grouped by customer.
    pub customer: Option<CustomerId>,
    /// The dimensions that were grouped by; null is usage that did not name the dimension.
    pub dimensions: BTreeMap<String, Option<String>>,
    /// What all of the events come to: their sum, or, as the feature counts, the largest or the latest value.
    pub amount: Amount,
    /// How many events; corrections are none.
    pub events: i64,
    /// Oldest first. Without `group_by` every window has one; groups have those of windows with events.
    pub points: Vec<UsagePoint>,
}

/// Usage in one window.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct UsagePoint {
    /// Start of the window.
    pub start: Timestamp,
    pub amount: Amount,
    /// How many events.
    pub events: i64,
}

/// Usage by window and group.
///
/// # Errors
/// `permission_denied`; `not_found`; `feature_not_metered`; `validation_failed`, also when the answer would be too large.
pub async fn query(app: &App, caller: &ShopCaller, query: &UsageQuery) -> Result<UsageReport> {
    caller.caller.require(Permission::UsageRead)?;
    query.check()?;
    let windows = &Windows::covering(query.granularity, query.from, query.to)?;
    let shop = caller.shop;
    let (groups, is_cut) = app
        .db()
        .of(caller.tenant())
        .read(|mut tx| async move {
            let feature = super::feature(&mut tx, shop, &query.feature).await?;
            let plan = Plan::new(&mut tx, shop, query, &feature, windows).await?;
            plan.groups(&mut tx).await
        })
        .await?;
    let (from, to) = windows.span();
    Ok(UsageReport {
        feature: query.feature.clone(),
        granularity: query.granularity,
        from,
        to,
        group_by: query.group_by.clone(),
        groups,
        is_cut,
    })
}

/// What a history is asked for.
#[derive(Debug, Clone)]
pub struct HistoryQuery {
    pub feature: String,
    pub customer: Option<CustomerRef>,
    /// Start of the first stretch; cut down to a whole one.
    pub from: Timestamp,
    /// End of the last one, exclusive.
    pub to: Timestamp,
    pub granularity: Granularity,
}

/// Usage over time, one point for every stretch, empty ones included.
///
/// # Errors
/// As [`query`].
pub async fn history(app: &App, caller: &ShopCaller, history: &HistoryQuery) -> Result<Vec<UsagePoint>> {
    let wanted = UsageQuery {
        feature: history.feature.clone(),
        customer: history.customer.clone(),
        end_user: None,
        from: history.from,
        to: history.to,
        granularity: history.granularity,
        group_by: Vec::new(),
        filters: Vec::new(),
        limit: None,
    };
    let report = query(app, caller, &wanted).await?;
    Ok(report.groups.into_iter().flat_map(|group| group.points).collect())
}

impl UsageQuery {
    /// What can be checked without the feature.
    fn check(&self) -> Result<()> {
        if self.group_by.len() > MAX_GROUP_BY {
            return Err(Error::invalid(
                "group_by",
                format!("at most {MAX_GROUP_BY} names"),
            ));
        }
        if self.group_by.iter().collect::<BTreeSet<_>>().len() < self.group_by.len() {
            return Err(Error::invalid("group_by", "names one twice"));
        }
        if self.filters.len() > MAX_FILTERS {
            return Err(Error::invalid("filter", format!("at most {MAX_FILTERS}")));
        }
        let is_some = |limit: u32| (1..=MAX_GROUPS).contains(&(limit as usize));
        if !self.limit.is_none_or(is_some) {
            return Err(Error::invalid(
                "limit",
                format!("must be between 1 and {MAX_GROUPS}"),
            ));
        }
        if self.end_user.is_some() {
            if self.customer.is_none() {
                return Err(Error::invalid("customer", "name the customer of the end user"));
            }
            if self.to.since(self.from).as_secs() > MAX_END_USER_DAYS * 86_400 {
                let message = format!("at most {MAX_END_USER_DAYS} days after `from`, for an end user");
                return Err(Error::invalid("to", message));
            }
        }
        Ok(())
    }
}

/// How amounts of a feature come together.
pub(super) fn gather_of(feature: &Feature) -> Result<Gather> {
    match feature.meter.map(|meter| meter.aggregation) {
        Some(Aggregation::Sum | Aggregation::Count | Aggregation::Unique { .. }) => Ok(Gather::Added),
        Some(Aggregation::Max) => Ok(Gather::Highest),
        Some(Aggregation::Last) => Ok(Gather::Latest),
        None => Err(Error::new(
            ErrorCode::FeatureNotMetered,
            format!("{} is not a metered feature, so it has no usage.", feature.key),
        )),
    }
}
