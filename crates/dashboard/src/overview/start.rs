//! The way from an empty workspace to the first call that is counted: each step done here, at one press.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use commerce::api_keys::{self, ApiKeyKind, ApiKeyStatus, NewApiKey};
use commerce::catalogue::PLATFORM_ZERO;
use commerce::customers;
use commerce::features::{self, FeatureKind};
use commerce::plans;
use http::StatusCode;
use maud::{Markup, html};
use runtime::App;
use runtime::http::Problem;
use types::{Mode, PageRequest, Permission, Result};
use ui::code::Snippet;
use ui::steps::Steps;
use ui::{Alert, Button, Card, Field, Form, Icon, PageHeader};

use super::first_call;
use crate::frame::{Member, Posted, Shopkeeper};
use crate::platforms::starter;

/// What the first key may do: all that the first calls need, and nothing about the workspace.
const FIRST_SCOPES: [Permission; 4] = [
    Permission::CustomersRead,
    Permission::CustomersManage,
    Permission::UsageRead,
    Permission::UsageConsume,
];

const TITLES: [&str; 4] = [
    "Create a platform",
    "Say what it gives: a feature and a plan",
    "Create an API key",
    "Make the first call",
];

/// The overview of a workspace without platforms.
pub(super) fn without_platform(member: &Member) -> Markup {
    let header = PageHeader::new(format!("Welcome, {}", member.person.user.name))
        .description("Four steps to a call that is counted, limited and seen here. It takes a minute.");
    if !member.may(Permission::PlatformsManage) {
        let nothing = Alert::info("Nothing to see yet")
            .body("An owner or admin of the workspace creates its first platform.");
        return member.page("Overview", header, nothing);
    }
    let name = Field::text("name", "Name")
        .required()
        .max_length(200)
        .autofocus()
        .placeholder("Weather API");
    let form = Form::post(member.href("/platforms/new"), member.csrf())
        .hidden("then", "overview")
        .part(name.help("The product that you sell."))
        .actions(Button::primary("Create platform"));
    let steps = Steps::new()
        .step(TITLES[0], false, html! { (form) })
        .step(TITLES[1], false, "")
        .step(TITLES[2], false, "")
        .step(TITLES[3], false, "");
    member.page("Overview", header, Card::titled("Get started").body(steps))
}

/// The steps that are left in a platform; none once the first call has arrived, or for somebody who may not take them.
/// `secret` is the key that was just made.
pub(super) async fn steps(
    app: &App,
    keeper: &Shopkeeper,
    is_unused: bool,
    secret: Option<&str>,
) -> Result<Option<Markup>> {
    let is_ours = keeper.platform.id == PLATFORM_ZERO;
    if !is_unused || is_ours || !keeper.may(Permission::PlatformsManage) {
        return Ok(None);
    }
    let found = Found::load(app, keeper).await?;
    let steps = Steps::new()
        .step(TITLES[0], true, "")
        .step(
            TITLES[1],
            found.feature.is_some() && found.has_plan,
            plan_step(keeper),
        )
        .step(TITLES[2], found.has_key || secret.is_some(), key_step(keeper))
        .step(TITLES[3], false, call_step(app, keeper, &found, secret));
    let card = match keeper.mode() {
        Mode::Test => Card::titled("Get started")
            .description("In test mode, where nothing counts against your own plan."),
        Mode::Live => {
            Card::titled("Go live").description("The same steps as in test mode, for real customers.")
        }
    };
    Ok(Some(html! { (card.body(steps)) }))
}

/// What there is of what the steps make.
struct Found {
    /// The key of the first metered feature.
    feature: Option<String>,
    has_plan: bool,
    has_key: bool,
    /// Somebody to make the call for: their external id, or ours.
    customer: Option<String>,
}

impl Found {
    async fn load(app: &App, keeper: &Shopkeeper) -> Result<Self> {
        let (caller, some) = (&keeper.caller, PageRequest::default());
        let features = features::list(app, caller, false, &some).await?.data;
        let plans = plans::list(app, caller, false, &some).await?.data;
        let customers = customers::list(app, caller, false, &some).await?.data;
        let has_key = match keeper.may(Permission::ApiKeysRead) {
            false => false,
            true => {
                let keys = api_keys::list(app, &caller.caller, Some(keeper.platform.id), &some)
                    .await?
                    .data;
                keys.iter().any(|key| {
                    let fits = key.kind == ApiKeyKind::Secret && key.mode == keeper.mode();
                    fits && key.status(app.now()) == ApiKeyStatus::Active
                })
            }
        };
        Ok(Found {
            feature: features
                .into_iter()
                .find(|feature| feature.kind == FeatureKind::Metered)
                .map(|feature| feature.key),
            has_plan: !plans.is_empty(),
            has_key,
            // The oldest, which is the one that the starting point makes.
            customer: customers
                .into_iter()
                .next_back()
                .map(|customer| pasteable(customer.external_id).unwrap_or_else(|| customer.id.to_string())),
        })
    }
}

