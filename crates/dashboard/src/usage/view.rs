//! The page of usage as it is drawn.

use commerce::features::Feature;
use commerce::usage::UsageGroup;
use maud::{Markup, html};
use runtime::App;
use types::{Error, Permission};
use ui::chart::{AreaChart, Series};
use ui::picker::{Picker, chip};
use ui::tabs::Tabs;
use ui::tile::{Delta, tiles};
use ui::{Button, Card, Cell, Column, Empty, Icon, Row, Table, Tile, number};

use super::asked::{Asked, BY_CUSTOMER, Span};
use super::first_call;
use super::report::{Report, Together, why_nothing};
use crate::frame::figures::{amount_text, amount_value, value_text};
use crate::frame::{Shopkeeper, with_parameter};

const DESCRIPTION: &str = "What your customers use, to the last call. Times are in UTC.";
/// The figures renew themselves where a script runs.
const RENEWS: &str = "every 15s, visibilitychange from:document";

pub(super) fn page(keeper: &Shopkeeper, features: &[Feature], report: &Report) -> Markup {
    let here = report.asked.href(keeper, "");
    let content = html! {
        (toolbar(keeper, features, &report.feature, &report.asked, report.of_customer.as_deref()))
        div #figures hx-get=(here) hx-trigger=(RENEWS) hx-select="#figures" hx-swap="outerMorph" {
            (tiles(&figures(keeper, report)))
        }
        (course(report))
        (breakdown(keeper, report))
    };
    framed(keeper, &report.asked, content)
}

fn framed(keeper: &Shopkeeper, asked: &Asked, content: Markup) -> Markup {
    let log = Button::secondary("Event log")
        .icon(Icon::ListDetails)
        .href(events_href(keeper, asked));
    keeper.view("/usage", DESCRIPTION, log, content)
}

/// The events that a page adds up.
fn events_href(keeper: &Shopkeeper, asked: &Asked) -> String {
    let named = [
        ("feature", asked.feature.as_str()),
        ("customer", asked.customer.as_str()),
    ];
    let named = named.into_iter().filter(|(_, value)| !value.is_empty());
    named.fold(keeper.href("/usage/events"), |href, (name, value)| {
        with_parameter(&href, name, value)
    })
}

fn toolbar(
    keeper: &Shopkeeper,
    features: &[Feature],
    feature: &Feature,
    asked: &Asked,
    customer: Option<&str>,
) -> Markup {
    let features = features
        .iter()
        .fold(Picker::new("Feature", &feature.name), |picker, other| {
            let href = asked.of_feature(&other.key).href(keeper, "");
            picker.item(&other.name, href, other.key == feature.key)
        });
    let spans = Span::ALL.into_iter().fold(Tabs::segmented("Time"), |tabs, span| {
        tabs.item(
            span.label(),
            asked.over(span).href(keeper, ""),
            span == asked.span,
        )
    });
    html! {
        div.toolbar {
            div.actions {
                (features)
                @if let Some(customer) = customer {
                    (chip("Customer", customer, &asked.of_customer("").href(keeper, "")))
                }
                @for filter in &asked.filters {
                    (chip(&filter.name, &filter.value, &asked.without(&filter.name).href(keeper, "")))
                }
            }
            (spans)
        }
    }
}

fn figures(keeper: &Shopkeeper, report: &Report) -> Vec<Tile> {
    let (asked, name) = (&report.asked, report.feature.name.as_str());
    let label = match report.together {
        Together::Sum => name.to_owned(),
        Together::Largest => format!("{name}, largest"),
        Together::Latest => format!("{name}, latest"),
    };
    let before = format!("vs {} before", asked.span.label());
    let events = Report::events(&report.now);
    let events_before = Report::events(&report.before);
    let mut tiles = vec![
        Tile::new(label, value_text(report.total()))
            .delta(Delta::between(report.total(), report.total_before()))
            .hint(&before)
            .spark(Report::values(&report.now)),
        Tile::new("Events", number::thousands(events))
            .delta(Delta::between(events as f64, events_before as f64))
            .hint(before)
            .href(events_href(keeper, asked)),
    ];
    if asked.customer.is_empty() {
        let (count, and_more) = report.customers;
        let more = if and_more { "+" } else { "" };
        let count = number::thousands(i64::try_from(count).unwrap_or(i64::MAX));
        let tile = Tile::new("Customers", format!("{count}{more}"))
            .hint(format!("used it in {}", asked.span.label()));
        tiles.push(tile);
    }
    let busiest = Tile::new(
        format!("Busiest {}", asked.span.unit()),
        report
            .busiest()
            .map_or_else(|| "–".to_owned(), |point| amount_text(&point.amount)),
    );
    tiles.push(match report.busiest() {
        Some(point) => busiest.hint(asked.span.point_text(point.start)),
        None => busiest.hint("Nothing was used"),
    });
    tiles
}

fn course(report: &Report) -> Card {
    let (span, name) = (report.asked.span, report.feature.name.as_str());
    let labels = report.now.iter().map(|point| span.point_text(point.start));
    let chart = AreaChart::new("usage", format!("{name} by {}", span.unit()), labels.collect())
        .series(Series::new(
            format!("Last {}", span.label()),
            Report::values(&report.now),
        ))
        .empty(format!("Nothing was used in these {}", span.label()));
    let chart = if report.total_before() > 0.0 {
        let before = Series::new(format!("{} before", span.label()), Report::values(&report.before));
        chart.series(before)
    } else {
        chart
    };
    let chart = chart.write(value_text);
    Card::titled(name)
        .description(format!("By {}", span.unit()))
        .body(chart)
}

