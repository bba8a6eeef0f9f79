//! Extra balance of a customer: what there is, giving some, and ending it.

use axum::extract::State;
use axum::response::Response;
use commerce::Amount;
use commerce::customers::{self, Customer};
use commerce::features::{self, Feature, FeatureKind};
use commerce::grants::{self, Grant, GrantCreate, RolloverForm};
use maud::{Markup, Render, html};
use runtime::App;
use runtime::http::{Params, Problem, Segments};
use serde::Deserialize;
use types::id::{CustomerId, GrantId, PlatformId, WorkspaceId};
use types::page::MAX_LIMIT;
use types::{Error, PageRequest, Permission, Result, Timestamp};
use ui::dialog::Dialog;
use ui::form::{Choice, columns, fieldset};
use ui::{Badge, Button, Card, Cell, Column, Empty, Field, Form, Icon, Row, Table, Tone, time};

use super::{end_of_day, label, start_of_day};
use crate::frame::figures::{amount_text, amount_value};
use crate::frame::{Draft, Entries, Posted, Shopkeeper, form_buttons, go_saying, page_at, pages};

const DAY_SECS: u32 = 24 * 60 * 60;

type Path = Segments<(WorkspaceId, PlatformId, CustomerId)>;

/// The newest of a customer's grants.
pub(super) async fn some(app: &App, keeper: &Shopkeeper, id: CustomerId, most: u32) -> Result<Vec<Grant>> {
    let page = PageRequest {
        limit: most,
        cursor: None,
    };
    Ok(grants::list(app, &keeper.caller, id, None, &page).await?.data)
}

/// Whether something of it can be burned now.
pub(super) fn is_open(grant: &Grant, now: Timestamp) -> bool {
    let is_over = grant.expires_at.is_some_and(|end| end <= now);
    let is_left = amount_value(&grant.remaining) > 0.0;
    grant.voided_at.is_none() && grant.effective_at <= now && !is_over && is_left
}

/// Whether it can be ended: it has not ended by itself.
fn may_be_voided(grant: &Grant, now: Timestamp) -> bool {
    grant.voided_at.is_none() && grant.expires_at.is_none_or(|end| end > now)
}

fn state(grant: &Grant, now: Timestamp) -> Badge {
    if grant.voided_at.is_some() {
        return Badge::status("voided");
    }
    match grant.expires_at {
        Some(end) if end <= now && grant.rolled_to.is_some() => Badge::status("rolled_over"),
        Some(end) if end <= now => Badge::status("expired"),
        _ if grant.effective_at > now => Badge::new("Scheduled", Tone::Accent).dot(),
        _ if amount_value(&grant.remaining) <= 0.0 => Badge::status("used_up"),
        _ => Badge::status("active"),
    }
}

#[derive(Deserialize)]
pub(super) struct At {
    cursor: Option<String>,
}

/// All of a customer's grants.
pub(super) async fn list(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    keeper: Shopkeeper,
    Params(at): Params<At>,
) -> Result<Markup, Problem> {
    let customer = customers::get(&app, &keeper.caller, id).await?;
    let features = metered(&app, &keeper, true).await?;
    let cursor = at.cursor.as_deref();
    let page = grants::list(&app, &keeper.caller, id, None, &page_at(cursor)).await?;
    let may = keeper.may(Permission::CustomersManage) && customer.archived_at.is_none();
    let here = keeper.href(&format!("/customers/{id}/grants"));
    let content = html! {
        (Card::new().flush(table(&page.data, &features, app.now(), may)))
        (pages(&page, cursor, ("grant", "grants"), &here))
        @if may { (dialogs(&keeper, &page.data, &features, app.now())) }
    };
    let header = keeper.header("Grants", "").description(format!(
        "Extra balance of {}. It is burned once the plan's allowance is used up, before anything is sold.",
        label(&customer)
    ));
    let header = if may {
        header.actions(give(&keeper, id))
    } else {
        header
    };
    Ok(keeper.page(("Customers", "/customers"), "Grants", header, content))
}

fn give(keeper: &Shopkeeper, id: CustomerId) -> Button {
    Button::secondary("Give a grant")
        .icon(Icon::Plus)
        .href(keeper.href(&format!("/customers/{id}/grants/new")))
}

