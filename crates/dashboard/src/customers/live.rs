//! What a customer may use and how much of it is gone, renewed every few seconds where a script runs.

use std::collections::HashMap;

use axum::extract::State;
use commerce::entitlements::{self, Entitlement};
use commerce::features::{self, Feature, FeatureKind};
use commerce::grants::Grant;
use maud::{Markup, Render, html};
use runtime::App;
use runtime::http::{Problem, Segments};
use types::id::{CustomerId, PlatformId, WorkspaceId};
use types::page::MAX_LIMIT;
use types::{PageRequest, Result, Timestamp};
use ui::progress::Quota;
use ui::{Badge, Card, Tone, badge, time};

use super::grants;
use crate::frame::Shopkeeper;
use crate::frame::figures::{amount_value, amount_whole, limit_text, value_text};

/// Only where somebody looks: a page that nobody sees asks for nothing, and at once when it is seen again.
const RENEWS: &str = "every 4s, visibilitychange from:document";

/// Where a customer stands.
pub(super) struct Standing {
    entitlements: Vec<Entitlement>,
    features: Vec<Feature>,
    /// What is left of grants that can be burned now, by the feature's key.
    granted: HashMap<String, f64>,
}

impl Standing {
    pub(super) async fn load(app: &App, keeper: &Shopkeeper, id: CustomerId) -> Result<Self> {
        let all = PageRequest {
            limit: MAX_LIMIT,
            cursor: None,
        };
        let grants = grants::some(app, keeper, id, MAX_LIMIT).await?;
        Ok(Standing {
            entitlements: entitlements::list(app, &keeper.caller, id, &all).await?.data,
            features: features::list(app, &keeper.caller, true, &all).await?.data,
            granted: balances(&grants, app.now()),
        })
    }

    fn feature(&self, key: &str) -> Option<&Feature> {
        self.features.iter().find(|feature| feature.key == key)
    }
}

fn balances(grants: &[Grant], now: Timestamp) -> HashMap<String, f64> {
    let mut balances = HashMap::new();
    for grant in grants.iter().filter(|grant| grants::is_open(grant, now)) {
        *balances.entry(grant.feature.clone()).or_default() += amount_value(&grant.remaining);
    }
    balances
}

/// The part of a page that asks for itself.
pub(super) async fn show(
    State(app): State<App>,
    Segments((_, _, id)): Segments<(WorkspaceId, PlatformId, CustomerId)>,
    keeper: Shopkeeper,
) -> Result<Markup, Problem> {
    let standing = Standing::load(&app, &keeper, id).await?;
    Ok(meters(&keeper, id, &standing))
}

pub(super) fn card(keeper: &Shopkeeper, id: CustomerId, standing: &Standing) -> Card {
    Card::titled("May use")
        .description("In their current periods")
        .actions(badge::live())
        .body(meters(keeper, id, standing))
}

fn meters(keeper: &Shopkeeper, id: CustomerId, standing: &Standing) -> Markup {
    let here = keeper.href(&format!("/customers/{id}/live"));
    html! {
        div #live-meters hx-get=(here) hx-trigger=(RENEWS) hx-swap="outerMorph" {
            @if standing.entitlements.is_empty() {
                p.muted { "The platform has no features in this mode." }
            }
            @for entitlement in &standing.entitlements { (meter(keeper, id, standing, entitlement)) }
        }
    }
}

fn meter(keeper: &Shopkeeper, id: CustomerId, standing: &Standing, entitlement: &Entitlement) -> Markup {
    let feature = standing.feature(&entitlement.feature);
    let name = feature.map_or(entitlement.feature.as_str(), |feature| feature.name.as_str());
    let why = keeper.href(&format!("/customers/{id}/entitlements/{}", entitlement.feature));
    let granted = standing.granted.get(&entitlement.feature).copied().unwrap_or(0.0);
    let reset = entitlement.reset_at.filter(|_| entitlement.entitled);
    let note = html! {
        @if granted > 0.0 { (value_text(granted)) " more from grants · " }
        @if let Some(at) = reset { "Starts again " (time::instant(at)) " · " }
        a href=(why) { "Why?" span.sr-only { " (" (name) ")" } }
    };
    let line = |value: Markup| {
        html! {
            div.quota {
                div.quota-head { span.quota-label { (name) } span { (value) } }
                p.quota-note { (note) }
            }
        }
    };
    match (entitlement.entitled, entitlement.kind, &entitlement.used) {
        (false, ..) => line(Badge::status("not_included").render()),
        (true, FeatureKind::Boolean, _) => line(Badge::new("On", Tone::Good).render()),
        (true, FeatureKind::Metered, Some(used)) => {
            let limit = entitlement.limit.as_ref();
            let held = entitlement.held.as_ref().map_or(0, amount_whole);
            let quota = Quota::new(name, amount_whole(used), limit.map(amount_whole))
                .held(held)
                .note(&note);
            html! { (quota) }
        }
        (true, ..) => line(html! { strong { (limit_text(entitlement.limit.as_ref())) } }),
    }
}
