//! The cards of a customer's page.

use commerce::customers::Customer;
use commerce::plans::Plan;
use maud::{Markup, html};
use ui::code::copyable;
use ui::dialog::Dialog;
use ui::form::Choice;
use ui::{Badge, Button, Card, Cell, Column, Empty, Field, Form, Icon, Kv, Row, Table, time};

use super::detail::Found;
use crate::frame::figures::{amount_text, limit_text};
use crate::frame::{Shopkeeper, with_parameter};

pub(super) fn about(customer: &Customer) -> Card {
    let about = Kv::new()
        .row("Customer id", copyable(&customer.id.to_string()))
        .row_opt("External id", customer.external_id.as_deref().map(copyable))
        .row_opt("E-mail", customer.email.as_deref())
        .row("Periods begin", begins(customer))
        .row("Created", time::date(customer.created_at));
    let about = match customer.archived_at {
        Some(at) => about.row("Archived", time::date(at)),
        None => about,
    };
    let about = customer.metadata.iter().fold(about, |about, (key, value)| {
        about.row(key.as_str(), value.as_str())
    });
    Card::titled("About").body(about)
}

/// Where their months begin: `On day 1 at 00:00, UTC`.
fn begins(customer: &Customer) -> String {
    let (first, zone) = (customer.anchor.first(), customer.anchor.zone());
    format!(
        "On day {} at {:02}:{:02}, {zone}",
        first.day(),
        first.hour(),
        first.minute()
    )
}

pub(super) fn subscriptions(keeper: &Shopkeeper, found: &Found, may: bool) -> Markup {
    let id = found.customer.id;
    let end_path = |subscription| keeper.href(&format!("/customers/{id}/subscriptions/{subscription}/end"));
    let rows = found.subscriptions.iter().map(|subscription| {
        let plan = found.plans.iter().find(|plan| plan.id == subscription.plan_id);
        let name = plan.map_or(subscription.plan.as_str(), |plan| plan.name.as_str());
        let is_running = subscription.ended_at.is_none();
        let end = Button::ghost("End")
            .small()
            .opens(format!("end-{}", subscription.id));
        Row::new([
            Cell::two_lines(
                name,
                html! { (subscription.group) " · version " (subscription.version) },
            ),
            Cell::new(Badge::status(if is_running { "active" } else { "ended" })),
            Cell::new(time::date(subscription.started_at)),
            subscription
                .ended_at
                .map_or_else(Cell::none, |at| Cell::new(time::date(at))),
            if may && is_running {
                Cell::new(end)
            } else {
                Cell::new("")
            },
        ])
    });
    let columns = [
        Column::text("Plan"),
        Column::text("State"),
        Column::text("Since").wide_only(),
        Column::text("Until").wide_only(),
        Column::actions("Actions"),
    ];
    let empty = Empty::new(
        Icon::Tag,
        "No subscription.",
        "Without one they get nothing but what overrides give.",
    )
    .quiet();
    let card = Card::titled("Subscriptions")
        .description("One of each group runs at most.")
        .flush(Table::new("Subscriptions", columns).rows(rows).empty(empty));
    let is_running = |plan: &Plan| {
        let mut subscriptions = found.subscriptions.iter();
        subscriptions
            .any(|it| it.ended_at.is_none() && it.plan_id == plan.id && it.version == plan.current.version)
    };
    let choices: Vec<Choice> = found
        .plans
        .iter()
        .filter(|plan| !is_running(plan))
        .map(|plan| Choice::new(plan.id.to_string(), format!("{} ({})", plan.name, plan.group)))
        .collect();
    let has_choice = !choices.is_empty();
    let change = Form::post(
        keeper.href(&format!("/customers/{id}/subscriptions")),
        keeper.csrf(),
    )
    .inline()
    .part(Field::select("plan", "Change to", choices))
    .actions(Button::secondary("Subscribe"));
    html! {
        @if may && has_choice { (card.footer(change)) } @else { (card) }
        @if may {
            @for running in found.subscriptions.iter().filter(|subscription| subscription.ended_at.is_none()) {
                (Dialog::confirm(
                    format!("end-{}", running.id),
                    format!("End {}?", running.plan),
                    "The customer loses what the plan gives, now.",
                    Button::danger("End subscription"),
                    &end_path(running.id),
                    keeper.csrf(),
                ))
            }
        }
    }
}

