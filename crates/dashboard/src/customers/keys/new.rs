//! A new key for a customer, and the one page that shows its secret.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use commerce::customer_keys::{self, CreatedCustomerKey, NewCustomerKey};
use commerce::customers::{self, Customer, Reference};
use commerce::features::{self, Feature};
use http::StatusCode;
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Problem, Segments};
use types::id::{CustomerId, PlatformId, WorkspaceId};
use types::page::MAX_LIMIT;
use types::{PageRequest, Permission, Result};
use ui::code::{Snippet, secret_once};
use ui::form::{Choice, columns};
use ui::{Button, Card, Field, Form};

use super::super::{end_of_day, label};
use super::form;
use crate::frame::{Draft, Entries, Posted, Shopkeeper, form_buttons};

type Path = Segments<(WorkspaceId, PlatformId, CustomerId)>;

pub(in crate::customers) async fn show(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    keeper: Shopkeeper,
) -> Result<Markup, Problem> {
    keeper.member.caller.require(Permission::CustomerKeysManage)?;
    let parts = Parts::load(&app, &keeper, id).await?;
    Ok(parts.page(&keeper, &Draft::default()))
}

pub(in crate::customers) async fn submit(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    keeper.member.caller.require(Permission::CustomerKeysManage)?;
    let parts = Parts::load(&app, &keeper, id).await?;
    match parts.create(&app, &keeper, &entries).await {
        Ok(created) => Ok(made(&app, &keeper, &created)),
        Err(error) => entries.again(error, |draft| parts.page(&keeper, &draft)),
    }
}

/// What the form is made of.
struct Parts {
    customer: Customer,
    features: Vec<Feature>,
}

impl Parts {
    async fn load(app: &App, keeper: &Shopkeeper, id: CustomerId) -> Result<Self> {
        Ok(Parts {
            customer: customers::get(app, &keeper.caller, id).await?,
            features: countable(app, keeper).await?,
        })
    }

    async fn create(&self, app: &App, keeper: &Shopkeeper, entries: &Entries) -> Result<CreatedCustomerKey> {
        let (wanted, filled) = form::read(entries, &self.features)?;
        let end_user = entries.filled("end_user").map(str::parse).transpose()?;
        let new = NewCustomerKey {
            customer: Reference::Id(self.customer.id),
            end_user,
            name: entries.text("name").to_owned(),
            prefix: entries.filled("prefix").map(str::to_owned),
            permissions: wanted.permissions,
            metadata: Default::default(),
            limits: wanted.limits,
            credits: form::read_credits(entries)?,
            rate_limits: wanted.rate_limits,
            enabled: None,
            expires_at: end_of_day(entries, "expires_at")?,
        };
        let created = customer_keys::create(app, &keeper.caller, &new).await;
        created.map_err(|error| filled.place(error))
    }

    fn page(&self, keeper: &Shopkeeper, draft: &Draft) -> Markup {
        let id = self.customer.id;
        let name = Field::text("name", "Name").required().max_length(100).autofocus();
        let prefix = Field::text("prefix", "Begins with")
            .optional()
            .max_length(32)
            .code();
        let until = Field::date("expires_at", "Until").optional();
        let end_user = Field::text("end_user", "End user")
            .optional()
            .max_length(255)
            .code();
        let form = Form::post(keeper.href(&format!("/customers/{id}/keys/new")), keeper.csrf())
            .part(draft.fill("name", name).placeholder("Laptop").help("What they will know it by."))
            .part(columns(html! {
                (draft.fill("prefix", prefix).placeholder(default_prefix(keeper)).help("A word of yours, ending with an underscore."))
                (draft.fill("expires_at", until).help("The last day, in UTC. Empty: for ever."))
                (draft.fill("end_user", end_user).help("Whose it is, by your id of them."))
            }))
            .part(form::permissions_part(draft))
            .part(form::rates_part(draft))
            .part(form::credits_part(draft))
            .part(form::limits_part(draft, &self.features))
            .actions(form_buttons("Issue key", keeper.href(&format!("/customers/{id}"))));
        let header = keeper.header("Issue a key", "").description(format!(
            "For {}, to call your product with. Its secret is shown once, on the next page.",
            label(&self.customer)
        ));
        let card = Card::new().body(html! { (draft.alert()) (form) });
        keeper.page(("Customers", "/customers"), "Issue a key", header, card)
    }
}

fn default_prefix(keeper: &Shopkeeper) -> String {
    format!("ck_{}_", keeper.mode())
}

/// Features that a key can have a quota of.
pub(super) async fn countable(app: &App, keeper: &Shopkeeper) -> Result<Vec<Feature>> {
    let all = PageRequest {
        limit: MAX_LIMIT,
        cursor: None,
    };
    let features = features::list(app, &keeper.caller, false, &all).await?.data;
    Ok(form::countable(features))
}

/// The page that shows the secret.
pub(super) fn made(app: &App, keeper: &Shopkeeper, created: &CreatedCustomerKey) -> Response {
    let key = &created.customer_key;
    let call = format!(
        "curl {} \\\n  -H \"Authorization: Bearer $PLINTH_KEY\" \\\n  -H 'Content-Type: application/json' \\\n  \
         -d '{{\"key\": \"…\"}}'",
        app.url("/v1/keys/verify")
    );
    let content = html! {
        (Card::new().body(html! {
            div.stack {
                (secret_once("customer's key", &created.secret))
                (Snippet::new("How your server verifies it", call))
            }
        }))
        div.actions {
            (Button::primary("I have passed it on").href(keeper.href(&format!("/customers/{}", key.customer))))
        }
    };
    let header = keeper
        .header(&key.name, "")
        .description("This key is ready for its customer.");
    let page = keeper.page(("Customers", "/customers"), "A new key", header, content);
    (StatusCode::CREATED, page).into_response()
}

/// How long an old key may stay good.
pub(super) fn overlaps() -> Vec<Choice> {
    let overlaps = [
        ("86400", "For a day"),
        ("3600", "For an hour"),
        ("604800", "For a week"),
        ("0", "Not at all"),
    ];
    overlaps.map(|(value, label)| Choice::new(value, label)).to_vec()
}
