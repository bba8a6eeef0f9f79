//! A new key, and the one page that shows its secret.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use commerce::api_keys::{self, ApiKeyKind, CreatedApiKey, NewApiKey, PLATFORM_SCOPES};
use commerce::platforms::{self, Platform};
use http::StatusCode;
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Params, Problem};
use serde::Deserialize;
use types::page::MAX_LIMIT;
use types::{Error, Mode, PageRequest, Permission, Result, Timestamp};
use ui::code::{Snippet, secret_once};
use ui::form::{Choice, columns, fieldset};
use ui::{Button, Card, Field, Form, PageHeader};

use crate::frame::{Draft, Entries, Member, Posted, form_buttons};

/// Scopes that are ticked in a fresh form: what a product needs to count its calls.
const USUAL: [Permission; 4] = [
    Permission::CustomersRead,
    Permission::CustomersManage,
    Permission::UsageRead,
    Permission::UsageConsume,
];

const DAYS: [(&str, &str); 4] = [
    ("", "Never"),
    ("30", "In 30 days"),
    ("90", "In 90 days"),
    ("365", "In a year"),
];

#[derive(Deserialize)]
pub(super) struct For {
    platform: Option<String>,
    mode: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    member: Member,
    Params(query): Params<For>,
) -> Result<Markup, Problem> {
    member.caller.require(Permission::ApiKeysManage)?;
    let platforms = load(&app, &member).await?;
    let first = platforms.first().map(|platform| platform.id.to_string());
    let mut fields = vec![
        ("platform", query.platform.or(first).unwrap_or_default()),
        ("mode", query.mode.unwrap_or_else(|| Mode::Live.to_string())),
        ("kind", "sk".to_owned()),
    ];
    fields.extend(USUAL.map(|scope| ("scopes", scope.to_string())));
    Ok(page(&member, &platforms, &Draft::of(fields)))
}

async fn load(app: &App, member: &Member) -> Result<Vec<Platform>> {
    let all = PageRequest {
        limit: MAX_LIMIT,
        cursor: None,
    };
    Ok(platforms::list(app, &member.caller, false, &all).await?.data)
}

pub(super) async fn submit(
    State(app): State<App>,
    Posted(member, entries): Posted<Member>,
) -> Result<Response, Problem> {
    member.caller.require(Permission::ApiKeysManage)?;
    let created = match input(&entries, app.now()) {
        Ok(new) => api_keys::create(&app, &member.caller, &new).await,
        Err(error) => Err(error),
    };
    match created {
        Ok(created) => Ok(made(&app, &member, &created)),
        Err(error) => {
            let platforms = load(&app, &member).await?;
            entries.again(error, |draft| page(&member, &platforms, &draft))
        }
    }
}

fn input(entries: &Entries, now: Timestamp) -> Result<NewApiKey> {
    let kind = match entries.text("kind") {
        "pk" => ApiKeyKind::Publishable,
        _ => ApiKeyKind::Secret,
    };
    let scopes = match kind {
        ApiKeyKind::Publishable => Vec::new(),
        ApiKeyKind::Secret => entries
            .all("scopes")
            .filter_map(|scope| scope.parse().ok())
            .collect(),
    };
    let days: Option<u64> = entries.parsed_if_filled("expires", "must be a number of days")?;
    let ttl = days.map(|days| std::time::Duration::from_secs(days.saturating_mul(24 * 60 * 60)));
    Ok(NewApiKey {
        name: entries.text("name").to_owned(),
        kind,
        platform: entries.parsed_if_filled("platform", "must be one of your platforms")?,
        mode: entries.parsed("mode", "must be live or test")?,
        scopes,
        expires_at: ttl.map(|ttl| now + ttl),
    })
}