pub(super) fn overrides(keeper: &Shopkeeper, found: &Found, may: bool) -> Markup {
    let id = found.customer.id;
    let rows = found.overrides.iter().map(|standing| {
        let given = match (standing.granted, &standing.limit) {
            (false, _) => "Taken away".to_owned(),
            (true, limit) => limit_text(limit.as_ref()),
        };
        let remove = Button::ghost("Remove")
            .small()
            .opens(format!("remove-{}", standing.id));
        Row::new([
            Cell::two_lines(found.feature_name(&standing.feature), standing.reason.as_str()),
            Cell::from(given),
            standing
                .expires_at
                .map_or_else(Cell::none, |at| Cell::new(time::instant(at))),
            if may { Cell::new(remove) } else { Cell::new("") },
        ])
    });
    let columns = [
        Column::text("Feature"),
        Column::number("Gives"),
        Column::text("Until").wide_only(),
        Column::actions("Actions"),
    ];
    let empty = Empty::new(
        Icon::Adjustments,
        "No overrides.",
        "Their plans decide what they get.",
    )
    .quiet();
    let card = Card::titled("Overrides")
        .description("What they get whatever their plans say.")
        .flush(Table::new("Overrides", columns).rows(rows).empty(empty));
    let new = Button::secondary("New override")
        .icon(Icon::Plus)
        .small()
        .href(keeper.href(&format!("/customers/{id}/overrides/new")));
    html! {
        @if may && !found.features.is_empty() { (card.actions(new)) } @else { (card) }
        @if may {
            @for standing in &found.overrides { (remove_dialog(keeper, found, standing)) }
        }
    }
}

fn remove_dialog(keeper: &Shopkeeper, found: &Found, standing: &commerce::overrides::Override) -> Dialog {
    let action = keeper.href(&format!(
        "/customers/{}/overrides/{}/remove",
        found.customer.id, standing.id
    ));
    let form = Form::post(action, keeper.csrf())
        .part(
            Field::text("reason", "Reason")
                .scope(standing.id.to_string())
                .required()
                .max_length(500)
                .help("For whoever asks later; it is in the audit log."),
        )
        .actions(Button::danger("Remove override"));
    let title = format!(
        "Remove the override of {}?",
        found.feature_name(&standing.feature)
    );
    Dialog::new(format!("remove-{}", standing.id), title, form)
}

pub(super) fn events(keeper: &Shopkeeper, found: &Found) -> Card {
    let rows = found.events.iter().map(|event| {
        Row::new([
            Cell::from(found.feature_name(&event.feature)),
            Cell::from(amount_text(&event.amount)),
            Cell::new(time::ago(event.received_at, found.now)),
        ])
        .href(keeper.href(&format!("/usage/events/{}", event.id)))
    });
    let columns = [
        Column::text("Feature"),
        Column::number("Amount"),
        Column::number("When"),
    ];
    let empty = Empty::new(Icon::Activity, "No calls yet", "What they use is listed here.");
    let all = with_parameter(
        &keeper.href("/usage/events"),
        "customer",
        &found.customer.id.to_string(),
    );
    Card::titled("Latest calls")
        .actions(html! { a href=(all) { "All of them" } })
        .flush(Table::new("Latest calls", columns).rows(rows).empty(empty))
}

pub(super) fn end_users(found: &Found) -> Card {
    let rows = found.end_users.iter().map(|end_user| {
        Row::new([
            Cell::two_lines(end_user.external_id.as_str(), html! { code { (end_user.id) } }),
            Cell::new(time::date(end_user.created_at)),
        ])
    });
    let columns = [Column::text("End user"), Column::number("First seen")];
    let empty = Empty::new(
        Icon::User,
        "No end users",
        "Name one with a call, and their use is counted on its own too.",
    );
    Card::titled("End users")
        .description("The people behind them, as far as your calls name them.")
        .flush(Table::new("End users", columns).rows(rows).empty(empty))
}
