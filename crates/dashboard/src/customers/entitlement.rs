//! Why a customer gets what they get of a feature.

use axum::extract::State;
use commerce::customers;
use commerce::entitlements::{self, ConsideredSource, Explanation, SourceForm, Verdict};
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Problem, Segments};
use types::id::{CustomerId, PlatformId, WorkspaceId};
use ui::{Badge, Card, Cell, Column, Kv, Row, Table, Tone, time};

use super::label;
use crate::frame::Shopkeeper;
use crate::frame::figures::{amount_text, limit_text};

pub(super) async fn show(
    State(app): State<App>,
    Segments((_, _, id, feature)): Segments<(WorkspaceId, PlatformId, CustomerId, String)>,
    keeper: Shopkeeper,
) -> Result<Markup, Problem> {
    let customer = customers::get(&app, &keeper.caller, id).await?;
    let entitlement = entitlements::get(&app, &keeper.caller, id, &feature, true).await?;
    let badge = match entitlement.entitled {
        true => Badge::new("Included", Tone::Good),
        false => Badge::new("Not included", Tone::Neutral),
    };
    let figures = Kv::new()
        .row("Feature", html! { code { (entitlement.feature) } })
        .row("Limit", limit_text(entitlement.limit.as_ref()))
        .row_opt("Used", entitlement.used.as_ref().map(amount_text))
        .row_opt("Left", entitlement.remaining.as_ref().map(amount_text))
        .row_opt("Starts again", entitlement.reset_at.map(time::instant));
    let content = html! {
        @if let Some(explain) = &entitlement.explain { (why(explain)) }
        (Card::titled("Where it stands").body(figures))
    };
    let who = label(&customer);
    let header = keeper.header(format!("{} for {who}", entitlement.feature), badge);
    let page = keeper.page(("Customers", "/customers"), "Why", header, content);
    Ok(page)
}

fn why(explain: &Explanation) -> Card {
    let rows = explain.sources.iter().map(|source| {
        Row::new([
            Cell::two_lines(name(&source.source), source.why.as_str()),
            Cell::from(gives(source)),
            Cell::new(verdict(source.verdict)),
        ])
    });
    let columns = [
        Column::text("What was looked at"),
        Column::number("Gives"),
        Column::text("Outcome"),
    ];
    Card::titled("Why")
        .description(&explain.summary)
        .flush(Table::new("What was looked at, in order", columns).rows(rows))
}

fn name(source: &SourceForm) -> String {
    match source {
        SourceForm::Override { reason, .. } => format!("Override: {reason}"),
        SourceForm::Plan {
            plan, version, group, ..
        } => format!("Plan {plan} of {group}, version {version}"),
        SourceForm::Nothing {} => "Nothing gives it".to_owned(),
    }
}

fn gives(source: &ConsideredSource) -> String {
    match &source.gives {
        Some(gift) => limit_text(gift.limit.as_ref()),
        None => "Nothing".to_owned(),
    }
}

fn verdict(verdict: Verdict) -> Badge {
    match verdict {
        Verdict::Won => Badge::new("Decides", Tone::Good),
        Verdict::Expired => Badge::new("Expired", Tone::Neutral),
        Verdict::NotIncluded => Badge::new("Not included", Tone::Neutral),
        Verdict::Overruled => Badge::new("Overruled", Tone::Warn),
        Verdict::Outdone => Badge::new("Outdone", Tone::Neutral),
    }
}
