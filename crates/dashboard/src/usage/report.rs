//! How much of a feature is used: figures, course, and who or what it is made of.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::State;
use commerce::features::{AggregationForm, Feature, MeterForm};
use commerce::usage::{
    self, EventFilter, Granularity, MAX_GROUPS, UsageGroup, UsagePoint, UsageQuery, UsageReport,
};
use http::Uri;
use maud::Markup;
use runtime::App;
use runtime::http::Problem;
use types::id::CustomerId;
use types::{Error, ErrorCode, PageRequest, Result, Timestamp};

use super::asked::{Asked, BY_CUSTOMER};
use super::{metered, names_of, view};
use crate::frame::Shopkeeper;
use crate::frame::figures::amount_value;

/// Rows of a breakdown; what is left is summed up.
const ROWS: usize = 10;
/// Customers are counted as far as this.
const COUNTED: u32 = 200;

pub(super) async fn show(State(app): State<App>, keeper: Shopkeeper, uri: Uri) -> Result<Markup, Problem> {
    let features = metered(&app, &keeper).await?;
    let asked = Asked::read(uri.query());
    let Some(feature) = chosen(&features, &asked.feature) else {
        return Ok(view::without_feature(&keeper));
    };
    let asked = asked.settle(feature);
    match Report::load(&app, &keeper, feature, asked.clone()).await {
        Ok(report) if report.is_unused => Ok(view::unused(&app, &keeper, &features, &report)),
        Ok(report) => Ok(view::page(&keeper, &features, &report)),
        Err(error) if is_about_the_filter(&error) => {
            Ok(view::nothing_found(&keeper, &features, feature, &asked, &error))
        }
        Err(error) => Err(error.into()),
    }
}

/// The feature of that key; the oldest, when none is named or there is no such one.
pub(super) fn chosen<'a>(features: &'a [Feature], key: &str) -> Option<&'a Feature> {
    let named = features.iter().find(|feature| feature.key == key);
    named.or(features.first())
}

/// Whether another filter would help: nobody is called that, or nothing can be.
pub(super) fn is_about_the_filter(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::NotFound | ErrorCode::ValidationFailed)
}

/// What to say where a filter finds nobody or nothing.
pub(super) fn why_nothing(error: &Error) -> String {
    match (error.code(), error.fields()) {
        (ErrorCode::NotFound, _) => "Nobody and nothing is called that in this mode.".to_owned(),
        (_, [wrong, ..]) => format!("The filter {:?}: {}.", wrong.field, wrong.message),
        (_, []) => error.detail().to_owned(),
    }
}

/// How amounts of a feature come together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Together {
    Sum,
    Largest,
    Latest,
}

impl Together {
    fn of(feature: &Feature) -> Self {
        let form = feature.meter.as_ref().map(MeterForm::from);
        match form.map(|form| form.aggregation) {
            Some(AggregationForm::Max) => Together::Largest,
            Some(AggregationForm::Last) => Together::Latest,
            _ => Together::Sum,
        }
    }

    /// What some stretches come to, oldest first.
    fn total(self, points: &[UsagePoint]) -> f64 {
        let amounts = points.iter().map(|point| amount_value(&point.amount));
        match self {
            Together::Sum => amounts.sum(),
            Together::Largest => amounts.fold(0.0, f64::max),
            Together::Latest => points
                .iter()
                .rfind(|point| point.events > 0)
                .map_or(0.0, |point| amount_value(&point.amount)),
        }
    }
}

/// Everything on the page of a feature.
pub(super) struct Report {
    pub asked: Asked,
    pub feature: Feature,
    pub together: Together,
    /// The stretches that are shown, oldest first, the last one still running; and as many before.
    pub now: Vec<UsagePoint>,
    pub before: Vec<UsagePoint>,
    /// The greatest first, at most so many.
    pub groups: Vec<UsageGroup>,
    /// Groups that are not among them; none when there are more than were counted.
    pub others: Option<usize>,
    /// Who used it: how many, and whether there are more than were counted.
    pub customers: (usize, bool),
    pub names: HashMap<CustomerId, String>,
    /// What the one customer that is looked at is called.
    pub of_customer: Option<String>,
    /// Nothing at all was ever used.
    pub is_unused: bool,
}

