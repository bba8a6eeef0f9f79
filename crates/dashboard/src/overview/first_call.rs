//! The line under the first call's command: waiting, until the call is there.

use axum::extract::State;
use commerce::usage::{self, EventFilter};
use maud::{Markup, html};
use runtime::App;
use runtime::http::Problem;
use types::PageRequest;
use ui::{Alert, Button, Icon};

use crate::frame::Shopkeeper;
use crate::frame::figures::amount_text;

pub(super) fn waiting(keeper: &Shopkeeper) -> Markup {
    html! {
        div.actions hx-get=(keeper.href("/start/first-call")) hx-trigger="every 2s" hx-swap="outerHTML" role="status" {
            (Icon::Clock) span.muted { "Waiting for it …" }
            a href=(keeper.own_overview()) { "I have sent it" }
        }
    }
}

/// A piece of a page, which asks for itself until there is news.
pub(super) async fn show(State(app): State<App>, keeper: Shopkeeper) -> Result<Markup, Problem> {
    let one = PageRequest {
        limit: 1,
        cursor: None,
    };
    let events = usage::list_events(&app, &keeper.caller, &EventFilter::default(), &one).await?;
    let Some(event) = events.data.first() else {
        return Ok(waiting(&keeper));
    };
    Ok(html! {
        div role="status" {
            (Alert::good("Your first call has arrived")
                .body(html! { (amount_text(&event.amount)) " of " code { (event.feature) } ", counted and limited." })
                .action(Button::primary("See your overview").href(keeper.own_overview())))
        }
    })
}
