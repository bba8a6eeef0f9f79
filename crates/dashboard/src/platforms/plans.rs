//! What a platform sells: plans in groups, and new ones of both.

use axum::extract::State;
use axum::response::Response;
use commerce::features::{self, Feature};
use commerce::plans::{self, Interval, NewPlan, Plan, PlanGroup, Price};
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Params, Problem};
use serde::Deserialize;
use types::page::MAX_LIMIT;
use types::{PageRequest, Permission, Result};
use ui::form::{Choice, columns};
use ui::{Badge, Button, Card, Cell, Column, Empty, Field, Form, Icon, Row, Table, Tone};

use super::{starter, terms};
use crate::frame::figures::money_text;
use crate::frame::{Draft, Entries, Posted, Shopkeeper, form_buttons, go_saying, with_parameter};

/// Everything there is of something that people make by hand, and that one page shows.
pub(super) fn all() -> PageRequest {
    PageRequest {
        limit: MAX_LIMIT,
        cursor: None,
    }
}

pub(super) async fn list(State(app): State<App>, keeper: Shopkeeper) -> Result<Markup, Problem> {
    let groups = plans::list_groups(&app, &keeper.caller, &all()).await?.data;
    let plans = plans::list(&app, &keeper.caller, true, &all()).await?.data;
    let may = keeper.may(Permission::PlatformsManage);
    let actions = html! {
        @if may {
            (Button::secondary("New group").href(keeper.href("/plans/groups/new")))
            @if !groups.is_empty() {
                (Button::primary("New plan").icon(Icon::Plus).href(keeper.href("/plans/new")))
            }
        }
    };
    let content = html! {
        @if groups.is_empty() {
            (Card::new().body(Empty::new(
                Icon::Tag,
                "No plans yet",
                "Plans stand in groups; a customer has one plan of each group at most.",
            )))
            @if may { (starter::offer(&keeper)) }
        }
        @for group in &groups {
            (group_card(&keeper, group, plans.iter().filter(|plan| plan.group_id == group.id), may))
        }
    };
    let description = "What customers subscribe to. A running subscription keeps its version.";
    Ok(keeper.view("/plans", description, actions, content))
}

fn group_card<'a>(
    keeper: &Shopkeeper,
    group: &PlanGroup,
    plans: impl Iterator<Item = &'a Plan>,
    may: bool,
) -> Card {
    let mut plans: Vec<&Plan> = plans.collect();
    plans.sort_by_key(|plan| (plan.archived_at.is_some(), plan.position));
    let rows = plans.into_iter().map(|plan| {
        let name = html! {
            (plan.name)
            @if plan.is_default { " " (Badge::new("Default", Tone::Accent)) }
            @if plan.archived_at.is_some() { " " (Badge::status("archived")) }
        };
        Row::new([
            Cell::two_lines(name, html! { code { (plan.key) } }),
            Cell::from(price_text(plan.current.price.as_ref())),
            Cell::from(plan.current.entitlements.len().to_string()),
            Cell::from(format!("v{}", plan.current.version)),
        ])
        .href(keeper.href(&format!("/plans/{}", plan.id)))
    });
    let columns = [
        Column::text("Plan"),
        Column::number("Price"),
        Column::number("Features").wide_only(),
        Column::number("Version"),
    ];
    let new = with_parameter(&keeper.href("/plans/new"), "group", &group.key);
    let empty = Empty::new(
        Icon::Tag,
        "No plans in this group",
        "Customers can have one of its plans.",
    );
    let table = Table::new(&group.name, columns).rows(rows).empty(empty);
    let card = Card::titled(&group.name)
        .description(format!("Group {}", group.key))
        .flush(table);
    if may {
        card.actions(Button::ghost("New plan").icon(Icon::Plus).small().href(new))
    } else {
        card
    }
}

/// What a plan costs: `$29 a month`.
pub(crate) fn price_text(price: Option<&Price>) -> String {
    let Some(price) = price else {
        return "Custom".to_owned();
    };
    if price.amount.amount_minor == 0 {
        return "Free".to_owned();
    }
    let seat = if price.per_seat { " per seat" } else { "" };
    let interval = match price.interval {
        Interval::Month => " a month",
        Interval::Year => " a year",
        Interval::OneTime => " once",
    };
    format!("{}{seat}{interval}", money_text(price.amount))
}

#[derive(Deserialize)]
pub(super) struct NewQuery {
    group: Option<String>,
}

pub(super) async fn fresh(
    State(app): State<App>,
    keeper: Shopkeeper,
    Params(query): Params<NewQuery>,
) -> Result<Markup, Problem> {
    keeper.member.caller.require(Permission::PlatformsManage)?;
    let parts = Parts::load(&app, &keeper).await?;
    Ok(parts.page(&keeper, &Draft::of(query.group.map(|group| ("group", group)))))
}

