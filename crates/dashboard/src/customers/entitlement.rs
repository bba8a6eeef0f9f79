//! Why a customer gets what they get of a feature.

use axum::extract::State;
use commerce::customers;
use commerce::entitlements::{self, ConsideredSource, CounterForm, Explanation, SourceForm, Verdict};
use commerce::features::{self, FeatureKind};
use commerce::grants::Grant;
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Problem, Segments};
use types::Timestamp;
use types::id::{CustomerId, PlatformId, WorkspaceId};
use types::page::MAX_LIMIT;
use ui::{Badge, Card, Cell, Column, Kv, Row, Table, Tone, time};

use super::{grants, label};
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
        .row_opt("Held", entitlement.held.as_ref().map(amount_text))
        .row_opt("Left", entitlement.remaining.as_ref().map(amount_text))
        .row_opt("Starts again", entitlement.reset_at.map(time::instant));
    let counter = entitlement
        .explain
        .as_ref()
        .and_then(|explain| explain.counter.as_ref());
    let grants = match entitlement.kind {
        FeatureKind::Metered => open_grants(&app, &keeper, id, &entitlement.feature).await?,
        _ => Vec::new(),
    };
    let content = html! {
        @if let Some(explain) = &entitlement.explain { (why(explain)) }
        div.grid {
            (Card::titled("Where it stands").body(figures))
            @if let Some(counter) = counter { (Card::titled("The counter").body(counted(counter))) }
        }
        @if !grants.is_empty() { (burns(&keeper, id, &grants)) }
    };
    let who = label(&customer);
    let feature = features::get(&app, &keeper.caller, entitlement.feature_id).await?;
    let header = keeper.header(format!("{} for {who}", feature.name), badge);
    let page = keeper.page(("Customers", "/customers"), "Why", header, content);
    Ok(page)
}

/// Grants that can be burned now, in the order in which they will be.
async fn open_grants(
    app: &App,
    keeper: &Shopkeeper,
    customer: CustomerId,
    feature: &str,
) -> types::Result<Vec<Grant>> {
    let now = app.now();
    let mut open = grants::some(app, keeper, customer, MAX_LIMIT).await?;
    open.retain(|grant| grant.feature == feature && grants::is_open(grant, now));
    open.sort_by_key(|grant| {
        let end = grant.expires_at.unwrap_or(Timestamp::MAX);
        (grant.priority, end, grant.id)
    });
    Ok(open)
}

fn counted(counter: &CounterForm) -> Kv {
    let never = || html! { "Never" };
    Kv::new()
        .row_opt("Counts since", counter.period_start.map(time::instant))
        .row(
            "Starts again",
            counter.period_end.map_or_else(never, time::instant),
        )
        .row("Used", amount_text(&counter.used))
        .row("Held", amount_text(&counter.held))
        .row("Sold beyond the limit", amount_text(&counter.sold))
        .row("Recorded without room", amount_text(&counter.overrun))
}

fn burns(keeper: &Shopkeeper, customer: CustomerId, grants: &[Grant]) -> Card {
    let rows = grants.iter().map(|grant| {
        Row::new([
            Cell::from(grant.reason.as_str()),
            Cell::from(amount_text(&grant.remaining)),
            Cell::new(
                grant
                    .expires_at
                    .map_or_else(|| html! { "For ever" }, time::instant),
            ),
        ])
    });
    let columns = [
        Column::text("Grant"),
        Column::number("Left"),
        Column::text("Until").wide_only(),
    ];
    let all = keeper.href(&format!("/customers/{customer}/grants"));
    Card::titled("Then from grants")
        .description("Once the limit is used up, in this order.")
        .actions(html! { a href=(all) { "All grants" } })
        .flush(Table::new("Grants in the order in which they are burned", columns).rows(rows))
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
