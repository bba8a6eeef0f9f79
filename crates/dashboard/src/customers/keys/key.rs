//! One key of a customer: what it may do and use up, changes of it, another in its place, and its end.

use axum::extract::State;
use axum::response::Response;
use commerce::customer_keys::{
    self, CreditsInput, CustomerKey, CustomerKeyRotation, CustomerKeyUpdate, RateLimitForm, RefillPeriod,
};
use commerce::customers::{self, Customer};
use commerce::features::Feature;
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Problem, Segments};
use types::id::{CustomerId, CustomerKeyId, PlatformId, WorkspaceId};
use types::{Error, Permission, Result, Timestamp};
use ui::code::copyable;
use ui::dialog::Dialog;
use ui::progress::Quota;
use ui::{Alert, Button, Card, Field, Form, Icon, Kv, number, time};

use super::super::label;
use super::{form, is_usable, looks, new, state};
use crate::frame::figures::{amount_text, per_phrase, period_phrase};
use crate::frame::{Draft, Posted, Shopkeeper, form_buttons, go_saying, renamed};

type Path = Segments<(WorkspaceId, PlatformId, CustomerId, CustomerKeyId)>;

pub(super) async fn show(
    State(app): State<App>,
    Segments((_, _, customer, id)): Path,
    keeper: Shopkeeper,
) -> Result<Markup, Problem> {
    let found = Found::load(&app, &keeper, customer, id).await?;
    Ok(page(&keeper, &found, &Draft::default()))
}

/// A key, and whose it is.
struct Found {
    key: CustomerKey,
    customer: Customer,
    now: Timestamp,
}

impl Found {
    /// # Errors
    /// `not_found`, also for a key of another customer than the address names.
    async fn load(app: &App, keeper: &Shopkeeper, customer: CustomerId, id: CustomerKeyId) -> Result<Self> {
        let key = customer_keys::get(app, &keeper.caller, id).await?;
        if key.customer != customer {
            return Err(Error::not_found("customer key"));
        }
        Ok(Found {
            customer: customers::get(app, &keeper.caller, customer).await?,
            now: app.now(),
            key,
        })
    }

    fn path(&self, keeper: &Shopkeeper, action: &str) -> String {
        keeper.href(&format!(
            "/customers/{}/keys/{}{action}",
            self.key.customer, self.key.id
        ))
    }

    /// Whether the key can still be changed by the reader.
    fn may_change(&self, keeper: &Shopkeeper) -> bool {
        let is_current = self.key.revoked_at.is_none() && self.key.rotated_to.is_none();
        is_current && keeper.may(Permission::CustomerKeysManage)
    }
}

fn page(keeper: &Shopkeeper, found: &Found, draft: &Draft) -> Markup {
    let Found { key, now, .. } = found;
    let may = keeper.may(Permission::CustomerKeysManage);
    let (may_change, may_end) = (found.may_change(keeper), may && key.revoked_at.is_none());
    let actions = html! {
        @if may_change {
            (Button::secondary("Edit").icon(Icon::Pencil).href(found.path(keeper, "/edit")))
            @if is_usable(key, *now) { (Button::secondary("Rotate").icon(Icon::Refresh).opens("rotate")) }
            @if key.enabled {
                (Button::secondary("Disable").icon(Icon::PlayerPause).post(found.path(keeper, "/disable"), keeper.csrf()))
            } @else {
                (Button::secondary("Enable").post(found.path(keeper, "/enable"), keeper.csrf()))
            }
        }
        @if may_end { (Button::danger_quiet("Revoke").icon(Icon::Ban).opens("revoke")) }
    };
    let header = keeper
        .header(&key.name, state(key, *now))
        .description(html! {
            "A key of " a href=(keeper.href(&format!("/customers/{}", key.customer))) { (label(&found.customer)) }
        })
        .actions(actions);
    let content = html! {
        @if let Some(next) = key.rotated_to {
            @let href = keeper.href(&format!("/customers/{}/keys/{next}", key.customer));
            (Alert::info("Another key takes its place").body(html! { a href=(href) { "See the new key" } }))
        }
        div.grid {
            (Card::titled("Key").body(about(found)))
            (Card::titled("May do").body(may_do(key)))
        }
        div.grid {
            (credits_card(keeper, found, draft))
            (limits_card(key))
        }
        @if may_end { (dialogs(keeper, found)) }
    };
    keeper.page(("Customers", "/customers"), &key.name, header, content)
}