/// The newest of them, on the customer's page.
pub(super) fn card(
    keeper: &Shopkeeper,
    id: CustomerId,
    grants: &[Grant],
    features: &[Feature],
    now: Timestamp,
    may: bool,
) -> Markup {
    let all = keeper.href(&format!("/customers/{id}/grants"));
    let can_give = may
        && features
            .iter()
            .any(|feature| feature.kind == FeatureKind::Metered);
    let card = Card::titled("Grants")
        .description("Extra balance, beside what their plans include.")
        .actions(html! {
            @if !grants.is_empty() { a href=(all) { "All of them" } }
            @if can_give { (give(keeper, id).small()) }
        })
        .flush(table(grants, features, now, may));
    html! {
        (card)
        @if may { (dialogs(keeper, grants, features, now)) }
    }
}

fn table(grants: &[Grant], features: &[Feature], now: Timestamp, may: bool) -> Table {
    let rows = grants.iter().map(|grant| {
        let void = Button::ghost("Void").small().opens(format!("void-{}", grant.id));
        let left =
            html! { (amount_text(&grant.remaining)) span.muted { " of " (amount_text(&grant.amount)) } };
        let until = match grant.expires_at {
            Some(at) => time::instant(at),
            None => html! { "For ever" },
        };
        let order = match grant.priority {
            0 => html! { span.faint { "–" } },
            priority => html! { (priority) },
        };
        Row::new([
            Cell::two_lines(name(features, &grant.feature), grant.reason.as_str()),
            Cell::new(state(grant, now)),
            Cell::new(left),
            Cell::new(order),
            Cell::new(until),
            match may && may_be_voided(grant, now) {
                true => Cell::new(void),
                false => Cell::new(""),
            },
        ])
    });
    let columns = [
        Column::text("Feature"),
        Column::text("State").wide_only(),
        Column::number("Left"),
        Column::number("Priority").wide_only(),
        Column::text("Until").wide_only(),
        Column::actions("Actions"),
    ];
    let empty = Empty::new(Icon::Coin, "No grants.", "They have what their plans include.").quiet();
    Table::new("Grants", columns).rows(rows).empty(empty)
}

fn name<'a>(features: &'a [Feature], key: &'a str) -> &'a str {
    let feature = features.iter().find(|feature| feature.key == key);
    feature.map_or(key, |feature| feature.name.as_str())
}

fn dialogs(keeper: &Shopkeeper, grants: &[Grant], features: &[Feature], now: Timestamp) -> Markup {
    html! {
        @for grant in grants.iter().filter(|grant| may_be_voided(grant, now)) {
            (void_dialog(keeper, grant, name(features, &grant.feature)))
        }
    }
}

fn void_dialog(keeper: &Shopkeeper, grant: &Grant, feature: &str) -> Dialog {
    let action = keeper.href(&format!("/customers/{}/grants/{}/void", grant.customer, grant.id));
    let form = html! {
        p { "What is left, " (amount_text(&grant.remaining)) ", cannot be used any more." }
        (Form::post(action, keeper.csrf())
            .part(
                Field::text("reason", "Reason")
                    .scope(grant.id.to_string())
                    .required()
                    .max_length(500)
                    .help("For whoever asks later; it is in the audit log."),
            )
            .actions(Button::danger("Void grant")))
    };
    let title = format!("Void this grant of {feature}?");
    Dialog::new(
        format!("void-{}", grant.id),
        title,
        html! { div.stack { (form) } },
    )
}

pub(super) async fn void(
    State(app): State<App>,
    Segments((_, _, id, grant)): Segments<(WorkspaceId, PlatformId, CustomerId, GrantId)>,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    refuse_others(grants::get(&app, &keeper.caller, grant).await?.customer, id)?;
    grants::void(&app, &keeper.caller, grant, entries.text("reason")).await?;
    let here = keeper.href(&format!("/customers/{id}"));
    Ok(go_saying(&app, &here, "Grant voided.")?)
}

/// The address names a customer and something of theirs.
fn refuse_others(owner: CustomerId, named: CustomerId) -> Result<()> {
    match owner == named {
        true => Ok(()),
        false => Err(Error::not_found("grant")),
    }
}

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
    let created = match read(&entries) {
        Ok(new) => grants::create(&app, &keeper.caller, id, &new).await,
        Err(error) => Err(error),
    };
    match created {
        Ok(grant) => {
            let notice = format!("{} given.", amount_text(&grant.amount));
            Ok(go_saying(
                &app,
                &keeper.href(&format!("/customers/{id}")),
                &notice,
            )?)
        }
        Err(error) => entries.again(error, |draft| parts.page(&keeper, &draft)),
    }
}

