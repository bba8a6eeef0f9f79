//! One key: what it may do, another in its place, and its end.

use axum::extract::State;
use axum::response::Response;
use commerce::api_keys::{self, ApiKey, ApiKeyChange, ApiKeyRotation, ApiKeyStatus};
use commerce::platforms::{self, Platform};
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Problem, Segments};
use types::id::{ApiKeyId, WorkspaceId};
use types::{Permission, Timestamp};
use ui::code::copyable;
use ui::dialog::Dialog;
use ui::form::Choice;
use ui::{Alert, Badge, Button, Card, Field, Form, Icon, Kv, PageHeader, time};

use super::{kind_word, new, status};
use crate::frame::{Draft, Member, Posted, go_saying};

type Path = Segments<(WorkspaceId, ApiKeyId)>;

const OVERLAPS: [(&str, &str); 4] = [
    ("86400", "For a day"),
    ("3600", "For an hour"),
    ("604800", "For a week"),
    ("0", "Not at all"),
];

pub(super) async fn show(
    State(app): State<App>,
    Segments((_, id)): Path,
    member: Member,
) -> Result<Markup, Problem> {
    let found = Found::load(&app, &member, id).await?;
    let draft = Draft::of([("name", found.key.name.as_str())]);
    Ok(page(&member, &found, &draft))
}

pub(super) async fn save(
    State(app): State<App>,
    Segments((_, id)): Path,
    Posted(member, entries): Posted<Member>,
) -> Result<Response, Problem> {
    let change = ApiKeyChange {
        name: Some(entries.text("name").to_owned()),
        expires_at: None,
    };
    match api_keys::update(&app, &member.caller, id, &change).await {
        Ok(_) => Ok(go_saying(
            &app,
            &member.href(&format!("/keys/{id}")),
            "Name saved.",
        )?),
        Err(error) => {
            let found = Found::load(&app, &member, id).await?;
            entries.again(error, |draft| page(&member, &found, &draft))
        }
    }
}

pub(super) async fn rotate(
    State(app): State<App>,
    Segments((_, id)): Path,
    Posted(member, entries): Posted<Member>,
) -> Result<Response, Problem> {
    let rotation = ApiKeyRotation {
        overlap_secs: new::overlap(&entries)?,
    };
    let created = api_keys::rotate(&app, &member.caller, id, rotation).await?;
    Ok(new::made(&app, &member, &created))
}

pub(super) async fn revoke(
    State(app): State<App>,
    Segments((_, id)): Path,
    Posted(member, _): Posted<Member>,
) -> Result<Response, Problem> {
    let key = api_keys::revoke(&app, &member.caller, id).await?;
    let back = match key.platform {
        Some(platform) => member.href(&format!("/p/{platform}/keys")),
        None => member.href("/keys"),
    };
    Ok(go_saying(&app, &back, "Key revoked: it is refused from now on.")?)
}

/// A key, and where it works.
struct Found {
    key: ApiKey,
    platform: Option<Platform>,
    now: Timestamp,
}

impl Found {
    async fn load(app: &App, member: &Member, id: ApiKeyId) -> types::Result<Self> {
        let key = api_keys::get(app, &member.caller, id).await?;
        let platform = match key.platform {
            Some(platform) => Some(platforms::get(app, &member.caller, platform).await?),
            None => None,
        };
        Ok(Found {
            key,
            platform,
            now: app.now(),
        })
    }
}

fn page(member: &Member, found: &Found, draft: &Draft) -> Markup {
    let Found { key, now, .. } = found;
    let now = *now;
    let is_active = key.status(now) == ApiKeyStatus::Active;
    let may = member.may(Permission::ApiKeysManage);
    let actions = html! {
        @if may && is_active && key.rotated_to.is_none() {
            (Button::secondary("Rotate").icon(Icon::Refresh).opens("rotate"))
        }
        @if may && is_active { (Button::danger_quiet("Revoke").icon(Icon::Ban).opens("revoke")) }
    };
    let header = PageHeader::new(&key.name)
        .badge(html! { (status(key, now)) " " (Badge::mode(key.mode)) })
        .actions(actions);
    let rename = Form::post(member.href(&format!("/keys/{}", key.id)), member.csrf())
        .inline()
        .part(draft.fill("name", Field::text("name", "Name").required().max_length(100)))
        .actions(Button::secondary("Save name"));
    let content = html! {
        div.stack {
            @if let Some(next) = key.rotated_to {
                (Alert::info("Another key takes its place")
                    .body(html! { a href=(member.href(&format!("/keys/{next}"))) { "See the new key" } }))
            }
            (Card::titled("Key").body(about(member, found)))
            (Card::titled("May do").body(scopes(key)))
            @if may { (Card::titled("Name").body(html! { div.stack { (draft.alert()) (rename) } })) }
        }
        @if may && is_active { (dialogs(member, key)) }
    };
    member.page_under(&key.name, &[("API keys", member.href("/keys"))], header, content)
}

fn about(member: &Member, found: &Found) -> Kv {
    let Found { key, platform, now } = found;
    let place = match platform {
        None => html! { "The whole workspace" },
        Some(platform) => html! { a href=(member.href(&format!("/p/{}", platform.id))) { (platform.name) } },
    };
    let maker = match key.created_by == member.person.user.id.to_string() {
        true => html! { "you" },
        false => html! { code { (key.created_by) } },
    };
    let about = Kv::new()
        .row("Looks like", html! { code { (key.hint) } })
        .row("Kind", kind_word(key.kind))
        .row("Works in", place)
        .row(
            "Last used",
            key.last_used_at
                .map_or_else(|| html! { "Never" }, |at| time::ago(at, *now)),
        )
        .row(
            "Created",
            html! { (time::instant(key.created_at)) " by " (maker) },
        )
        .row(
            "Expires",
            key.expires_at.map_or_else(|| html! { "Never" }, time::instant),
        )
        .row("Key id", copyable(&key.id.to_string()));
    match key.revoked_at {
        Some(at) => about.row("Revoked", time::instant(at)),
        None => about,
    }
}

fn scopes(key: &ApiKey) -> Markup {
    if key.scopes.is_empty() {
        return html! { p.muted { "It has no scopes: it can be seen by anybody." } };
    }
    let list = key.scopes.iter().fold(Kv::new(), |list, scope| {
        list.row(scope.as_str(), scope.describe())
    });
    html! { (list) }
}

fn dialogs(member: &Member, key: &ApiKey) -> Markup {
    let path = |action: &str| member.href(&format!("/keys/{}/{action}", key.id));
    let overlaps = OVERLAPS.map(|(value, label)| Choice::new(value, label));
    let rotate = Form::post(path("rotate"), member.csrf())
        .part(
            Field::select("overlap_secs", "The old key stays good", overlaps.to_vec())
                .help("Long enough to put the new one everywhere."),
        )
        .actions(Button::primary("Make the new key"));
    html! {
        (Dialog::new("rotate", "Another key in its place", rotate))
        (Dialog::confirm(
            "revoke",
            format!("Revoke {}?", key.name),
            "Every call with it is refused within a second, everywhere. This cannot be taken back.",
            Button::danger("Revoke key"),
            &path("revoke"),
            member.csrf(),
        ))
    }
}
