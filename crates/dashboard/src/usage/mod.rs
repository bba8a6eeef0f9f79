//! The event log of a platform.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use commerce::customers::{self, Customer};
use commerce::features::{self, Feature, FeatureKind};
use commerce::usage::{self, EventFilter, UsageEvent};
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Params, Problem};
use serde::Deserialize;
use types::page::MAX_LIMIT;
use types::{ErrorCode, Page, PageRequest, Permission, Result, Timestamp};
use ui::form::Choice;
use ui::{Alert, Button, Card, Cell, Column, Empty, Field, Form, Icon, Row, Table, time};

use crate::customers::label;
use crate::frame::figures::amount_text;
use crate::frame::{Shopkeeper, page_at, pages, with_parameter};

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/w/{workspace}/p/{platform}/usage", get(show))
}

#[derive(Deserialize)]
struct Query {
    cursor: Option<String>,
    #[serde(default)]
    customer: String,
    #[serde(default)]
    feature: String,
}

async fn show(
    State(app): State<App>,
    keeper: Shopkeeper,
    Params(query): Params<Query>,
) -> Result<Markup, Problem> {
    let found = Found::load(&app, &keeper, &query).await?;
    let is_filtered = !query.customer.trim().is_empty() || !query.feature.is_empty();
    let here = keeper.href("/usage");
    let here = [
        ("customer", query.customer.trim()),
        ("feature", query.feature.as_str()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .fold(here, |here, (name, value)| with_parameter(&here, name, value));
    let cursor = query.cursor.as_deref();
    let content = html! {
        @if let Some(problem) = &found.problem { (Alert::warn("Nothing was found").body(problem.as_str())) }
        @if is_filtered || !found.page.data.is_empty() { (filter(&keeper, &query, &found.features)) }
        (Card::new().flush(table(&keeper, &found, is_filtered, app.now())))
        (pages(&found.page, cursor, ("event", "events"), &here))
    };
    let description = "Every recorded use, newest first.";
    Ok(keeper.view("/usage", description, html! {}, content))
}

struct Found {
    page: Page<UsageEvent>,
    features: Vec<Feature>,
    /// The newest customers, to name them by.
    customers: Vec<Customer>,
    /// Why the filter finds nothing.
    problem: Option<String>,
}

impl Found {
    async fn load(app: &App, keeper: &Shopkeeper, query: &Query) -> Result<Self> {
        let all = PageRequest {
            limit: MAX_LIMIT,
            cursor: None,
        };
        let (page, problem) = match events(app, keeper, query).await {
            Ok(page) => (page, None),
            Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::ValidationFailed) => {
                let nothing = Page {
                    data: Vec::new(),
                    next_cursor: None,
                };
                (nothing, Some(error.detail().to_owned()))
            }
            Err(error) => return Err(error),
        };
        let customers = match keeper.member.may(Permission::CustomersRead) {
            true => customers::list(app, &keeper.caller, true, &all).await?.data,
            false => Vec::new(),
        };
        Ok(Found {
            page,
            features: features::list(app, &keeper.caller, true, &all).await?.data,
            customers,
            problem,
        })
    }
}

async fn events(app: &App, keeper: &Shopkeeper, query: &Query) -> Result<Page<UsageEvent>> {
    let sought = query.customer.trim();
    let filter = EventFilter {
        customer: match sought {
            "" => None,
            sought => Some(sought.parse()?),
        },
        feature: Some(query.feature.clone()).filter(|feature| !feature.is_empty()),
        ..EventFilter::default()
    };
    usage::list_events(app, &keeper.caller, &filter, &page_at(query.cursor.as_deref())).await
}

fn filter(keeper: &Shopkeeper, query: &Query, features: &[Feature]) -> Form {
    let metered = features
        .iter()
        .filter(|feature| feature.kind == FeatureKind::Metered);
    let choices = std::iter::once(Choice::new("", "Every feature"))
        .chain(metered.map(|feature| Choice::new(&feature.key, &feature.name)));
    let form = Form::get(keeper.href("/usage"))
        .inline()
        .part(
            Field::search("customer", "Customer")
                .value(&query.customer)
                .placeholder("Id or external id"),
        )
        .part(Field::select("feature", "Feature", choices.collect::<Vec<_>>()).value(&query.feature))
        .actions(Button::secondary("Filter").icon(Icon::Filter));
    keeper.in_form(form)
}

fn table(keeper: &Shopkeeper, found: &Found, is_filtered: bool, now: Timestamp) -> Table {
    let rows = found.page.data.iter().map(|event| {
        let customer = found
            .customers
            .iter()
            .find(|customer| customer.id == event.customer);
        let name = customer.map_or_else(|| event.customer.to_string(), label);
        let end_user = event.end_user.map(|id| id.to_string());
        Row::new([
            Cell::two_lines(name, html! { @if let Some(id) = end_user { code { (id) } } }),
            Cell::new(html! { code { (event.feature) } }),
            Cell::from(amount_text(&event.amount)),
            Cell::new(time::instant(event.occurred_at)),
            Cell::new(time::ago(event.received_at, now)),
        ])
        .href(keeper.href(&format!("/customers/{}", event.customer)))
    });
    let columns = [
        Column::text("Customer"),
        Column::text("Feature").wide_only(),
        Column::number("Amount"),
        Column::text("Occurred").wide_only(),
        Column::number("Received"),
    ];
    let empty = match is_filtered {
        true => Empty::new(
            Icon::Filter,
            "No such events",
            "Nothing that was recorded fits the filter.",
        ),
        false => Empty::new(
            Icon::Activity,
            "No events yet",
            "Every call that is granted is listed here, with who it was for and how much it used.",
        ),
    };
    Table::new("Usage events", columns).rows(rows).empty(empty)
}
