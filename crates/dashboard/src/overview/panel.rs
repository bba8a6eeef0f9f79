//! The overview as it is drawn.

use maud::{Markup, html};
use types::Permission;
use ui::chart::{AreaChart, Series};
use ui::tile::{Delta, tiles};
use ui::{Card, Cell, Column, Empty, Icon, Row, Table, Tile, number, table, time};

use super::figures::{Counted, Figures};
use crate::customers::label;
use crate::frame::Shopkeeper;
use crate::frame::figures::{amount_text, amount_value};

/// The figures renew themselves where a script runs.
const RENEWS: &str = "every 15s";

pub(super) fn panel(keeper: &Shopkeeper, figures: &Figures) -> Markup {
    html! {
        div #figures hx-get=(keeper.own_overview()) hx-trigger=(RENEWS) hx-select="#figures" hx-target="#figures"
            hx-swap="outerHTML" hx-select-oob="#latest" {
            (tiles(&figure_tiles(keeper, figures)))
        }
        (chart(figures))
        div.grid { (top(keeper, figures)) div #latest { (latest(keeper, figures)) } }
    }
}

fn figure_tiles(keeper: &Shopkeeper, figures: &Figures) -> Vec<Tile> {
    let noun = figures
        .feature
        .as_ref()
        .map_or("Calls", |feature| feature.name.as_str());
    let sum = |values: Vec<f64>| values.into_iter().sum::<f64>();
    let (shown, before) = (sum(figures.shown()), sum(figures.before()));
    let mut tiles = vec![
        Tile::new(format!("{noun} today"), whole(figures.today))
            .delta(Delta::between(figures.today, figures.yesterday))
            .hint("vs yesterday by now")
            .href(keeper.href("/usage")),
        Tile::new(format!("{noun} in 30 days"), whole(shown))
            .delta(Delta::between(shown, before))
            .hint("vs 30 days before")
            .href(keeper.href("/usage"))
            .spark(figures.shown()),
    ];
    tiles.push(
        Tile::new("Customers", counted(figures.customers))
            .hint(format!("{} new in 30 days", figures.new_customers))
            .href(keeper.href("/customers")),
    );
    if let Some(keys) = &figures.keys {
        tiles.push(
            Tile::new("Active keys", counted(keys.active))
                .hint(format!("{} used in the last day", keys.used_lately))
                .href(keeper.href("/keys")),
        );
    }
    tiles
}

fn whole(value: f64) -> String {
    if value >= 1e15 {
        number::compact(value)
    } else {
        number::thousands(value as i64)
    }
}

fn counted(counted: Counted) -> String {
    let more = if counted.and_more { "+" } else { "" };
    format!(
        "{}{more}",
        number::thousands(i64::try_from(counted.count).unwrap_or(i64::MAX))
    )
}

fn chart(figures: &Figures) -> Card {
    let start = figures.days.len().saturating_sub(super::figures::DAYS);
    let labels = figures.days[start..]
        .iter()
        .map(|point| time::day_text(point.start));
    let title = figures
        .feature
        .as_ref()
        .map_or("Calls", |feature| feature.name.as_str());
    let chart = AreaChart::new("usage", format!("{title} a day"), labels.collect())
        .series(Series::new("Last 30 days", figures.shown()))
        .empty("Nothing was used in these 30 days");
    let before = figures.before();
    let chart = if before.iter().any(|value| *value > 0.0) {
        chart.series(Series::new("30 days before", before))
    } else {
        chart
    };
    Card::titled(title).description("Granted a day, UTC").body(chart)
}

fn top(keeper: &Shopkeeper, figures: &Figures) -> Card {
    let entries: Vec<(Markup, f64)> = figures
        .top
        .iter()
        .map(|top| {
            let href = keeper.href(&format!("/customers/{}", top.customer.id));
            (
                html! { a href=(href) { (label(&top.customer)) } },
                amount_value(&top.amount),
            )
        })
        .collect();
    let amount = figures
        .feature
        .as_ref()
        .map_or("Used", |feature| feature.name.as_str());
    let table = table::ranked("Top customers", "Customer", amount, &entries, whole).empty(Empty::new(
        Icon::Users,
        "Nobody has used anything yet",
        "Customers appear here with their first call.",
    ));
    let card = Card::titled("Top customers")
        .description("In 30 days")
        .flush(table);
    if keeper.member.may(Permission::CustomersRead) {
        card.actions(html! { a href=(keeper.href("/customers")) { "All customers" } })
    } else {
        card
    }
}

fn latest(keeper: &Shopkeeper, figures: &Figures) -> Card {
    let rows = figures.latest.iter().map(|event| {
        Row::new([
            Cell::two_lines(figures.name_of(event), html! { code { (event.feature) } }),
            Cell::from(amount_text(&event.amount)),
            Cell::new(time::ago(event.received_at, figures.now)),
        ])
        .href(keeper.href(&format!("/customers/{}", event.customer)))
    });
    let columns = [
        Column::text("Customer"),
        Column::number("Amount"),
        Column::number("When"),
    ];
    let empty = Empty::new(
        Icon::Activity,
        "No calls yet",
        "What your customers use is listed here as it arrives.",
    );
    Card::titled("Latest calls")
        .actions(html! { a href=(keeper.href("/usage")) { "Event log" } })
        .flush(Table::new("Latest calls", columns).rows(rows).empty(empty))
}