fn page(member: &Member, platforms: &[Platform], draft: &Draft) -> Markup {
    let mut places: Vec<Choice> = platforms
        .iter()
        .map(|platform| Choice::new(platform.id.to_string(), &platform.name))
        .collect();
    places.push(Choice::new("", "The whole workspace"));
    let modes = [Choice::new("live", "Live"), Choice::new("test", "Test")];
    let kinds = [
        Choice::new("sk", "Secret").help("For your servers: whoever holds it acts with its scopes."),
        Choice::new("pk", "Publishable")
            .help("For pages and apps: anybody may see it, and it has no scopes."),
    ];
    let ends = DAYS.map(|(value, label)| Choice::new(value, label));
    let name = Field::text("name", "Name")
        .required()
        .max_length(100)
        .autofocus()
        .placeholder("Production server");
    let place = Field::select("platform", "Works in", places);
    let form = Form::post(member.href("/keys/new"), member.csrf())
        .part(draft.fill("name", name).help("Where it is used, so that you can tell it from others."))
        .part(columns(html! {
            (draft.fill("platform", place))
            (draft.fill("mode", Field::select("mode", "Mode", modes)).help("A key of the whole workspace is live."))
            (draft.fill("expires", Field::select("expires", "Expires", ends.to_vec())))
        }))
        .part(Field::radio("kind", "Kind", kinds).value(draft.value_or("kind", "sk")).errors(draft.errors()))
        .part(scopes(member, draft))
        .actions(form_buttons("Create key", member.href("/keys")));
    let header = PageHeader::new("New API key").description("Its secret is shown once, on the next page.");
    let card = Card::new().body(html! { (draft.alert()) (form) });
    let crumbs = [("API keys", member.href("/keys"))];
    member.page_under("New API key", &crumbs, header, card)
}

/// What the reader may give away, those that go with a platform first.
fn scopes(member: &Member, draft: &Draft) -> Markup {
    let scope = |scope: Permission| {
        Field::checkbox(
            "scopes",
            scope.as_str(),
            draft.ticked("scopes", scope.as_str(), false),
        )
        .scope(scope.as_str())
        .value(scope.as_str())
        .help(scope.describe())
    };
    let theirs = || member.caller.permissions().iter();
    let error = draft.errors().iter().find(|error| error.field == "scopes");
    let of_platform = html! {
        @if let Some(error) = error { p.field-error #f-scopes tabindex="-1" { (error.message) } }
        (columns(html! { @for it in theirs().filter(|it| PLATFORM_SCOPES.contains(*it)) { (scope(it)) } }))
    };
    let of_workspace = html! {
        (columns(html! { @for it in theirs().filter(|it| !PLATFORM_SCOPES.contains(*it)) { (scope(it)) } }))
    };
    html! {
        (fieldset("Scopes", Some("What a secret key may do. Give it what it needs."), of_platform))
        (fieldset("Scopes of the whole workspace", Some("Not for a key of one platform."), of_workspace))
    }
}

/// The page that shows the secret.
pub(super) fn made(app: &App, member: &Member, created: &CreatedApiKey) -> Response {
    let what = match created.api_key.kind {
        ApiKeyKind::Secret => "secret key",
        ApiKeyKind::Publishable => "publishable key",
    };
    let back = match created.api_key.platform {
        Some(platform) => member.href(&format!("/p/{platform}/keys")),
        None => member.href("/keys"),
    };
    let shell = format!(
        "export PLINTH_URL={}\nexport PLINTH_KEY=… # paste the key",
        app.url("")
    );
    let content = html! {
        (Card::new().body(html! {
            div.stack {
                (secret_once(what, &created.secret))
                (Snippet::new("For the examples", shell))
            }
        }))
        div.actions { (Button::primary("I have kept it").href(back)) }
    };
    let header = PageHeader::new(&created.api_key.name).description("This key is ready.");
    let crumbs = [("API keys", member.href("/keys"))];
    let page = member.page_under("Your new key", &crumbs, header, html! { div.stack { (content) } });
    (StatusCode::CREATED, page).into_response()
}

/// Reads how long an old key stays good.
pub(super) fn overlap(entries: &Entries) -> Result<u32> {
    let secs = entries.parsed_if_filled("overlap_secs", "must be a number of seconds")?;
    secs.ok_or_else(|| Error::invalid("overlap_secs", "choose how long the old key stays good"))
}
