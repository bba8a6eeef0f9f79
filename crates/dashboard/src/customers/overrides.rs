//! What one customer gets whatever their plans say.

use axum::extract::State;
use axum::response::Response;
use commerce::Amount;
use commerce::customers::{self, Customer, Reference};
use commerce::features::{self, Feature, FeatureKind};
use commerce::overrides::{self, OverrideCreate};
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Problem, Segments};
use types::id::{CustomerId, OverrideId, PlatformId, WorkspaceId};
use types::page::MAX_LIMIT;
use types::{Error, PageRequest, Permission, Result};
use ui::form::{Choice, columns};
use ui::{Card, Field, Form};

use super::{end_of_day, label};
use crate::frame::{Draft, Entries, Posted, Shopkeeper, form_buttons, go_saying};

type Path = Segments<(WorkspaceId, PlatformId, CustomerId)>;

pub(super) async fn fresh(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    keeper: Shopkeeper,
) -> Result<Markup, Problem> {
    keeper.member.caller.require(Permission::CustomersManage)?;
    let parts = Parts::load(&app, &keeper, id).await?;
    Ok(parts.page(&keeper, &Draft::default()))
}

pub(super) async fn create(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    let parts = Parts::load(&app, &keeper, id).await?;
    let created = match parts.read(&entries) {
        Ok(new) => overrides::create(&app, &keeper.caller, &new).await,
        Err(error) => Err(error),
    };
    match created {
        Ok(_) => Ok(go_saying(
            &app,
            &keeper.href(&format!("/customers/{id}")),
            "Override is in force.",
        )?),
        Err(error) => entries.again(error, |draft| parts.page(&keeper, &draft)),
    }
}

pub(super) async fn remove(
    State(app): State<App>,
    Segments((_, _, id, standing)): Segments<(WorkspaceId, PlatformId, CustomerId, OverrideId)>,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    overrides::remove(&app, &keeper.caller, standing, entries.text("reason")).await?;
    Ok(go_saying(
        &app,
        &keeper.href(&format!("/customers/{id}")),
        "Override removed.",
    )?)
}

/// What the form is made of.
struct Parts {
    customer: Customer,
    features: Vec<Feature>,
}

impl Parts {
    async fn load(app: &App, keeper: &Shopkeeper, id: CustomerId) -> Result<Self> {
        let all = PageRequest {
            limit: MAX_LIMIT,
            cursor: None,
        };
        Ok(Parts {
            customer: customers::get(app, &keeper.caller, id).await?,
            features: features::list(app, &keeper.caller, false, &all).await?.data,
        })
    }

    fn read(&self, entries: &Entries) -> Result<OverrideCreate> {
        let key = entries.text("feature");
        let feature = self.features.iter().find(|feature| feature.key == key);
        let feature = feature.ok_or_else(|| Error::invalid("feature", "choose a feature"))?;
        let granted = entries.text("granted") != "no";
        let limit = entries
            .filled("limit")
            .map(|text| Amount::Decimal(text.to_owned()));
        let limit = match (granted, feature.kind) {
            (true, FeatureKind::Integer | FeatureKind::Metered) => Some(limit),
            // Said where nothing is to be said: the rule answers.
            _ => limit.map(Some),
        };
        Ok(OverrideCreate {
            customer: Reference::Id(self.customer.id),
            feature: feature.key.clone(),
            granted,
            limit,
            overage: None,
            thresholds: Vec::new(),
            reason: entries.text("reason").to_owned(),
            expires_at: end_of_day(entries, "expires_at")?,
        })
    }

    fn page(&self, keeper: &Shopkeeper, draft: &Draft) -> Markup {
        let id = self.customer.id;
        let features = self
            .features
            .iter()
            .map(|feature| Choice::new(&feature.key, &feature.name));
        let granted = [
            Choice::new("yes", "Give it")
                .help("As much as the limit says, in place of what their plans give."),
            Choice::new("no", "Take it away").help("They cannot use it, whatever their plans say."),
        ];
        let limit = Field::text("limit", "Limit").optional().placeholder("Unlimited");
        let until = Field::date("expires_at", "Until").optional();
        let reason = Field::text("reason", "Reason").required().max_length(500);
        let form = Form::post(
            keeper.href(&format!("/customers/{id}/overrides/new")),
            keeper.csrf(),
        )
        .part(draft.fill(
            "feature",
            Field::select("feature", "Feature", features.collect::<Vec<_>>()),
        ))
        .part(
            Field::radio("granted", "What", granted)
                .value(draft.value_or("granted", "yes"))
                .errors(draft.errors()),
        )
        .part(columns(html! {
            (draft.fill("limit", limit).help("Empty for unlimited, and for what is on or off."))
            (draft.fill("expires_at", until).help("The last day, in UTC. Empty: until it is removed."))
        }))
        .part(
            draft
                .fill("reason", reason)
                .help("For whoever asks later; it is in the audit log."),
        )
        .actions(form_buttons(
            "Put in force",
            keeper.href(&format!("/customers/{id}")),
        ));
        let header = keeper.header("New override", "").description(format!(
            "What {} gets, whatever their plans say.",
            label(&self.customer)
        ));
        let card = Card::new().body(html! { (draft.alert()) (form) });
        keeper.page(("Customers", "/customers"), "New override", header, card)
    }
}