impl Report {
    async fn load(app: &App, keeper: &Shopkeeper, feature: &Feature, asked: Asked) -> Result<Self> {
        let (now, points) = (app.now(), asked.span.points());
        let course = Query {
            app,
            keeper,
            asked: &asked,
            // The stretch that it is now is the last, also at its very beginning.
            to: now + Duration::from_micros(1),
        };
        let first = asked.span.first_of(2 * points, now);
        let whole = course.ask(first, asked.span.granularity(), None, None).await?;
        let mut before = whole
            .groups
            .into_iter()
            .flat_map(|group| group.points)
            .collect::<Vec<_>>();
        let now_points = before.split_off(before.len().saturating_sub(points));
        let start = now_points.first().map_or(now, |point| point.start);
        let by_customer = course
            .ask(start, Granularity::Total, Some(BY_CUSTOMER), Some(COUNTED))
            .await?;
        let customers = (by_customer.groups.len(), by_customer.is_cut);
        let breakdown = match asked.by.as_str() {
            BY_CUSTOMER => by_customer,
            name => {
                course
                    .ask(start, Granularity::Total, Some(name), Some(COUNTED))
                    .await?
            }
        };
        let others = (!breakdown.is_cut).then(|| breakdown.groups.len().saturating_sub(ROWS));
        let mut groups = breakdown.groups;
        groups.truncate(ROWS);
        let shown = groups.iter().filter_map(|group| group.customer);
        let names = names_of(app, keeper, shown).await?;
        Ok(Report {
            of_customer: customer_name(app, keeper, &asked).await?,
            is_unused: customers.0 == 0 && is_unused(app, keeper).await?,
            together: Together::of(feature),
            feature: feature.clone(),
            now: now_points,
            before,
            groups,
            others,
            customers,
            names,
            asked,
        })
    }

    pub(super) fn total(&self) -> f64 {
        self.together.total(&self.now)
    }

    pub(super) fn total_before(&self) -> f64 {
        self.together.total(&self.before)
    }

    pub(super) fn values(points: &[UsagePoint]) -> Vec<f64> {
        points.iter().map(|point| amount_value(&point.amount)).collect()
    }

    pub(super) fn events(points: &[UsagePoint]) -> i64 {
        points.iter().map(|point| point.events).sum()
    }

    /// The stretch with the greatest amount, if anything was used.
    pub(super) fn busiest(&self) -> Option<&UsagePoint> {
        let by_amount =
            |a: &&UsagePoint, b: &&UsagePoint| amount_value(&a.amount).total_cmp(&amount_value(&b.amount));
        self.now
            .iter()
            .max_by(by_amount)
            .filter(|point| amount_value(&point.amount) > 0.0)
    }
}

/// The query that the address stands for, up to an instant.
pub(super) struct Query<'a> {
    pub app: &'a App,
    pub keeper: &'a Shopkeeper,
    pub asked: &'a Asked,
    pub to: Timestamp,
}

impl Query<'_> {
    pub(super) async fn ask(
        &self,
        from: Timestamp,
        granularity: Granularity,
        by: Option<&str>,
        limit: Option<u32>,
    ) -> Result<UsageReport> {
        let customer = Some(self.asked.customer.as_str()).filter(|text| !text.is_empty());
        let query = UsageQuery {
            feature: self.asked.feature.clone(),
            customer: customer.map(str::parse).transpose()?,
            end_user: None,
            from,
            to: self.to,
            granularity,
            group_by: by.map(str::to_owned).into_iter().collect(),
            filters: self.asked.filters.clone(),
            limit,
        };
        usage::query(self.app, &self.keeper.caller, &query).await
    }

    /// All of what the page shows, for a file.
    pub(super) async fn whole(&self, now: Timestamp) -> Result<UsageReport> {
        let span = self.asked.span;
        let first = span.first_of(span.points(), now);
        let most = u32::try_from(MAX_GROUPS).ok();
        self.ask(first, span.granularity(), Some(&self.asked.by), most)
            .await
    }
}

async fn customer_name(app: &App, keeper: &Shopkeeper, asked: &Asked) -> Result<Option<String>> {
    if asked.customer.is_empty() {
        return Ok(None);
    }
    let id: Option<CustomerId> = asked.customer.parse().ok();
    let names = names_of(app, keeper, id).await?;
    Ok(names
        .into_values()
        .next()
        .or_else(|| Some(asked.customer.clone())))
}

async fn is_unused(app: &App, keeper: &Shopkeeper) -> Result<bool> {
    let one = PageRequest {
        limit: 1,
        cursor: None,
    };
    let events = usage::list_events(app, &keeper.caller, &EventFilter::default(), &one).await?;
    Ok(events.data.is_empty())
}
