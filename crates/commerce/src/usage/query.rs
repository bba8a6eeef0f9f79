//! Usage of a feature by window, customer and dimensions.

use std::collections::{BTreeMap, BTreeSet};

use ledger::Aggregation;
use runtime::App;
use serde::Serialize;
use storage::{Tenant, Tx};
use types::id::{CustomerId, EndUserId};
use types::{Error, ErrorCode, Permission, Result, Timestamp};
use utoipa::ToSchema;

use super::store::{self, Asked, Gather, Source, Split, Sum, Total};
use super::windows::{Granularity, Windows};
use crate::amount::Amount;
use crate::customers::{CustomerRef, EndUserRef, end_users};
use crate::features::Feature;
use crate::{Shop, ShopCaller};

/// The most names that one query groups by.
pub const MAX_GROUP_BY: usize = 3;
/// The most filters of one query.
pub const MAX_FILTERS: usize = 20;
/// The most groups of one answer.
pub const MAX_GROUPS: usize = 1_000;
/// Groups of an answer when nobody says how many.
const DEFAULT_GROUPS: usize = 100;
/// The most points of one answer, all groups together.
const MAX_POINTS: usize = 50_000;
/// The most sums, by all dimensions, that an answer is put together from.
const MAX_SUMS: usize = 50_000;
/// The most days of one query of an end user: it is answered from the events themselves.
const MAX_END_USER_DAYS: u64 = 31;
/// By what usage is grouped beside dimensions.
const CUSTOMER: &str = "customer";

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

/// What tells a group from the others: the customer, and the values of the dimensions.
type GroupKey = (Option<CustomerId>, Vec<Option<String>>);

/// A query, and what it names.
struct Plan<'a> {
    shop: Shop,
    feature: &'a Feature,
    windows: &'a Windows,
    source: Source,
    gather: Gather,
    customer: Option<CustomerId>,
    end_user: Option<EndUserId>,
    by_customer: bool,
    /// Dimensions that are grouped by.
    names: Vec<&'a str>,
    /// The values wanted of each dimension that is filtered by.
    filters: BTreeMap<&'a str, BTreeSet<&'a str>>,
    limit: usize,
}

impl<'a> Plan<'a> {
    async fn new(
        tx: &mut Tx<Tenant>,
        shop: Shop,
        query: &'a UsageQuery,
        feature: &'a Feature,
        windows: &'a Windows,
    ) -> Result<Self> {
        let customer = match &query.customer {
            None => None,
            Some(named) => Some(super::customer(tx, shop, named).await?.id),
        };
        let end_user = match (customer, &query.end_user) {
            (Some(customer), Some(named)) => {
                let found = end_users::store::find_by_ref(tx, shop, customer, named).await?;
                Some(found.ok_or_else(|| Error::not_found("end user"))?.id)
            }
            _ => None,
        };
        let mut names: Vec<&str> = query.group_by.iter().map(String::as_str).collect();
        let count = names.len();
        names.retain(|name| *name != CUSTOMER);
        let mut filters: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for filter in &query.filters {
            filters.entry(&filter.name).or_default().insert(&filter.value);
        }
        declared(feature, "group_by", names.iter().copied())?;
        declared(feature, "filter", filters.keys().copied())?;
        Ok(Plan {
            shop,
            feature,
            windows,
            source: match end_user {
                Some(_) => Source::Events,
                None => windows.source,
            },
            gather: gather_of(feature)?,
            customer,
            end_user,
            by_customer: names.len() < count,
            names,
            filters,
            limit: limit(query, windows)?,
        })
    }

    fn is_grouped(&self) -> bool {
        self.by_customer || !self.names.is_empty()
    }

    fn split(&self) -> Split {
        Split {
            by_customer: self.by_customer,
            by_dimensions: !self.names.is_empty() || !self.filters.is_empty(),
        }
    }

    /// The groups with their points, and whether there are more.
    async fn groups(&self, tx: &mut Tx<Tenant>) -> Result<(Vec<UsageGroup>, bool)> {
        let (ranked, is_cut) = match self.is_grouped() {
            true => self.ranked(tx).await?,
            false => (vec![(None, Vec::new())], false),
        };
        let mut points = self.points(tx, ranked.iter().collect()).await?;
        let groups = ranked.into_iter().map(|key| {
            let mine = points.remove(&key).unwrap_or_default();
            self.group(key, &mine)
        });
        Ok((groups.collect(), is_cut))
    }

    /// The groups with the greatest amounts, and whether there are more.
    async fn ranked(&self, tx: &mut Tx<Tenant>) -> Result<(Vec<GroupKey>, bool)> {
        let split = self.split();
        let most = if split.by_dimensions { MAX_SUMS } else { self.limit };
        let asked = [self.asked(self.customer, self.windows.span())];
        let sums = self.sums(tx, &asked, split, most + 1).await?;
        if split.by_dimensions {
            check_count(sums.len())?;
        }
        let mut totals: BTreeMap<GroupKey, Total> = BTreeMap::new();
        for sum in sums {
            if let Some(key) = self.key_of(&sum, sum.customer)? {
                self.gathered(&mut totals, key, sum.total);
            }
        }
        let mut ranked: Vec<(GroupKey, Total)> = totals.into_iter().collect();
        // Stable: equal ones stay in the order of their keys.
        ranked.sort_by_key(|(_, total)| std::cmp::Reverse(total.amount));
        let is_cut = ranked.len() > self.limit;
        ranked.truncate(self.limit);
        Ok((ranked.into_iter().map(|(key, _)| key).collect(), is_cut))
    }

