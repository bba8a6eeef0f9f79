//! Finds the groups of a query: the greatest first, then the points of those that are told. Dimensions are stored as one text, so
//! sums of all of them are read and put together here.

use std::collections::{BTreeMap, BTreeSet};

use storage::{Tenant, Tx};
use types::id::{CustomerId, EndUserId};
use types::{Error, Result, Timestamp};

use super::{UsageGroup, UsagePoint, UsageQuery, gather_of};
use crate::Shop;
use crate::amount::Amount;
use crate::customers::end_users;
use crate::features::Feature;
use crate::usage;
use crate::usage::store::{self, Asked, Gather, Source, Split, Sum, Total};
use crate::usage::windows::Windows;

/// Groups of an answer when nobody says how many.
const DEFAULT_GROUPS: usize = 100;
/// The most points of one answer, all groups together.
const MAX_POINTS: usize = 50_000;
/// The most sums, by all dimensions, that an answer is put together from.
const MAX_SUMS: usize = 50_000;
/// By what usage is grouped beside dimensions.
const CUSTOMER: &str = "customer";

/// What tells a group from the others: the customer, and the values of the dimensions.
type GroupKey = (Option<CustomerId>, Vec<Option<String>>);

/// A query, and what it names.
pub(super) struct Plan<'a> {
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
    pub(super) async fn new(
        tx: &mut Tx<Tenant>,
        shop: Shop,
        query: &'a UsageQuery,
        feature: &'a Feature,
        windows: &'a Windows,
    ) -> Result<Self> {
        let customer = match &query.customer {
            None => None,
            Some(named) => Some(usage::customer(tx, shop, named).await?.id),
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
    pub(super) async fn groups(&self, tx: &mut Tx<Tenant>) -> Result<(Vec<UsageGroup>, bool)> {
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
    async fn points(
        &self,
        tx: &mut Tx<Tenant>,
        groups: BTreeSet<&GroupKey>,
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
