//! One event: what it was, who paid for it, and taking it back.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use commerce::Amount;
use commerce::features::{AggregationForm, Feature, MeterForm};
use commerce::usage::{self, EventSource, NewCorrection, UsageEventDetail, UsagePayment};
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Problem, Segments};
use types::id::{PlatformId, UsageEventId, WorkspaceId};
use types::{Permission, Result};
use ui::code::copyable;
use ui::{Button, Card, Cell, Column, Field, Form, Kv, Row, Table, time};

use super::{metered, names_of, source_badge};
use crate::frame::figures::{amount_entry, amount_text};
use crate::frame::{Draft, Posted, Shopkeeper, go_saying};

/// An event that arrived so long after it happened was told afterwards.
const LATE: Duration = Duration::from_secs(60);

type Path = Segments<(WorkspaceId, PlatformId, UsageEventId)>;

pub(super) async fn show(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    keeper: Shopkeeper,
) -> Result<Markup, Problem> {
    let found = Found::load(&app, &keeper, id).await?;
    Ok(page(&keeper, &found, &Draft::default()))
}

pub(super) async fn take_back(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    let correction = NewCorrection {
        amount: entries
            .filled("amount")
            .map(|text| Amount::Decimal(text.to_owned())),
        // A form that is sent twice takes back once.
        idempotency_key: entries.filled("once").map(str::to_owned),
    };
    match usage::correct(&app, &keeper.caller, id, correction).await {
        Ok(done) => {
            let notice = format!("{} of {} taken back.", amount_text(&done.amount), done.feature);
            Ok(go_saying(
                &app,
                &keeper.href(&format!("/usage/events/{id}")),
                &notice,
            )?)
        }
        Err(error) => {
            let found = Found::load(&app, &keeper, id).await?;
            entries.again(error, |draft| page(&keeper, &found, &draft))
        }
    }
}

/// An event, and how its feature and customer are called.
struct Found {
    detail: UsageEventDetail,
    feature: Option<Feature>,
    customer: String,
}

impl Found {
    async fn load(app: &App, keeper: &Shopkeeper, id: UsageEventId) -> Result<Self> {
        let detail = usage::get_event(app, &keeper.caller, id).await?;
        let features = metered(app, keeper).await?;
        let mut names = names_of(app, keeper, [detail.event.customer]).await?;
        let customer = names.remove(&detail.event.customer);
        Ok(Found {
            feature: features
                .into_iter()
                .find(|feature| feature.key == detail.event.feature),
            customer: customer.unwrap_or_else(|| detail.event.customer.to_string()),
            detail,
        })
    }

    fn feature_name(&self) -> &str {
        let feature = self.feature.as_ref();
        feature.map_or(self.detail.event.feature.as_str(), |feature| {
            feature.name.as_str()
        })
    }

    /// What can still be taken back of it; none of what does not add up, and of what took back itself.
    fn left(&self) -> Option<&Amount> {
        let meter = self.feature.as_ref()?.meter.as_ref().map(MeterForm::from)?;
        let adds_up = matches!(meter.aggregation, AggregationForm::Sum | AggregationForm::Count);
        let paid = self.detail.paid.as_ref()?;
        let is_use = self.detail.event.source != EventSource::Correction;
        let is_left = match &paid.total {
            Amount::Integer(units) => *units > 0,
            Amount::Decimal(text) => text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)),
        };
        (adds_up && is_use && is_left).then_some(&paid.total)
    }
}

fn page(keeper: &Shopkeeper, found: &Found, draft: &Draft) -> Markup {
    let event = &found.detail.event;
    let title = format!("{} · {}", amount_text(&event.amount), found.feature_name());
    let header = keeper
        .header(&title, source_badge(event.source))
        .description(html! { "Used by " a href=(keeper.href(&format!("/customers/{}", event.customer))) { (found.customer) } });
    let may = keeper.may(Permission::UsageConsume);
    let content = html! {
        div.grid {
            (Card::titled("Event").body(about(keeper, found)))
            @if let Some(paid) = &found.detail.paid { (payers(keeper, found, paid)) }
        }
        @if let (true, Some(left)) = (may, found.left()) { (form(keeper, found, left, draft)) }
    };
    keeper.page(("Event log", "/usage/events"), &title, header, content)
}

