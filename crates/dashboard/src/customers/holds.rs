//! What is reserved for a customer at the moment, and giving it back.

use axum::extract::State;
use axum::response::Response;
use commerce::customers::Reference;
use commerce::features::Feature;
use commerce::usage::{self, Hold, HoldFilter};
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Problem, Segments};
use types::id::{CustomerId, HoldId, PlatformId, WorkspaceId};
use types::{Error, PageRequest, Result, Timestamp};
use ui::dialog::Dialog;
use ui::{Button, Card, Cell, Column, Empty, Icon, Row, Table, time};

use crate::frame::figures::amount_text;
use crate::frame::{Posted, Shopkeeper, go_saying};

/// The newest holds that still reserve.
pub(super) async fn open(app: &App, keeper: &Shopkeeper, id: CustomerId, most: u32) -> Result<Vec<Hold>> {
    let filter = HoldFilter {
        customer: Some(Reference::Id(id)),
        open_only: true,
    };
    let page = PageRequest {
        limit: most,
        cursor: None,
    };
    Ok(usage::list_holds(app, &keeper.caller, &filter, &page).await?.data)
}

pub(super) fn card(
    keeper: &Shopkeeper,
    holds: &[Hold],
    features: &[Feature],
    now: Timestamp,
    may: bool,
) -> Markup {
    let rows = holds.iter().map(|hold| {
        let feature = features.iter().find(|feature| feature.key == hold.feature);
        let name = feature.map_or(hold.feature.as_str(), |feature| feature.name.as_str());
        let release = Button::ghost("Release")
            .small()
            .opens(format!("release-{}", hold.id));
        Row::new([
            Cell::two_lines(name, html! { "Since " (time::ago(hold.created_at, now)) }),
            Cell::from(amount_text(&hold.held)),
            Cell::new(time::instant(hold.expires_at)),
            if may { Cell::new(release) } else { Cell::new("") },
        ])
    });
    let columns = [
        Column::text("Feature"),
        Column::number("Held"),
        Column::text("Until").wide_only(),
        Column::actions("Actions"),
    ];
    let empty = Empty::new(Icon::Lock, "No open holds.", "Nothing is reserved at the moment.").quiet();
    let card = Card::titled("Open holds")
        .description("Reserved for work under way; settled or given back when it is done.")
        .flush(Table::new("Open holds", columns).rows(rows).empty(empty));
    html! {
        (card)
        @if may {
            @for hold in holds {
                (Dialog::confirm(
                    format!("release-{}", hold.id),
                    "Release this hold?",
                    "What it reserves can be used again at once. If the work is still under way, its settlement is refused.",
                    Button::danger("Release hold"),
                    &keeper.href(&format!("/customers/{}/holds/{}/release", hold.customer, hold.id)),
                    keeper.csrf(),
                ))
            }
        }
    }
}

pub(super) async fn release(
    State(app): State<App>,
    Segments((_, _, id, hold)): Segments<(WorkspaceId, PlatformId, CustomerId, HoldId)>,
    Posted(keeper, _): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    if usage::get_hold(&app, &keeper.caller, hold).await?.customer != id {
        return Err(Error::not_found("hold").into());
    }
    let released = usage::release(&app, &keeper.caller, hold).await?;
    let notice = format!(
        "{} of {} released.",
        amount_text(&released.amount),
        released.feature
    );
    Ok(go_saying(
        &app,
        &keeper.href(&format!("/customers/{id}")),
        &notice,
    )?)
}
