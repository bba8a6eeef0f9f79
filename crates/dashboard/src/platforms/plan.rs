//! One plan: what its current version costs and gives, and the next version.

use axum::extract::State;
use axum::response::Response;
use commerce::features::{self, Feature};
use commerce::plans::{self, OverageForm, Plan, PlanChange, PlanEntitlement};
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Problem, Segments};
use types::id::{PlanId, PlatformId, WorkspaceId};
use types::{Permission, Result};
use ui::code::copyable;
use ui::dialog::Dialog;
use ui::{Badge, Button, Card, Cell, Column, Empty, Form, Icon, Kv, Row, Table, Tone, time};

use super::plans::{all, price_text};
use super::terms;
use crate::frame::figures::{amount_text, limit_text};
use crate::frame::{Draft, Posted, Shopkeeper, go_saying};

type Path = Segments<(WorkspaceId, PlatformId, PlanId)>;

pub(super) async fn show(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    keeper: Shopkeeper,
) -> Result<Markup, Problem> {
    let (plan, features) = load(&app, &keeper, id).await?;
    let draft = Draft::of(terms::fields_of(&plan.current, &features));
    Ok(page(&keeper, &plan, &features, &draft))
}

async fn load(app: &App, keeper: &Shopkeeper, id: PlanId) -> Result<(Plan, Vec<Feature>)> {
    let plan = plans::get(app, &keeper.caller, id).await?;
    let features = features::list(app, &keeper.caller, false, &all()).await?.data;
    Ok((plan, features))
}

pub(super) async fn publish(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    keeper.member.caller.require(Permission::PlatformsManage)?;
    let (plan, features) = load(&app, &keeper, id).await?;
    let published = match terms::read(&entries, &features) {
        Ok((terms, listed)) => plans::publish(&app, &keeper.caller, id, &terms)
            .await
            .map_err(|error| listed.place(error)),
        Err(error) => Err(error),
    };
    match published {
        Ok(plan) => {
            let notice = format!(
                "Version {} is published: new subscriptions get it.",
                plan.current.version
            );
            Ok(go_saying(&app, &keeper.href(&format!("/plans/{id}")), &notice)?)
        }
        Err(error) => entries.again(error, |draft| page(&keeper, &plan, &features, &draft)),
    }
}

pub(super) async fn make_default(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    Posted(keeper, _): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    let change = PlanChange {
        is_default: Some(true),
        ..PlanChange::default()
    };
    plans::update(&app, &keeper.caller, id, &change).await?;
    let notice = "New customers get this plan from now on.";
    Ok(go_saying(&app, &keeper.href(&format!("/plans/{id}")), notice)?)
}

pub(super) async fn archive(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    Posted(keeper, _): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    plans::archive(&app, &keeper.caller, id).await?;
    Ok(go_saying(&app, &keeper.href("/plans"), "Plan archived.")?)
}

fn page(keeper: &Shopkeeper, plan: &Plan, features: &[Feature], draft: &Draft) -> Markup {
    let may = keeper.may(Permission::PlatformsManage) && plan.archived_at.is_none();
    let here = keeper.href(&format!("/plans/{}", plan.id));
    let path = |action: &str| keeper.href(&format!("/plans/{}/{action}", plan.id));
    let actions = html! {
        @if may {
            @if !plan.is_default { (Button::secondary("Make default").post(path("default"), keeper.csrf())) }
            (Button::danger_quiet("Archive").icon(Icon::Archive).opens("archive"))
        }
    };
    let badges = html! {
            @if plan.is_default { (Badge::new("Default", Tone::Accent)) }
            @if plan.archived_at.is_some() { (Badge::status("archived")) }
    };
    let header = keeper.header(&plan.name, badges).actions(actions);
    let about = Kv::new()
        .row("Key", copyable(&plan.key))
        .row("Group", html! { code { (plan.group) } })
        .row("Price", price_text(plan.current.price.as_ref()))
        .row(
            "Version",
            format!(
                "{}, since {}",
                plan.current.version,
                time::date_text(plan.current.created_at)
            ),
        )
        .row("Plan id", copyable(&plan.id.to_string()));
    let publish = Form::post(here, keeper.csrf())
        .part(terms::price_part(draft))
        .part(terms::features_part(draft, features))
        .actions(Button::primary(format!(
            "Publish version {}",
            plan.current.version + 1
        )));
    let content = html! {
        div.grid {
            (Card::titled("Plan").body(about))
            (Card::titled("What it gives").flush(given(plan, features)))
        }
        @if may {
            (Card::titled("Next version")
                .description("New subscriptions get it. Those that run keep the version that was agreed on.")
                .body(html! { (draft.alert()) (publish) }))
            (Dialog::confirm(
                "archive",
                format!("Archive {}?", plan.name),
                "Nobody can subscribe to it any more. Customers who have it keep it.",
                Button::danger("Archive plan"),
                &path("archive"),
                keeper.csrf(),
            ))
        }
    };
    keeper.page(("Plans", "/plans"), &plan.name, header, content)
}

fn given(plan: &Plan, features: &[Feature]) -> Table {
    let rows = plan.current.entitlements.iter().map(|given| {
        let feature = features.iter().find(|feature| feature.key == given.feature);
        let name = feature.map_or(given.feature.as_str(), |feature| feature.name.as_str());
        let is_boolean = feature.is_some_and(|feature| feature.kind == features::FeatureKind::Boolean);
        Row::new([
            Cell::two_lines(name, html! { code { (given.feature) } }),
            match is_boolean {
                true => Cell::from("On"),
                false => Cell::from(limit_text(given.limit.as_ref())),
            },
            Cell::from(beyond(given)),
        ])
    });
    let columns = [
        Column::text("Feature"),
        Column::number("Limit"),
        Column::text("Beyond it").wide_only(),
    ];
    let empty = Empty::new(
        Icon::Adjustments,
        "It gives nothing",
        "Publish a version that includes features.",
    );
    Table::new("What the plan gives", columns).rows(rows).empty(empty)
}

fn beyond(given: &PlanEntitlement) -> String {
    match (&given.overage, &given.limit) {
        (_, None) => String::new(),
        (OverageForm::Deny {}, _) => "Refused".to_owned(),
        (OverageForm::Soft { cap }, _) => format!("{} more given", amount_text(cap)),
        (OverageForm::Bill { cap: Some(cap) }, _) => format!("{} more sold", amount_text(cap)),
        (OverageForm::Bill { cap: None }, _) => "Sold without end".to_owned(),
    }
}