pub(super) async fn create(
    State(app): State<App>,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    keeper.member.caller.require(Permission::PlatformsManage)?;
    let parts = Parts::load(&app, &keeper).await?;
    let created = match parts.read(&entries) {
        Ok((new, listed)) => plans::create(&app, &keeper.caller, &new)
            .await
            .map_err(|error| listed.place(error)),
        Err(error) => Err(error),
    };
    match created {
        Ok(plan) => {
            let path = keeper.href(&format!("/plans/{}", plan.id));
            Ok(go_saying(&app, &path, "Plan created.")?)
        }
        Err(error) => entries.again(error, |draft| parts.page(&keeper, &draft)),
    }
}

/// What a new plan's form is made of.
struct Parts {
    groups: Vec<PlanGroup>,
    features: Vec<Feature>,
}

impl Parts {
    async fn load(app: &App, keeper: &Shopkeeper) -> Result<Self> {
        Ok(Parts {
            groups: plans::list_groups(app, &keeper.caller, &all()).await?.data,
            features: features::list(app, &keeper.caller, false, &all()).await?.data,
        })
    }

    fn read(&self, entries: &Entries) -> Result<(NewPlan, terms::Listed)> {
        let (terms, listed) = terms::read(entries, &self.features)?;
        let position = entries.parsed_if_filled("position", "must be a whole number")?;
        let new = NewPlan {
            group: entries.text("group").to_owned(),
            key: entries.text("key").to_owned(),
            name: entries.text("name").to_owned(),
            is_default: entries.ticked("default"),
            position: position.unwrap_or(0),
            terms,
        };
        Ok((new, listed))
    }

    fn page(&self, keeper: &Shopkeeper, draft: &Draft) -> Markup {
        let groups = self
            .groups
            .iter()
            .map(|group| Choice::new(&group.key, &group.name));
        let group = Field::select("group", "Group", groups.collect::<Vec<_>>());
        let name = Field::text("name", "Name")
            .required()
            .max_length(200)
            .autofocus()
            .placeholder("Pro");
        let key = Field::text("key", "Key")
            .required()
            .max_length(63)
            .code()
            .placeholder("pro");
        let is_default = Field::checkbox(
            "default",
            "New customers get it",
            draft.ticked("default", "yes", false),
        );
        let form = Form::post(keeper.href("/plans/new"), keeper.csrf())
            .part(columns(html! {
                (draft.fill("name", name))
                (draft.fill("key", key).help("What your code calls it. It never changes."))
            }))
            .part(columns(html! {
                (draft.fill("group", group).help("A customer has one plan of each group at most."))
                (draft.fill("position", Field::number("position", "Position").optional().min(0))
                    .help("Where it stands among the plans of its group."))
            }))
            .part(
                is_default
                    .value("yes")
                    .help("In place of the group's default so far."),
            )
            .part(terms::price_part(draft))
            .part(terms::features_part(draft, &self.features))
            .actions(form_buttons("Create plan", keeper.href("/plans")));
        let header = keeper
            .header("New plan", "")
            .description("What it costs and gives is its first version.");
        let card = Card::new().body(html! { (draft.alert()) (form) });
        keeper.page(("Plans", "/plans"), "New plan", header, card)
    }
}

pub(super) async fn fresh_group(keeper: Shopkeeper) -> Result<Markup, Problem> {
    keeper.member.caller.require(Permission::PlatformsManage)?;
    Ok(group_page(&keeper, &Draft::default()))
}

pub(super) async fn create_group(
    State(app): State<App>,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    let (key, name) = (entries.text("key"), entries.text("name"));
    match plans::create_group(&app, &keeper.caller, key, name).await {
        Ok(_) => Ok(go_saying(&app, &keeper.href("/plans"), "Group created.")?),
        Err(error) => entries.again(error, |draft| group_page(&keeper, &draft)),
    }
}

fn group_page(keeper: &Shopkeeper, draft: &Draft) -> Markup {
    let name = Field::text("name", "Name")
        .required()
        .max_length(200)
        .autofocus()
        .placeholder("API");
    let key = Field::text("key", "Key")
        .required()
        .max_length(63)
        .code()
        .placeholder("api");
    let form = Form::post(keeper.href("/plans/groups/new"), keeper.csrf())
        .part(columns(html! {
            (draft.fill("name", name))
            (draft.fill("key", key).help("What your code calls it. It never changes."))
        }))
        .actions(form_buttons("Create group", keeper.href("/plans")));
    let header = keeper.header("New plan group", "").description(
        "Plans that stand beside each other, such as Free, Pro and Team. A customer has one of them.",
    );
    let card = Card::new().body(html! { (draft.alert()) (form) });
    keeper.page(("Plans", "/plans"), "New plan group", header, card)
}
