//! What an overview shows, read through the parts' own operations.

use std::time::Duration;

use commerce::api_keys::{self, ApiKeyStatus};
use commerce::customers::{self, Customer};
use commerce::features::{self, Feature, FeatureKind};
use commerce::usage::{self, EventFilter, Granularity, HistoryQuery, TopCustomer, UsageEvent, UsagePoint};
use runtime::App;
use types::page::MAX_LIMIT;
use types::{PageRequest, Permission, Result, Timestamp};

use crate::frame::Shopkeeper;
use crate::frame::figures::amount_value;

/// Days of the chart.
pub(super) const DAYS: usize = 30;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Hours of a day.
const HOURS: usize = 24;
/// Latest events that are shown.
const LATEST: u32 = 6;
/// Customers of the ranking.
const TOP: u32 = 6;

/// A number that was counted as far as a list's longest page.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    pub count: usize,
    pub and_more: bool,
}

/// Everything on an overview.
pub(super) struct Figures {
    pub now: Timestamp,
    /// The feature that is charted: the oldest metered one.
    pub feature: Option<Feature>,
    /// A point a day, oldest first, today last: the days of the chart and as many before.
    pub days: Vec<UsagePoint>,
    /// Used today, and yesterday up to the hour that it is now.
    pub today: f64,
    pub yesterday: f64,
    pub top: Vec<TopCustomer>,
    pub latest: Vec<UsageEvent>,
    pub customers: Counted,
    pub new_customers: usize,
    /// The newest customers, to name those of the latest events.
    pub known: Vec<Customer>,
    /// None for somebody who may not see keys.
    pub keys: Option<Keys>,
}

pub(super) struct Keys {
    pub active: Counted,
    pub used_lately: usize,
}

impl Figures {
    pub(super) async fn load(app: &App, keeper: &Shopkeeper) -> Result<Self> {
        let now = app.now();
        let most = PageRequest {
            limit: MAX_LIMIT,
            cursor: None,
        };
        let features = features::list(app, &keeper.caller, false, &most).await?.data;
        let feature = features
            .into_iter()
            .find(|feature| feature.kind == FeatureKind::Metered);
        let (days, hours, top) = match &feature {
            None => (Vec::new(), Vec::new(), Vec::new()),
            Some(feature) => (
                history(app, keeper, feature, now, Granularity::Day).await?,
                history(app, keeper, feature, now, Granularity::Hour).await?,
                top(app, keeper, feature, now).await?,
            ),
        };
        // Hours from the start of yesterday to this one, which is the last.
        let (yesterday, today) = hours.split_at(hours.len().min(HOURS));
        let same_hours = &yesterday[..today.len().min(yesterday.len())];
        let customers = customers::list(app, &keeper.caller, false, &most).await?;
        let month_ago = now - DAY * 30;
        Ok(Figures {
            now,
            feature,
            days,
            today: sum(today),
            yesterday: sum(same_hours),
            top,
            latest: latest(app, keeper).await?,
            customers: Counted {
                count: customers.data.len(),
                and_more: customers.next_cursor.is_some(),
            },
            new_customers: customers
                .data
                .iter()
                .filter(|customer| customer.created_at > month_ago)
                .count(),
            known: customers.data,
            keys: keys(app, keeper, now).await?,
        })
    }

    /// The amounts of the days of the chart.
    pub(super) fn shown(&self) -> Vec<f64> {
        self.values(DAYS, 0)
    }

    /// The amounts of as many days before.
    pub(super) fn before(&self) -> Vec<f64> {
        self.values(DAYS, DAYS)
    }

    /// The amounts of `count` days of which the last is `back` days ago.
    pub(super) fn values(&self, count: usize, back: usize) -> Vec<f64> {
        let end = self.days.len().saturating_sub(back);
        let start = end.saturating_sub(count);
        self.days[start..end]
            .iter()
            .map(|point| amount_value(&point.amount))
            .collect()
    }

    /// What a customer is called.
    pub(super) fn name_of(&self, event: &UsageEvent) -> String {
        let known = self.known.iter().find(|customer| customer.id == event.customer);
        known.map_or_else(|| event.customer.to_string(), crate::customers::label)
    }
}

/// By day, as far back as the chart and the period before it; by hour, since yesterday began.
async fn history(
    app: &App,
    keeper: &Shopkeeper,
    feature: &Feature,
    now: Timestamp,
    granularity: Granularity,
) -> Result<Vec<UsagePoint>> {
    let days_back = match granularity {
        Granularity::Day => u32::try_from(2 * DAYS - 1).unwrap_or(u32::MAX),
        _ => 1,
    };
    let query = HistoryQuery {
        feature: feature.key.clone(),
        customer: None,
        from: start_of_day(now) - DAY * days_back,
        // The stretch that it is now is the last, also at its very beginning.
        to: now + Duration::from_micros(1),
        granularity,
    };
    usage::history(app, &keeper.caller, &query).await
}

fn start_of_day(at: Timestamp) -> Timestamp {
    let day = i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(at.as_micros().div_euclid(day) * day)
}

fn sum(points: &[UsagePoint]) -> f64 {
    points.iter().map(|point| amount_value(&point.amount)).sum()
}

async fn top(app: &App, keeper: &Shopkeeper, feature: &Feature, now: Timestamp) -> Result<Vec<TopCustomer>> {
    let days = u32::try_from(DAYS - 1).unwrap_or(u32::MAX);
    usage::top_customers(
        app,
        &keeper.caller,
        &feature.key,
        start_of_day(now) - DAY * days,
        TOP,
    )
    .await
}

async fn latest(app: &App, keeper: &Shopkeeper) -> Result<Vec<UsageEvent>> {
    let page = PageRequest {
        limit: LATEST,
        cursor: None,
    };
    let events = usage::list_events(app, &keeper.caller, &EventFilter::default(), &page).await?;
    Ok(events.data)
}

async fn keys(app: &App, keeper: &Shopkeeper, now: Timestamp) -> Result<Option<Keys>> {
    let caller = &keeper.member.caller;
    if !caller.may(Permission::ApiKeysRead) {
        return Ok(None);
    }
    let most = PageRequest {
        limit: MAX_LIMIT,
        cursor: None,
    };
    let page = api_keys::list(app, caller, Some(keeper.platform.id), &most).await?;
    let mode = keeper.mode();
    let active = page
        .data
        .iter()
        .filter(|key| key.mode == mode && key.status(now) == ApiKeyStatus::Active);
    let used = active
        .clone()
        .filter(|key| key.last_used_at.is_some_and(|at| at > now - DAY));
    Ok(Some(Keys {
        used_lately: used.count(),
        active: Counted {
            count: active.count(),
            and_more: page.next_cursor.is_some(),
        },
    }))
}