fn breakdown(keeper: &Shopkeeper, report: &Report) -> Card {
    let (asked, feature) = (&report.asked, &report.feature);
    let choices = std::iter::once((BY_CUSTOMER, "Customer")).chain(
        feature
            .dimensions
            .iter()
            .map(|name| (name.as_str(), name.as_str())),
    );
    let tabs = choices.fold(Tabs::segmented("Break down by"), |tabs, (name, label)| {
        tabs.item(label, asked.by(name).href(keeper, ""), asked.by == name)
    });
    let csv = Button::ghost("CSV")
        .icon(Icon::Download)
        .small()
        .href(asked.href(keeper, "/csv"));
    let title = match asked.by.as_str() {
        BY_CUSTOMER => "By customer".to_owned(),
        name => format!("By {name}"),
    };
    Card::titled(title)
        .description(format!("In {}, the greatest first", asked.span.label()))
        .actions(html! { @if !feature.dimensions.is_empty() { (tabs) } (csv) })
        .flush(groups(keeper, report))
}

fn groups(keeper: &Shopkeeper, report: &Report) -> Table {
    let adds_up = report.together == Together::Sum;
    let (total, greatest) = (
        report.total(),
        report
            .groups
            .first()
            .map_or(0.0, |group| amount_value(&group.amount)),
    );
    let row = |label: Markup, amount: f64, text: String, events: String| {
        let mut cells = vec![Cell::bar(label, amount / greatest), Cell::from(text)];
        if adds_up {
            cells.push(Cell::from(number::percent(amount / total)));
        }
        cells.push(Cell::from(events));
        Row::new(cells)
    };
    let mut rows: Vec<Row> = report
        .groups
        .iter()
        .map(|group| {
            let amount = amount_value(&group.amount);
            row(
                group_label(keeper, report, group),
                amount,
                amount_text(&group.amount),
                number::thousands(group.events),
            )
        })
        .collect();
    if let (true, Some(others @ 1..)) = (adds_up, report.others) {
        let shown: f64 = report
            .groups
            .iter()
            .map(|group| amount_value(&group.amount))
            .sum();
        let events: i64 = report.groups.iter().map(|group| group.events).sum();
        let rest = (total - shown).max(0.0);
        let label = html! { span.muted { (number::counted(i64::try_from(others).unwrap_or(i64::MAX), "other", "others")) } };
        let events = Report::events(&report.now).saturating_sub(events).max(0);
        rows.push(row(label, rest, value_text(rest), number::thousands(events)));
    }
    let noun = match report.asked.by.as_str() {
        BY_CUSTOMER => "Customer",
        name => name,
    };
    let mut columns = vec![Column::text(noun), Column::number(&report.feature.name)];
    if adds_up {
        columns.push(Column::number("Share"));
    }
    columns.push(Column::number("Events").wide_only());
    let empty = Empty::new(
        Icon::ChartBar,
        "Nothing was used",
        "Choose a longer time, or look at another feature.",
    );
    Table::new("Breakdown", columns).rows(rows).empty(empty)
}

/// What a group is called, with the way to look at it alone.
fn group_label(keeper: &Shopkeeper, report: &Report, group: &UsageGroup) -> Markup {
    let asked = &report.asked;
    if let Some(id) = group.customer {
        let name = report.names.get(&id).cloned().unwrap_or_else(|| id.to_string());
        return html! { a href=(asked.of_customer(&id.to_string()).href(keeper, "")) { (name) } };
    }
    match group.dimensions.get(&asked.by) {
        Some(Some(value)) => html! { a href=(asked.only(&asked.by, value).href(keeper, "")) { (value) } },
        _ => html! { span.muted { "Not said" } },
    }
}

/// There is nothing that could be used.
pub(super) fn without_feature(keeper: &Shopkeeper) -> Markup {
    let empty = Empty::new(
        Icon::Gauge,
        "Nothing is metered yet",
        "A metered feature counts what your customers use: calls, tokens, gigabytes.",
    );
    let empty = match keeper.may(Permission::PlatformsManage) {
        true => empty.action(
            Button::primary("New feature")
                .icon(Icon::Plus)
                .href(keeper.href("/features/new")),
        ),
        false => empty,
    };
    keeper.view("/usage", DESCRIPTION, html! {}, Card::new().flush(empty))
}

/// Nothing was ever used: the call that changes that.
pub(super) fn unused(app: &App, keeper: &Shopkeeper, features: &[Feature], report: &Report) -> Markup {
    let empty = Empty::new(
        Icon::Activity,
        "Nothing was used yet",
        "Each call that your server reports is counted and limited. One line is enough to see the first.",
    )
    .snippet(first_call(app, &report.feature.key));
    let content = html! {
        @if features.len() > 1 { (toolbar(keeper, features, &report.feature, &report.asked, None)) }
        (Card::new().flush(empty))
    };
    framed(keeper, &report.asked, content)
}

/// The address names somebody or something that is not there.
pub(super) fn nothing_found(
    keeper: &Shopkeeper,
    features: &[Feature],
    feature: &Feature,
    asked: &Asked,
    error: &Error,
) -> Markup {
    let customer = Some(asked.customer.as_str()).filter(|text| !text.is_empty());
    let empty = Empty::new(Icon::Filter, "Nothing was found", why_nothing(error));
    let content = html! {
        (toolbar(keeper, features, feature, asked, customer))
        (Card::new().flush(empty))
    };
    framed(keeper, asked, content)
}