/// An id, if it means itself in a shell and in JSON: it may have come from anybody.
fn pasteable(external_id: Option<String>) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:@-".contains(&byte);
    external_id.filter(|id| id.bytes().all(is_plain))
}

fn plan_step(keeper: &Shopkeeper) -> Markup {
    html! {
        p {
            "A feature is what is counted, a plan says how much of it there is. Start with " code { (starter::FEATURE) }
            ", a plan Free with 5 calls a month and a plan Paid with 500 for $29: change them whenever you like."
        }
        div.actions {
            (starter::button(&keeper.href("/start"), keeper.csrf()))
            (Button::ghost("I make my own").href(keeper.href("/features/new")))
        }
    }
}

fn key_step(keeper: &Shopkeeper) -> Markup {
    if !keeper.may(Permission::ApiKeysManage) {
        return html! { p { "An owner or admin of the workspace creates keys: ask one of them." } };
    }
    html! {
        p { "Your server shows it with every call. You see it once." }
        div.actions {
            (Button::primary("Create key").icon(Icon::Key).post(keeper.href("/start/key"), keeper.csrf()))
        }
    }
}

fn call_step(app: &App, keeper: &Shopkeeper, found: &Found, secret: Option<&str>) -> Markup {
    // Single quotes keep a secret as it is, double ones let the shell put the variable in.
    let bearer = match secret {
        Some(secret) => format!("'Authorization: Bearer {secret}'"),
        None => "\"Authorization: Bearer $PLINTH_KEY\"".to_owned(),
    };
    let customer = found.customer.as_deref().unwrap_or(starter::CUSTOMER);
    let feature = found.feature.as_deref().unwrap_or(starter::FEATURE);
    let curl = |path: &str, body: String| {
        let address = app.url(path);
        format!(
            "curl {address} \\\n  -H {bearer} \\\n  -H 'Content-Type: application/json' \\\n  -d '{body}'"
        )
    };
    let consume = curl(
        "/v1/usage/consume",
        format!("{{\"customer\": \"{customer}\", \"feature\": \"{feature}\"}}"),
    );
    let shell = match found.customer {
        Some(_) => consume,
        // Somebody has to be there first.
        None => {
            let create = curl("/v1/customers", format!("{{\"external_id\": \"{customer}\"}}"));
            format!("{create}\n\n{consume}")
        }
    };
    html! {
        @if secret.is_some() {
            p { "Paste this into a terminal. Your key is in it, and is shown this once: keep it somewhere safe." }
        } @else {
            p { "Paste this into a terminal, with your key in " code { "PLINTH_KEY" } "." }
        }
        (Snippet::new("Shell", shell))
        (first_call::waiting(keeper))
        @if secret.is_none() && keeper.may(Permission::ApiKeysManage) {
            div.actions {
                span.faint { "You did not keep the key?" }
                (Button::ghost("Create another").small().post(keeper.href("/start/key"), keeper.csrf()))
            }
        }
    }
}

/// Makes the first key and shows the call with it: the only page that ever has the secret.
pub(super) async fn make_key(
    State(app): State<App>,
    Posted(keeper, _): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    let new = NewApiKey {
        name: "First key".to_owned(),
        kind: ApiKeyKind::Secret,
        platform: Some(keeper.platform.id),
        mode: keeper.mode(),
        scopes: FIRST_SCOPES.to_vec(),
        expires_at: None,
    };
    let created = api_keys::create(&app, &keeper.member.caller, &new).await?;
    let steps = steps(&app, &keeper, true, Some(&created.secret)).await?;
    let header = PageHeader::new("Your first call").description("One line, and it is counted.");
    let page = keeper
        .member
        .page("Your first call", header, steps.unwrap_or_default());
    Ok((StatusCode::CREATED, page).into_response())
}

#[cfg(test)]
mod tests {
    use super::pasteable;

    #[test]
    fn what_could_run_something_is_not_offered_for_pasting() {
        let kept = |id: &str| pasteable(Some(id.to_owned())).is_some();
        assert!(kept("acme") && kept("org:42@eu-1.x_y"));
        for id in ["a'; rm -rf ~ #", "a\"b", "$(id)", "a b", "é"] {
            assert!(!kept(id), "{id}");
        }
    }
}
