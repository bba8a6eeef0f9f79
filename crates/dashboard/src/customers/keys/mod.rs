//! Keys that a customer calls the platform's product with.

mod form;
mod key;
mod new;

use axum::Router;
use axum::routing::{get, post};
use commerce::customer_keys::{self, CustomerKey};
use commerce::customers::Reference;
use maud::{Markup, html};
use runtime::App;
use types::id::CustomerId;
use types::{PageRequest, Permission, Result, Timestamp};
use ui::{Badge, Button, Card, Cell, Column, Empty, Icon, Row, Table, number, time};

use crate::frame::Shopkeeper;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/{customer}/keys/new", get(new::show).post(new::submit))
        .route("/{customer}/keys/{key}", get(key::show))
        .route("/{customer}/keys/{key}/edit", get(key::edit).post(key::save))
        .route("/{customer}/keys/{key}/credits", post(key::credits))
        .route("/{customer}/keys/{key}/enable", post(key::enable))
        .route("/{customer}/keys/{key}/disable", post(key::disable))
        .route("/{customer}/keys/{key}/rotate", post(key::rotate))
        .route("/{customer}/keys/{key}/revoke", post(key::revoke))
}

/// The newest of a customer's keys; none for somebody who may not see them.
pub(super) async fn some(
    app: &App,
    keeper: &Shopkeeper,
    id: CustomerId,
    most: u32,
) -> Result<Option<Vec<CustomerKey>>> {
    if !keeper.member.may(Permission::CustomerKeysRead) {
        return Ok(None);
    }
    let page = PageRequest {
        limit: most,
        cursor: None,
    };
    let keys = customer_keys::list(app, &keeper.caller, Some(&Reference::Id(id)), &page).await?;
    Ok(Some(keys.data))
}

fn is_usable(key: &CustomerKey, now: Timestamp) -> bool {
    key.revoked_at.is_none() && key.expires_at.is_none_or(|at| at > now)
}

fn state(key: &CustomerKey, now: Timestamp) -> Badge {
    Badge::status(match key {
        key if key.revoked_at.is_some() => "revoked",
        key if !is_usable(key, now) => "expired",
        key if !key.enabled => "disabled",
        key if key.rotated_to.is_some() => "rotating",
        _ => "active",
    })
}

/// How a key looks, without what is secret of it.
fn looks(key: &CustomerKey) -> String {
    format!("{}…{}", key.prefix, key.hint)
}

pub(super) fn card(
    keeper: &Shopkeeper,
    id: CustomerId,
    keys: &[CustomerKey],
    now: Timestamp,
    may: bool,
) -> Markup {
    let rows = keys.iter().map(|key| {
        let used = key
            .last_used_at
            .map_or_else(|| html! { "Never" }, |at| time::ago(at, now));
        let credits = match &key.credits {
            Some(credits) => Cell::from(number::thousands(credits.remaining)),
            None => Cell::none(),
        };
        Row::new([
            Cell::two_lines(key.name.as_str(), html! { code { (looks(key)) } }),
            Cell::new(state(key, now)),
            credits,
            Cell::new(used),
        ])
        .href(keeper.href(&format!("/customers/{id}/keys/{}", key.id)))
    });
    let columns = [
        Column::text("Key"),
        Column::text("State"),
        Column::number("Credits left").wide_only(),
        Column::number("Last used").wide_only(),
    ];
    let empty = Empty::new(
        Icon::Key,
        "No keys.",
        "Issue one, and they can call your product with it.",
    )
    .quiet();
    let issue = Button::secondary("Issue a key")
        .icon(Icon::Plus)
        .small()
        .href(keeper.href(&format!("/customers/{id}/keys/new")));
    let card = Card::titled("Keys")
        .description("What they call your product with; your server asks us about each.")
        .flush(Table::new("Keys", columns).rows(rows).empty(empty));
    html! { @if may { (card.actions(issue)) } @else { (card) } }
}
