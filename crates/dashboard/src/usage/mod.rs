//! What is used on a platform: how much, by whom and of what, and every event that it adds up from.

mod asked;
mod event;
mod events;
mod export;
mod report;
mod view;

use std::collections::{BTreeSet, HashMap};

use axum::Router;
use axum::routing::{get, post};
use commerce::customers::{self, Reference};
use commerce::features::{self, Feature, FeatureKind};
use commerce::usage::EventSource;
use runtime::App;
use types::id::CustomerId;
use types::page::MAX_LIMIT;
use types::{PageRequest, Permission, Result};
use ui::code::Snippet;
use ui::{Badge, Tone};

use crate::frame::Shopkeeper;

pub(crate) fn routes() -> Router<App> {
    let usage = Router::new()
        .route("/", get(report::show))
        .route("/csv", get(export::send))
        .route("/events", get(events::list))
        .route("/events/{event}", get(event::show))
        .route("/events/{event}/take-back", post(event::take_back));
    Router::new().nest("/w/{workspace}/p/{platform}/usage", usage)
}

/// What has been called what a use came from: as the API spells it, and for people.
const SOURCES: [(EventSource, &str); 5] = [
    (EventSource::Consume, "Call"),
    (EventSource::Event, "Event"),
    (EventSource::Backfill, "Backfill"),
    (EventSource::Settle, "Settlement"),
    (EventSource::Correction, "Correction"),
];

fn source_word(source: EventSource) -> &'static str {
    let known = SOURCES.iter().find(|(known, _)| *known == source);
    known.map_or("Other", |(_, word)| word)
}

fn source_badge(source: EventSource) -> Badge {
    let tone = match source {
        EventSource::Correction => Tone::Warn,
        EventSource::Backfill => Tone::Accent,
        _ => Tone::Neutral,
    };
    Badge::new(source_word(source), tone)
}

/// The platform's metered features, oldest first, archived ones last: what there can be usage of.
async fn metered(app: &App, keeper: &Shopkeeper) -> Result<Vec<Feature>> {
    let all = PageRequest {
        limit: MAX_LIMIT,
        cursor: None,
    };
    let mut features = features::list(app, &keeper.caller, true, &all).await?.data;
    features.retain(|feature| feature.kind == FeatureKind::Metered);
    features.sort_by_key(|feature| feature.archived_at.is_some());
    Ok(features)
}

/// What customers are called; nobody, for somebody who may not see them.
async fn names_of(
    app: &App,
    keeper: &Shopkeeper,
    customers: impl IntoIterator<Item = CustomerId>,
) -> Result<HashMap<CustomerId, String>> {
    let mut names = HashMap::new();
    if !keeper.member.may(Permission::CustomersRead) {
        return Ok(names);
    }
    for id in customers.into_iter().collect::<BTreeSet<_>>() {
        if let Some(customer) = customers::find(app, &keeper.caller, &Reference::Id(id)).await? {
            names.insert(id, crate::customers::label(&customer));
        }
    }
    Ok(names)
}

/// The call that fills the pages of usage.
fn first_call(app: &App, feature: &str) -> Snippet {
    let address = app.url("/v1/usage/consume");
    let call = format!(
        "curl {address} \\\n  -H \"Authorization: Bearer $PLINTH_KEY\" \\\n  -H 'Content-Type: application/json' \\\n  \
         -d '{{\"customer\": \"acme\", \"feature\": \"{feature}\"}}'"
    );
    Snippet::new("Shell", call)
}