    /// Totals of the groups by the number of the window; windows without events are left out.
    async fn points<'k>(
        &self,
        tx: &mut Tx<Tenant>,
        groups: BTreeSet<&'k GroupKey>,
    ) -> Result<BTreeMap<GroupKey, BTreeMap<usize, Total>>> {
        let customers: Vec<Option<CustomerId>> = match self.by_customer {
            true => {
                let customers: BTreeSet<_> = groups.iter().map(|key| key.0).collect();
                customers.into_iter().collect()
            }
            false => vec![self.customer],
        };
        let asked = customers.iter().flat_map(|customer| {
            let windows = self.windows.spans.iter();
            windows.map(|window| self.asked(*customer, *window))
        });
        let split = Split {
            by_customer: false,
            ..self.split()
        };
        let asked: Vec<Asked> = asked.collect();
        let sums = self.sums(tx, &asked, split, MAX_SUMS + 1).await?;
        check_count(sums.len())?;
        let mut points: BTreeMap<GroupKey, BTreeMap<usize, Total>> = BTreeMap::new();
        let count = self.windows.spans.len();
        for sum in sums {
            let customer = customers.get(sum.place / count).copied().flatten();
            let key = self.key_of(&sum, customer.filter(|_| self.by_customer))?;
            if let Some(key) = key.filter(|key| groups.contains(key)) {
                self.gathered(points.entry(key).or_default(), sum.place % count, sum.total);
            }
        }
        Ok(points)
    }

    fn asked(&self, customer: Option<CustomerId>, span: (Timestamp, Timestamp)) -> Asked {
        Asked {
            feature: self.feature.id,
            customer,
            end_user: self.end_user,
            span,
        }
    }

    async fn sums(
        &self,
        tx: &mut Tx<Tenant>,
        asked: &[Asked],
        split: Split,
        most: usize,
    ) -> Result<Vec<Sum>> {
        store::sums(tx, self.shop, (self.source, self.gather), asked, split, most).await
    }

    /// Which group a sum is of; none when a filter leaves it out.
    fn key_of(&self, sum: &Sum, customer: Option<CustomerId>) -> Result<Option<GroupKey>> {
        let mut dimensions: BTreeMap<String, String> = match sum.dimensions.as_str() {
            "" => BTreeMap::new(),
            json => serde_json::from_str(json).map_err(Error::internal)?,
        };
        let fits = self.filters.iter().all(|(name, wanted)| {
            let value = dimensions.get(*name);
            value.is_some_and(|value| wanted.contains(value.as_str()))
        });
        let values = self.names.iter().map(|name| dimensions.remove(*name));
        Ok(fits.then(|| (customer, values.collect())))
    }

    fn gathered<K: Ord>(&self, totals: &mut BTreeMap<K, Total>, key: K, total: Total) {
        totals
            .entry(key)
            .and_modify(|known| *known = known.and(total, self.gather))
            .or_insert(total);
    }

    fn group(&self, (customer, values): GroupKey, totals: &BTreeMap<usize, Total>) -> UsageGroup {
        let scale = self.feature.scale();
        let together = totals
            .values()
            .copied()
            .reduce(|known, total| known.and(total, self.gather));
        let amount = |total: Option<&Total>| Amount::from_sum(total.map_or(0, |total| total.amount), scale);
        let events = |total: Option<&Total>| total.map_or(0, |total| total.events);
        let windows = self.windows.spans.iter().enumerate();
        let points = windows
            .map(|(place, window)| (window, totals.get(&place)))
            .filter(|(_, total)| total.is_some() || !self.is_grouped())
            .map(|(window, total)| UsagePoint {
                start: window.0,
                amount: amount(total),
                events: events(total),
            });
        UsageGroup {
            customer,
            dimensions: self
                .names
                .iter()
                .map(|name| (*name).to_owned())
                .zip(values)
                .collect(),
            amount: amount(together.as_ref()),
            events: events(together.as_ref()),
            points: points.collect(),
        }
    }
}

/// # Errors
/// `validation_failed`, naming the field, when the feature has no dimension of such a name.
fn declared<'a>(feature: &Feature, field: &str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut unknown = names.filter(|name| !feature.dimensions.iter().any(|known| known == name));
    let Some(name) = unknown.next() else {
        return Ok(());
    };
    let message = match feature.dimensions.join(", ").as_str() {
        "" => format!("{} has no dimensions", feature.key),
        known => format!(
            "{name:?} is not one of the dimensions of {}: {known}",
            feature.key
        ),
    };
    Err(Error::invalid(field, message))
}

/// How many groups there may be, so that all of their points can be told.
fn limit(query: &UsageQuery, windows: &Windows) -> Result<usize> {
    let fit = MAX_POINTS / windows.spans.len().max(1);
    let Some(limit) = query.limit else {
        return Ok(fit.min(DEFAULT_GROUPS));
    };
    match limit as usize {
        limit if limit <= fit => Ok(limit),
        _ => {
            let message = format!(
                "at most {fit} groups of {} windows each; ask for fewer, or for a coarser granularity",
                windows.spans.len()
            );
            Err(Error::invalid("limit", message))
        }
    }
}

fn check_count(sums: usize) -> Result<()> {
    if sums <= MAX_SUMS {
        return Ok(());
    }
    Err(Error::invalid(
        "granularity",
        format!(
            "more than {MAX_SUMS} sums would have to be put together; ask for a shorter time, a coarser granularity or one customer"
        ),
    ))
}
