//! Who buys from a platform: the list, a new one, and everything about one.

mod detail;
mod edit;
mod entitlement;
mod grants;
mod holds;
mod keys;
mod live;
mod overrides;
mod parts;
mod subscriptions;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use commerce::customers::{self, Customer, CustomerRef};
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Params, Problem};
use serde::Deserialize;
use types::{Error, Page, Permission, Result, Timestamp};
use ui::code::Snippet;
use ui::{Badge, Button, Card, Cell, Column, Empty, Field, Form, Icon, Row, Table, time};

use crate::frame::{Entries, Shopkeeper, page_at, pages, with_parameter};

pub(crate) fn routes() -> Router<App> {
    let customers = Router::new()
        .route("/", get(list))
        .route("/new", get(edit::fresh).post(edit::create))
        .route("/{customer}", get(detail::show))
        .route("/{customer}/edit", get(edit::show).post(edit::save))
        .route("/{customer}/archive", post(edit::archive))
        .route("/{customer}/unarchive", post(edit::unarchive))
        .route("/{customer}/subscriptions", post(subscriptions::create))
        .route(
            "/{customer}/subscriptions/{subscription}/end",
            post(subscriptions::end),
        )
        .route("/{customer}/live", get(live::show))
        .route("/{customer}/entitlements/{feature}", get(entitlement::show))
        .route("/{customer}/grants", get(grants::list))
        .route("/{customer}/grants/new", get(grants::fresh).post(grants::create))
        .route("/{customer}/grants/{grant}/void", post(grants::void))
        .route("/{customer}/holds/{hold}/release", post(holds::release))
        .route(
            "/{customer}/overrides/new",
            get(overrides::fresh).post(overrides::create),
        )
        .route("/{customer}/overrides/{override}/remove", post(overrides::remove));
    let customers = customers.merge(keys::routes());
    Router::new().nest("/w/{workspace}/p/{platform}/customers", customers)
}

/// What a customer is called: by name, else by the seller's id, else by ours.
pub(crate) fn label(customer: &Customer) -> String {
    let named = customer.name.clone().or_else(|| customer.external_id.clone());
    named.unwrap_or_else(|| customer.id.to_string())
}

/// The end of the day that was chosen as the last, in UTC.
fn end_of_day(entries: &Entries, field: &str) -> Result<Option<Timestamp>> {
    instant_of(entries, field, "23:59:59.999999")
}

/// The start of the day that was chosen as the first, in UTC.
fn start_of_day(entries: &Entries, field: &str) -> Result<Option<Timestamp>> {
    instant_of(entries, field, "00:00:00")
}

fn instant_of(entries: &Entries, field: &str, time: &str) -> Result<Option<Timestamp>> {
    let at = entries.filled(field).map(|day| format!("{day}T{time}Z").parse());
    at.transpose()
        .map_err(|_| Error::invalid(field, "must be a date such as 2026-12-31"))
}

#[derive(Deserialize)]
struct ListQuery {
    cursor: Option<String>,
    /// An id or external id to look for.
    #[serde(default)]
    q: String,
    archived: Option<String>,
}

async fn list(
    State(app): State<App>,
    keeper: Shopkeeper,
    Params(query): Params<ListQuery>,
) -> Result<Markup, Problem> {
    keeper.member.caller.require(Permission::CustomersRead)?;
    let cursor = query.cursor.as_deref();
    let (sought, archived) = (query.q.trim(), query.archived.is_some());
    let page = if sought.is_empty() {
        customers::list(&app, &keeper.caller, archived, &page_at(cursor)).await?
    } else {
        find(&app, &keeper, sought).await?
    };
    let may = keeper.may(Permission::CustomersManage);
    let here = keeper.href("/customers");
    let here = if archived {
        with_parameter(&here, "archived", "yes")
    } else {
        here
    };
    let columns = [
        Column::text("Customer"),
        Column::text("External id").wide_only(),
        Column::text("E-mail").wide_only(),
        Column::text("Created"),
    ];
    let table = Table::new("Customers", columns)
        .rows(page.data.iter().map(|customer| row(&keeper, customer)))
        .empty(empty(&keeper, sought, may));
    let content = html! {
        @if !page.data.is_empty() || !sought.is_empty() || cursor.is_some() { (filter(&keeper, sought, archived)) }
        (Card::new().flush(table))
        (pages(&page, cursor, ("customer", "customers"), &here))
    };
    let new = Button::primary("New customer")
        .icon(Icon::Plus)
        .href(keeper.href("/customers/new"));
    let description = "Who buys from this platform, and what they may use.";
    Ok(keeper.view("/customers", description, html! { @if may { (new) } }, content))
}

/// The one customer that has the id: an id names one, or none.
async fn find(app: &App, keeper: &Shopkeeper, sought: &str) -> Result<Page<Customer>> {
    let found = match sought.parse::<CustomerRef>() {
        Ok(reference) => customers::find(app, &keeper.caller, &reference).await?,
        Err(_) => None,
    };
    Ok(Page {
        data: found.into_iter().collect(),
        next_cursor: None,
    })
}

fn row(keeper: &Shopkeeper, customer: &Customer) -> Row {
    let name = html! {
        (label(customer)) @if customer.archived_at.is_some() { " " (Badge::status("archived")) }
    };
    let or_none = |text: &Option<String>| text.as_deref().map_or_else(Cell::none, Cell::from);
    Row::new([
        Cell::new(name),
        or_none(&customer.external_id),
        or_none(&customer.email),
        Cell::new(time::date(customer.created_at)),
    ])
    .href(keeper.href(&format!("/customers/{}", customer.id)))
}

fn filter(keeper: &Shopkeeper, sought: &str, archived: bool) -> Form {
    let search = Field::search("q", "Id or external id")
        .value(sought)
        .placeholder("acme");
    let form = Form::get(keeper.href("/customers"))
        .inline()
        .part(search)
        .part(Field::checkbox("archived", "Archived too", archived).value("yes"))
        .actions(Button::secondary("Filter").icon(Icon::Search));
    keeper.in_form(form)
}

fn empty(keeper: &Shopkeeper, sought: &str, may: bool) -> Empty {
    if !sought.is_empty() {
        return Empty::new(
            Icon::Search,
            "No such customer",
            "No customer has this id or external id in this mode.",
        );
    }
    let empty = Empty::new(
        Icon::Users,
        "No customers yet",
        "A customer is whoever your product's calls are counted for. Your server creates them with one call, or you do it here.",
    );
    if !may {
        return empty;
    }
    let call = "curl $PLINTH_URL/v1/customers \\\n  -H \"Authorization: Bearer $PLINTH_KEY\" \\\n  \
                -H 'Content-Type: application/json' \\\n  -d '{\"external_id\": \"acme\", \"name\": \"Acme\"}'";
    empty
        .action(
            Button::primary("New customer")
                .icon(Icon::Plus)
                .href(keeper.href("/customers/new")),
        )
        .snippet(Snippet::new("Shell", call))
}