fn about(found: &Found) -> Kv {
    let Found { key, now, .. } = found;
    let about = Kv::new()
        .row("Looks like", html! { code { (looks(key)) } })
        .row(
            "Last used",
            key.last_used_at
                .map_or_else(|| html! { "Never" }, |at| time::ago(at, *now)),
        )
        .row("Created", time::instant(key.created_at))
        .row(
            "Expires",
            key.expires_at.map_or_else(|| html! { "Never" }, time::instant),
        )
        .row("Key id", copyable(&key.id.to_string()));
    let about = match key.end_user {
        Some(end_user) => about.row("End user", copyable(&end_user.to_string())),
        None => about,
    };
    let about = match key.revoked_at {
        Some(at) => about.row("Revoked", time::instant(at)),
        None => about,
    };
    key.metadata.iter().fold(about, |about, (name, value)| {
        about.row(name.as_str(), value.as_str())
    })
}

fn may_do(key: &CustomerKey) -> Markup {
    if key.permissions.is_empty() {
        return html! { p.muted { "It has no permissions of yours. It is good for what needs none." } };
    }
    html! { p.tags { @for permission in &key.permissions { code.tag { (permission) } } } }
}

fn credits_card(keeper: &Shopkeeper, found: &Found, draft: &Draft) -> Card {
    let body = match &found.key.credits {
        None => html! { p.muted { "It is good for as many calls as they like." } },
        Some(credits) => {
            let refill = credits.refill.map(|refill| {
                let period = match refill.period {
                    RefillPeriod::Day => "each day",
                    RefillPeriod::Week => "each week",
                    RefillPeriod::Month => "each month",
                };
                format!("Refilled to {} {period}", number::thousands(refill.amount))
            });
            let note = html! {
                (refill.unwrap_or_else(|| "Never refilled".to_owned()))
                @if let Some(at) = credits.refill_at { ", next " (time::instant(at)) }
            };
            let used = credits.amount.saturating_sub(credits.remaining);
            html! { (Quota::new("Calls used", used, Some(credits.amount)).note(note)) }
        }
    };
    let card = Card::titled("Credits").body(html! { (draft.alert()) (body) });
    if !found.may_change(keeper) {
        return card;
    }
    let amount = draft.fill("amount", Field::number("amount", "Credits").required().min(0));
    let form = Form::post(found.path(keeper, "/credits"), keeper.csrf())
        .inline()
        .part(amount)
        .actions(html! {
            @if found.key.credits.is_some() { (Button::secondary("Add").sends("what", "add")) }
            (Button::secondary("Set").sends("what", "set"))
        });
    card.footer(form)
}

fn limits_card(key: &CustomerKey) -> Card {
    let card = Card::titled("Limits").description("Its own, beside its customer's.");
    if key.rate_limits.is_empty() && key.limits.is_empty() {
        return card.body(html! { p.muted { "None: what limits its customer limits it." } });
    }
    let limits = key
        .rate_limits
        .iter()
        .fold(Kv::new(), |limits, rate| limits.row(&rate.name, rate_text(rate)));
    let limits = key.limits.iter().fold(limits, |limits, limit| {
        let text = format!("{} {}", amount_text(&limit.amount), period_phrase(limit.period));
        limits.row(&limit.feature, text)
    });
    card.body(limits)
}

fn rate_text(rate: &RateLimitForm) -> String {
    let calls = number::counted(rate.limit.into(), "call", "calls");
    let text = format!("{calls} in {}", per_phrase(rate.per_secs));
    match rate.burst.filter(|burst| *burst != rate.limit) {
        Some(burst) => format!("{text}, {} at once", number::thousands(burst.into())),
        None => text,
    }
}

fn dialogs(keeper: &Shopkeeper, found: &Found) -> Markup {
    let rotate = Form::post(found.path(keeper, "/rotate"), keeper.csrf())
        .part(
            Field::select("overlap_secs", "The old key stays good", new::overlaps())
                .help("Long enough for the customer to put the new one everywhere. Both use up the same."),
        )
        .actions(Button::primary("Make the new key"));
    html! {
        @if found.may_change(keeper) && is_usable(&found.key, found.now) {
            (Dialog::new("rotate", "Another key in its place", rotate))
        }
        (Dialog::confirm(
            "revoke",
            format!("Revoke {}?", found.key.name),
            "It is refused within a second, everywhere. This cannot be taken back.",
            Button::danger("Revoke key"),
            &found.path(keeper, "/revoke"),
            keeper.csrf(),
        ))
    }
}

pub(super) async fn edit(
    State(app): State<App>,
    Segments((_, _, customer, id)): Path,
    keeper: Shopkeeper,
) -> Result<Markup, Problem> {
    keeper.member.caller.require(Permission::CustomerKeysManage)?;
    let found = Found::load(&app, &keeper, customer, id).await?;
    let features = new::countable(&app, &keeper).await?;
    let draft = Draft::of(form::fields_of(&found.key, &features));
    Ok(edit_page(&keeper, &found, &features, &draft))
}