fn about(keeper: &Shopkeeper, found: &Found) -> Kv {
    let detail = &found.detail;
    let event = &detail.event;
    let about = Kv::new()
        .row("Event id", copyable(&event.id.to_string()))
        .row("Feature", html! { code { (event.feature) } })
        .row("Happened", time::instant(event.occurred_at));
    let about = match event.received_at.since(event.occurred_at) >= LATE {
        true => about.row("Arrived", time::instant(event.received_at)),
        false => about,
    };
    let about = match event.end_user {
        Some(end_user) => about.row("End user", copyable(&end_user.to_string())),
        None => about,
    };
    let about = event.dimensions.iter().fold(about, |about, (name, value)| {
        about.row(name.as_str(), value.as_str())
    });
    let about = match event.corrects {
        Some(other) => {
            let href = keeper.href(&format!("/usage/events/{other}"));
            about.row(
                "Takes back from",
                html! { a href=(href) { "The event that it corrects" } },
            )
        }
        None => about,
    };
    match detail.hold {
        Some(hold) => about.row("Settles", copyable(&hold.to_string())),
        None => about,
    }
}

fn payers(keeper: &Shopkeeper, found: &Found, paid: &UsagePayment) -> Card {
    let event = &found.detail.event;
    let mut rows = vec![(html! { "Plan" }, "What it includes", &paid.included)];
    for share in &paid.grants {
        let href = keeper.href(&format!("/customers/{}/grants", event.customer));
        let grant = html! { a href=(href) { "Grant" } };
        rows.push((grant, "Extra balance", &share.amount));
    }
    rows.push((html! { "Overage" }, "Sold beyond the limit", &paid.overage));
    let rows = rows
        .into_iter()
        .filter(|(_, _, amount)| amount_text(amount) != "0")
        .map(|(who, why, amount)| Row::new([Cell::two_lines(who, why), Cell::from(amount_text(amount))]));
    let is_correction = event.source == EventSource::Correction;
    let (title, description) = match is_correction {
        true => ("Given back to", "Where the units had come from.".to_owned()),
        false if amount_text(&paid.total) == amount_text(&event.amount) => {
            ("Paid by", "All of it counts.".to_owned())
        }
        false => (
            "Paid by",
            format!("{} is left after corrections.", amount_text(&paid.total)),
        ),
    };
    let columns = [Column::text("Who"), Column::number("Amount")];
    let empty = ui::Empty::new(ui::Icon::Coin, "Nobody.", "All of it was taken back.").quiet();
    Card::titled(title)
        .description(description)
        .flush(Table::new(title, columns).rows(rows).empty(empty))
}

fn form(keeper: &Shopkeeper, found: &Found, left: &Amount, draft: &Draft) -> Card {
    let path = keeper.href(&format!("/usage/events/{}/take-back", found.detail.event.id));
    let amount = Field::text("amount", "Amount")
        .value(draft.value_or("amount", &amount_entry(left)))
        .errors(draft.errors())
        .help(format!("At most {}.", amount_text(left)));
    let amount = match found.feature.as_ref().and_then(|feature| feature.unit.as_deref()) {
        Some(unit) => amount.suffix(unit),
        None => amount,
    };
    // What is left changes with every correction, and so this key.
    let once = format!("{} with {} left", found.detail.event.id, amount_entry(left));
    let form = Form::post(path, keeper.csrf())
        .hidden("once", once)
        .part(amount)
        .actions(Button::secondary("Take back"));
    Card::titled("Take back")
        .description(
            "Gives back what should not have counted, to whoever paid for it. The log keeps both events.",
        )
        .body(html! { div.stack { (draft.alert()) (form) } })
}
