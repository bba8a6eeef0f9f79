//! The event log of a platform.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::State;
use commerce::features::Feature;
use commerce::usage::{self, EventFilter, UsageEvent};
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Params, Problem};
use serde::Deserialize;
use types::id::CustomerId;
use types::{Error, Page, Result, Timestamp};
use ui::form::Choice;
use ui::{Button, Card, Cell, Column, Empty, Field, Form, Icon, Row, Table, time};

use super::report::{is_about_the_filter, why_nothing};
use super::{SOURCES, first_call, metered, names_of, source_badge};
use crate::frame::figures::amount_text;
use crate::frame::{Shopkeeper, page_at, pages, with_parameter};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The fields of the filter, as they were entered.
#[derive(Deserialize)]
pub(super) struct Query {
    cursor: Option<String>,
    #[serde(default)]
    customer: String,
    #[serde(default)]
    feature: String,
    #[serde(default)]
    source: String,
    /// The first day.
    #[serde(default)]
    from: String,
    /// The last day.
    #[serde(default)]
    to: String,
}

impl Query {
    fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("customer", self.customer.trim()),
            ("feature", self.feature.trim()),
            ("source", self.source.trim()),
            ("from", self.from.trim()),
            ("to", self.to.trim()),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
    }

    fn is_filter(&self) -> bool {
        self.fields().next().is_some()
    }

    /// # Errors
    /// `validation_failed`, naming the field.
    fn filter(&self) -> Result<EventFilter> {
        let mut filter = EventFilter::default();
        for (name, value) in self.fields() {
            match name {
                "customer" => filter.customer = Some(value.parse()?),
                "feature" => filter.feature = Some(value.to_owned()),
                "source" => filter.source = Some(source(value)?),
                "from" => filter.from = Some(day(name, value)?),
                _ => filter.to = Some(day(name, value)? + DAY),
            }
        }
        Ok(filter)
    }
}

fn source(word: &str) -> Result<commerce::usage::EventSource> {
    let known = SOURCES.iter().find(|(source, _)| source.as_str() == word);
    let known = known.ok_or_else(|| Error::invalid("source", "choose one of the sources"))?;
    Ok(known.0)
}

/// The start of a day, in UTC.
fn day(field: &str, text: &str) -> Result<Timestamp> {
    let start = format!("{text}T00:00:00Z").parse();
    start.map_err(|_| Error::invalid(field, "must be a date such as 2026-12-31"))
}

pub(super) async fn list(
    State(app): State<App>,
    keeper: Shopkeeper,
    Params(query): Params<Query>,
) -> Result<Markup, Problem> {
    let features = metered(&app, &keeper).await?;
    let cursor = query.cursor.as_deref();
    let (page, problem) = match events(&app, &keeper, &query).await {
        Ok(page) => (page, None),
        Err(error) if is_about_the_filter(&error) => (nothing(), Some(error)),
        Err(error) => return Err(error.into()),
    };
    let names = names_of(&app, &keeper, page.data.iter().map(|event| event.customer)).await?;
    let first = keeper.href("/usage/events");
    let here = query.fields().fold(first.clone(), |here, (name, value)| {
        with_parameter(&here, name, value)
    });
    let empty = match (&problem, query.is_filter()) {
        (Some(error), _) => Empty::new(Icon::Filter, "Nothing was found", why_nothing(error)),
        (None, true) => Empty::new(
            Icon::Filter,
            "No such events",
            "Nothing that was recorded fits the filter.",
        ),
        (None, false) => no_events(&app, &features),
    };
    let table = table(&keeper, &page.data, &names, &features, app.now()).empty(empty);
    let content = html! {
        @if query.is_filter() || !page.data.is_empty() || cursor.is_some() {
            (filter(&keeper, &query, &features, &first))
        }
        (Card::new().flush(table))
        (pages(&page, cursor, ("event", "events"), &here))
    };
    let header = keeper
        .header("Event log", "")
        .description("Every recorded use, newest first. Days are in UTC.");
    Ok(keeper.page(("Usage", "/usage"), "Event log", header, content))
}

async fn events(app: &App, keeper: &Shopkeeper, query: &Query) -> Result<Page<UsageEvent>> {
    let filter = query.filter()?;
    usage::list_events(app, &keeper.caller, &filter, &page_at(query.cursor.as_deref())).await
}

fn nothing() -> Page<UsageEvent> {
    Page {
        data: Vec::new(),
        next_cursor: None,
    }
}

fn no_events(app: &App, features: &[Feature]) -> Empty {
    let empty = Empty::new(
        Icon::Activity,
        "No events yet",
        "Every call that is granted is listed here, with who it was for and how much it used.",
    );
    match features.first() {
        Some(feature) => empty.snippet(first_call(app, &feature.key)),
        None => empty,
    }
}

fn filter(keeper: &Shopkeeper, query: &Query, features: &[Feature], whole: &str) -> Form {
    let features = std::iter::once(Choice::new("", "Every feature")).chain(
        features
            .iter()
            .map(|feature| Choice::new(&feature.key, &feature.name)),
    );
    let sources = std::iter::once(Choice::new("", "Every source")).chain(
        SOURCES
            .iter()
            .map(|(source, word)| Choice::new(source.as_str(), *word)),
    );
    let customer = Field::search("customer", "Customer")
        .value(&query.customer)
        .placeholder("Id or external id");
    let form = Form::get(keeper.href("/usage/events"))
        .inline()
        .part(customer)
        .part(Field::select("feature", "Feature", features.collect::<Vec<_>>()).value(&query.feature))
        .part(Field::select("source", "Source", sources.collect::<Vec<_>>()).value(&query.source))
        .part(Field::date("from", "From").value(&query.from))
        .part(Field::date("to", "To").value(&query.to))
        .actions(html! {
            (Button::secondary("Filter").icon(Icon::Filter))
            @if query.is_filter() { (Button::ghost("Clear").href(whole)) }
        });
    keeper.in_form(form)
}

fn table(
    keeper: &Shopkeeper,
    events: &[UsageEvent],
    names: &HashMap<CustomerId, String>,
    features: &[Feature],
    now: Timestamp,
) -> Table {
    let rows = events.iter().map(|event| {
        let name = names
            .get(&event.customer)
            .cloned()
            .unwrap_or_else(|| event.customer.to_string());
        let feature = features.iter().find(|feature| feature.key == event.feature);
        let feature = feature.map_or(event.feature.as_str(), |feature| feature.name.as_str());
        Row::new([
            Cell::two_lines(name, feature),
            Cell::new(dimensions(event)),
            Cell::new(source_badge(event.source)),
            Cell::from(amount_text(&event.amount)),
            Cell::new(time::ago(event.occurred_at, now)),
        ])
        .href(keeper.href(&format!("/usage/events/{}", event.id)))
    });
    let columns = [
        Column::text("Customer and feature"),
        Column::text("Dimensions").wide_only(),
        Column::text("Source").wide_only(),
        Column::number("Amount"),
        Column::number("Happened"),
    ];
    Table::new("Usage events", columns).rows(rows)
}

fn dimensions(event: &UsageEvent) -> Markup {
    if event.dimensions.is_empty() {
        return html! { span.faint { "–" } };
    }
    html! {
        span.tags { @for (name, value) in &event.dimensions { span.tag { (name) ": " (value) } } }
    }
}