pub(super) async fn save(
    State(app): State<App>,
    Segments((_, _, customer, id)): Path,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    let found = Found::load(&app, &keeper, customer, id).await?;
    let features = new::countable(&app, &keeper).await?;
    let saved = match form::read(&entries, &features) {
        Err(error) => Err(error),
        Ok((wanted, filled)) => {
            let change = CustomerKeyUpdate {
                name: Some(entries.text("name").to_owned()),
                permissions: Some(wanted.permissions),
                rate_limits: Some(wanted.rate_limits),
                limits: Some(wanted.limits),
                ..CustomerKeyUpdate::default()
            };
            let saved = customer_keys::update(&app, &keeper.caller, id, &change).await;
            saved.map_err(|error| filled.place(error))
        }
    };
    match saved {
        Ok(_) => Ok(go_saying(&app, &found.path(&keeper, ""), "Changes saved.")?),
        Err(error) => entries.again(error, |draft| edit_page(&keeper, &found, &features, &draft)),
    }
}

fn edit_page(keeper: &Shopkeeper, found: &Found, features: &[Feature], draft: &Draft) -> Markup {
    let name = Field::text("name", "Name").required().max_length(100);
    let form = Form::post(found.path(keeper, "/edit"), keeper.csrf())
        .part(draft.fill("name", name))
        .part(form::permissions_part(draft))
        .part(form::rates_part(draft))
        .part(form::limits_part(draft, features))
        .actions(form_buttons("Save changes", found.path(keeper, "")));
    let header = keeper
        .header(format!("Edit {}", found.key.name), "")
        .description("It holds within a second, everywhere.");
    let card = Card::new().body(html! { (draft.alert()) (form) });
    keeper.page(("Customers", "/customers"), "Edit key", header, card)
}

pub(super) async fn credits(
    State(app): State<App>,
    Segments((_, _, customer, id)): Path,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    let found = Found::load(&app, &keeper, customer, id).await?;
    let refill = found.key.credits.as_ref().and_then(|credits| credits.refill);
    let saved = match entries.parsed("amount", "must be a whole number") {
        Err(error) => Err(error),
        Ok(amount) => {
            let mut change = CustomerKeyUpdate::default();
            match entries.text("what") {
                "add" => change.add_credits = Some(amount),
                _ => change.credits = Some(Some(CreditsInput { amount, refill })),
            }
            customer_keys::update(&app, &keeper.caller, id, &change).await
        }
    };
    let named = |error: Error| {
        renamed(error, |field| match field {
            "add_credits" | "credits.amount" => "amount".to_owned(),
            other => other.to_owned(),
        })
    };
    match saved.map_err(named) {
        Ok(_) => Ok(go_saying(&app, &found.path(&keeper, ""), "Credits changed.")?),
        Err(error) => entries.again(error, |draft| page(&keeper, &found, &draft)),
    }
}

pub(super) async fn enable(
    state: State<App>,
    path: Path,
    posted: Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    switch(state, path, posted, true).await
}

pub(super) async fn disable(
    state: State<App>,
    path: Path,
    posted: Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    switch(state, path, posted, false).await
}

async fn switch(
    State(app): State<App>,
    Segments((_, _, customer, id)): Path,
    Posted(keeper, _): Posted<Shopkeeper>,
    enabled: bool,
) -> Result<Response, Problem> {
    let found = Found::load(&app, &keeper, customer, id).await?;
    let change = CustomerKeyUpdate {
        enabled: Some(enabled),
        ..CustomerKeyUpdate::default()
    };
    customer_keys::update(&app, &keeper.caller, id, &change).await?;
    let notice = match enabled {
        true => "Key enabled.",
        false => "Key disabled: it is refused until it is enabled again.",
    };
    Ok(go_saying(&app, &found.path(&keeper, ""), notice)?)
}

pub(super) async fn rotate(
    State(app): State<App>,
    Segments((_, _, customer, id)): Path,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    Found::load(&app, &keeper, customer, id).await?;
    let rotation = CustomerKeyRotation {
        overlap_secs: entries.parsed("overlap_secs", "choose how long the old key stays good")?,
    };
    let created = customer_keys::rotate(&app, &keeper.caller, id, rotation).await?;
    Ok(new::made(&app, &keeper, &created))
}

pub(super) async fn revoke(
    State(app): State<App>,
    Segments((_, _, customer, id)): Path,
    Posted(keeper, _): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    Found::load(&app, &keeper, customer, id).await?;
    customer_keys::revoke(&app, &keeper.caller, id).await?;
    let back = keeper.href(&format!("/customers/{customer}"));
    Ok(go_saying(&app, &back, "Key revoked: it is refused from now on.")?)
}
