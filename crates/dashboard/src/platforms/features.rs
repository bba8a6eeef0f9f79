//! What a platform's plans speak of.

use axum::extract::State;
use commerce::features::{self, AggregationForm, Feature, FeatureKind, MeterForm};
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Params, Problem};
use serde::Deserialize;
use types::Permission;
use ui::{Button, Card, Cell, Column, Empty, Icon, Row, Table};

use crate::frame::figures::{per_phrase, period_phrase};
use crate::frame::{Shopkeeper, page_at, pages};

#[derive(Deserialize)]
pub(super) struct ListQuery {
    cursor: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>,
    keeper: Shopkeeper,
    Params(query): Params<ListQuery>,
) -> Result<Markup, Problem> {
    let cursor = query.cursor.as_deref();
    let page = features::list(&app, &keeper.caller, false, &page_at(cursor)).await?;
    let may = keeper.may(Permission::PlatformsManage);
    let new = || {
        Button::primary("New feature")
            .icon(Icon::Plus)
            .href(keeper.href("/features/new"))
    };
    let columns = [
        Column::text("Feature"),
        Column::text("Kind"),
        Column::text("Counts").wide_only(),
    ];
    let rows = page.data.iter().map(|feature| {
        Row::new([
            Cell::two_lines(feature.name.as_str(), html! { code { (feature.key) } }),
            Cell::from(kind_word(feature.kind)),
            Cell::from(counts(feature)),
        ])
        .href(keeper.href(&format!("/features/{}", feature.id)))
    });
    let empty = Empty::new(
        Icon::Adjustments,
        "No features yet",
        "A feature is what plans give: calls a month, seats, single sign-on.",
    );
    let empty = if may { empty.action(new()) } else { empty };
    let content = html! {
        (Card::new().flush(Table::new("Features", columns).rows(rows).empty(empty)))
        (pages(&page, cursor, ("feature", "features"), &keeper.href("/features")))
    };
    let description = "What your plans give, and your code asks about by its key.";
    Ok(keeper.view("/features", description, html! { @if may { (new()) } }, content))
}

pub(crate) fn kind_word(kind: FeatureKind) -> &'static str {
    match kind {
        FeatureKind::Boolean => "On or off",
        FeatureKind::Integer => "Number",
        FeatureKind::Metered => "Metered",
    }
}

/// How a feature counts, in words: `Sum of GB, each month`.
pub(super) fn counts(feature: &Feature) -> String {
    let Some(form) = feature.meter.as_ref().map(MeterForm::from) else {
        return match feature.kind {
            FeatureKind::Integer => "How many exist at once".to_owned(),
            _ => String::new(),
        };
    };
    let what = match form.aggregation {
        AggregationForm::Sum => "Sum",
        AggregationForm::Count => "Number of events",
        AggregationForm::Max => "Largest amount",
        AggregationForm::Last => "Latest amount",
        AggregationForm::Unique => "Distinct members",
    };
    match form.rolling_secs {
        Some(secs) => format!("{what}, {} back", per_phrase(secs)),
        None => format!("{what}, {}", period_phrase(form.period)),
    }
}