async fn metered(app: &App, keeper: &Shopkeeper, with_archived: bool) -> Result<Vec<Feature>> {
    let all = PageRequest {
        limit: MAX_LIMIT,
        cursor: None,
    };
    let mut features = features::list(app, &keeper.caller, with_archived, &all)
        .await?
        .data;
    features.retain(|feature| feature.kind == FeatureKind::Metered);
    Ok(features)
}

fn read(entries: &Entries) -> Result<GrantCreate> {
    let amount = |name: &str| entries.filled(name).map(|text| Amount::Decimal(text.to_owned()));
    let rollover = match amount("rollover.max") {
        None => None,
        Some(max) => {
            let days: Option<u32> =
                entries.parsed_if_filled("rollover.lasts_secs", "must be a number of days")?;
            Some(RolloverForm {
                min: amount("rollover.min").unwrap_or(Amount::Integer(0)),
                max,
                lasts_secs: days.map(|days| days.saturating_mul(DAY_SECS)),
            })
        }
    };
    Ok(GrantCreate {
        feature: entries.text("feature").to_owned(),
        amount: amount("amount").ok_or_else(|| Error::invalid("amount", "say how much"))?,
        priority: entries
            .parsed_if_filled("priority", "must be a whole number from -100 to 100")?
            .unwrap_or(0),
        effective_at: start_of_day(entries, "effective_at")?,
        expires_at: end_of_day(entries, "expires_at")?,
        rollover,
        reason: entries.text("reason").to_owned(),
    })
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
            features: metered(app, keeper, false).await?,
        })
    }

    fn page(&self, keeper: &Shopkeeper, draft: &Draft) -> Markup {
        let id = self.customer.id;
        let features = self.features.iter();
        let features = features.map(|feature| Choice::new(&feature.key, &feature.name));
        let reason = Field::text("reason", "Reason").required().max_length(500);
        let form = Form::post(keeper.href(&format!("/customers/{id}/grants/new")), keeper.csrf())
            .part(columns(html! {
                (draft.fill("feature", Field::select("feature", "Feature", features.collect::<Vec<_>>())))
                (draft.fill("amount", Field::text("amount", "Amount").required().placeholder("1000")))
            }))
            .part(
                draft
                    .fill("reason", reason)
                    .help("For whoever asks later; it is in the audit log."),
            )
            .part(when(draft))
            .part(rollover(draft))
            .actions(form_buttons(
                "Give grant",
                keeper.href(&format!("/customers/{id}")),
            ));
        let header = keeper.header("Give a grant", "").description(format!(
            "Extra balance for {}, bought or given. It is burned once the plan's allowance is used up.",
            label(&self.customer)
        ));
        let card = Card::new().body(html! { (draft.alert()) (form) });
        keeper.page(("Customers", "/customers"), "Give a grant", header, card)
    }
}

fn when(draft: &Draft) -> Markup {
    let from = Field::date("effective_at", "From").optional();
    let until = Field::date("expires_at", "Until").optional();
    let priority = Field::number("priority", "Priority")
        .optional()
        .min(-100)
        .max(100)
        .placeholder("0");
    let fields = columns(html! {
        (draft.fill("effective_at", from).help("The first day, in UTC. Empty: now."))
        (draft.fill("expires_at", until).help("The last day, in UTC. Empty: for ever."))
        (draft.fill("priority", priority).help("The lowest is burned first."))
    });
    fieldset("When it counts", None, fields)
}

fn rollover(draft: &Draft) -> Markup {
    let most = Field::text("rollover.max", "At most").optional();
    let least = Field::text("rollover.min", "At least").optional();
    let days = Field::number("rollover.lasts_secs", "Lasts")
        .optional()
        .min(1)
        .suffix("days");
    let fields = columns(html! {
        (draft.fill("rollover.max", most).help("Empty: nothing rolls over."))
        (draft.fill("rollover.min", least).help("More than is left tops it up."))
        (draft.fill("rollover.lasts_secs", days).help("Empty: for ever."))
    });
    let help = "What of it starts another grant on the day that it ends.";
    fieldset("Rolling over", Some(help), fields).render()
}
