//! How fast calls may come on a platform: its rules, a new one, changes of one, and taking one away.

use axum::extract::State;
use axum::response::Response;
use commerce::features::{self, Feature, FeatureKind};
use commerce::plans::{self, Plan};
use commerce::rate_limits::{self, RateLimit, RateLimitCreate, RateLimitUpdate, RateSubject};
use maud::{Markup, html};
use runtime::App;
use runtime::http::{Problem, Segments};
use types::id::{PlatformId, RateLimitId, WorkspaceId};
use types::page::MAX_LIMIT;
use types::{Error, PageRequest, Permission, Result};
use ui::code::copyable;
use ui::dialog::Dialog;
use ui::form::{Choice, columns, fieldset};
use ui::{Button, Card, Cell, Column, Empty, Field, Form, Icon, Kv, Row, Table, number, time};

use crate::frame::figures::per_phrase;
use crate::frame::{Draft, Entries, Posted, Shopkeeper, form_buttons, go_saying};

const SUBJECTS: [(&str, &str, RateSubject); 3] = [
    ("customer", "Each customer", RateSubject::Customer),
    ("end_user", "Each end user", RateSubject::EndUser),
    ("api_key", "Each key", RateSubject::ApiKey),
];

const TIMES: [(&str, &str); 4] = [
    ("1", "A second"),
    ("60", "A minute"),
    ("3600", "An hour"),
    ("86400", "A day"),
];

type Path = Segments<(WorkspaceId, PlatformId, RateLimitId)>;

fn all() -> PageRequest {
    PageRequest {
        limit: MAX_LIMIT,
        cursor: None,
    }
}

fn subject_text(subject: RateSubject) -> &'static str {
    let known = SUBJECTS.iter().find(|(_, _, known)| *known == subject);
    known.map_or("", |(_, label, _)| label)
}

/// `60 calls in a minute, 10 at once`.
fn rate_text(rule: &RateLimit) -> String {
    let calls = number::counted(rule.limit.into(), "call", "calls");
    let text = format!("{calls} in {}", per_phrase(rule.per_secs));
    match rule.burst.filter(|burst| *burst != rule.limit) {
        Some(burst) => format!("{text}, {} at once", number::thousands(burst.into())),
        None => text,
    }
}

/// What a call must be for the rule to count it, part by part.
fn selects(rule: &RateLimit) -> Vec<(&'static str, String)> {
    let parts = [
        ("Plan", rule.plan.clone()),
        ("Customer", rule.customer.map(|id| id.to_string())),
        ("Feature", rule.feature.clone()),
        ("Route", rule.route.clone()),
    ];
    let named = parts.into_iter().filter_map(|(name, value)| Some((name, value?)));
    named.collect()
}

/// The rules, as a card of the platform's settings.
pub(super) async fn card(app: &App, keeper: &Shopkeeper) -> Result<Card> {
    let rules = rate_limits::list(app, &keeper.caller, &all()).await?.data;
    let may = keeper.may(Permission::PlatformsManage);
    let rows = rules.iter().map(|rule| {
        let selects = selects(rule);
        let selects = html! {
            @if selects.is_empty() { span.muted { "Every call" } }
            @else { span.tags { @for (name, value) in selects { span.tag { (name) ": " (value) } } } }
        };
        Row::new([
            Cell::two_lines(rule.name.as_str(), rate_text(rule)),
            Cell::from(subject_text(rule.applies_to)),
            Cell::new(selects),
        ])
        .href(keeper.href(&format!("/settings/rate-limits/{}", rule.id)))
    });
    let columns = [
        Column::text("Rate limit"),
        Column::text("For"),
        Column::text("Counts").wide_only(),
    ];
    let empty = Empty::new(
        Icon::Gauge,
        "No rate limits.",
        "Calls may come as fast as they like, until a quota is used up.",
    );
    let new = Button::secondary("New rate limit")
        .icon(Icon::Plus)
        .small()
        .href(keeper.href("/settings/rate-limits/new"));
    let card = Card::titled("Rate limits")
        .description("How fast calls may come, decided together with the quotas.")
        .flush(Table::new("Rate limits", columns).rows(rows).empty(empty.quiet()));
    Ok(if may { card.actions(new) } else { card })
}

pub(super) async fn fresh(State(app): State<App>, keeper: Shopkeeper) -> Result<Markup, Problem> {
    keeper.member.caller.require(Permission::PlatformsManage)?;
    let parts = Parts::load(&app, &keeper).await?;
    Ok(parts.page(&keeper, &Draft::default()))
}

pub(super) async fn create(
    State(app): State<App>,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    let created = match read(&entries) {
        Ok(new) => rate_limits::create(&app, &keeper.caller, &new).await,
        Err(error) => Err(error),
    };
    match created {
        Ok(_) => Ok(go_saying(
            &app,
            &keeper.href("/settings"),
            "Rate limit made: it holds from now on.",
        )?),
        Err(error) => {
            let error = as_refusal(error);
            let parts = Parts::load(&app, &keeper).await?;
            entries.again(error, |draft| parts.page(&keeper, &draft))
        }
    }
}

/// A customer who is not there is something to put right in the form.
fn as_refusal(error: Error) -> Error {
    match error.code() {
        types::ErrorCode::NotFound => Error::invalid("customer", "there is no such customer"),
        _ => error,
    }
}

fn read(entries: &Entries) -> Result<RateLimitCreate> {
    let filled = |name: &str| entries.filled(name).map(str::to_owned);
    let subject = SUBJECTS.iter().find(|it| it.0 == entries.text("applies_to"));
    let (_, _, applies_to) = subject.ok_or_else(|| Error::invalid("applies_to", "choose whom it limits"))?;
    let (limit, per_secs, burst) = rate(entries)?;
    Ok(RateLimitCreate {
        name: entries.text("name").to_owned(),
        applies_to: *applies_to,
        limit,
        per_secs,
        burst,
        plan: filled("plan"),
        customer: entries.filled("customer").map(str::parse).transpose()?,
        feature: filled("feature"),
        route: filled("route"),
    })
}

fn rate(entries: &Entries) -> Result<(u32, u32, Option<u32>)> {
    let right = "must be a whole number";
    Ok((
        entries.parsed("limit", right)?,
        entries.parsed("per_secs", right)?,
        entries.parsed_if_filled("burst", right)?,
    ))
}

/// What the form of a new rule is made of.
struct Parts {
    plans: Vec<Plan>,
    features: Vec<Feature>,
}

impl Parts {
    async fn load(app: &App, keeper: &Shopkeeper) -> Result<Self> {
        let mut features = features::list(app, &keeper.caller, false, &all()).await?.data;
        features.retain(|feature| feature.kind == FeatureKind::Metered);
        Ok(Parts {
            plans: plans::list(app, &keeper.caller, false, &all()).await?.data,
            features,
        })
    }

    fn page(&self, keeper: &Shopkeeper, draft: &Draft) -> Markup {
        let subjects = SUBJECTS.map(|(value, label, _)| Choice::new(value, label));
        let form = Form::post(keeper.href("/settings/rate-limits/new"), keeper.csrf())
            .part(columns(html! {
                (name_field(draft).autofocus())
                (draft.fill("applies_to", Field::select("applies_to", "Limits", subjects.to_vec()))
                    .help("Each of them for themselves."))
            }))
            .part(rate_part(draft))
            .part(self.selection_part(draft))
            .actions(form_buttons("Make rate limit", keeper.href("/settings")));
        let header = keeper
            .header("New rate limit", "")
            .description("It holds from the next call on, on every node within a second.");
        let card = Card::new().body(html! { (draft.alert()) (form) });
        keeper.page(("Settings", "/settings"), "New rate limit", header, card)
    }

    fn selection_part(&self, draft: &Draft) -> Markup {
        let plans = std::iter::once(Choice::new("", "Every plan")).chain(
            self.plans
                .iter()
                .map(|plan| Choice::new(plan.id.to_string(), format!("{} ({})", plan.name, plan.group))),
        );
        let features = std::iter::once(Choice::new("", "Every feature")).chain(
            self.features
                .iter()
                .map(|feature| Choice::new(&feature.key, &feature.name)),
        );
        let customer = Field::text("customer", "Customer")
            .optional()
            .max_length(255)
            .code();
        let route = Field::text("route", "Route").optional().max_length(200).code();
        let fields = columns(html! {
            (draft.fill("plan", Field::select("plan", "Plan", plans.collect::<Vec<_>>())))
            (draft.fill("feature", Field::select("feature", "Feature", features.collect::<Vec<_>>())))
            (draft.fill("customer", customer).placeholder("acme").help("By id or external id."))
            (draft.fill("route", route).placeholder("POST /render").help("Just what your code sends as route."))
        });
        let help = "Only calls that are all of this. It never changes: that would be another limit.";
        fieldset("What it counts", Some(help), fields)
    }
}

fn name_field(draft: &Draft) -> Field {
    let name = Field::text("name", "Name").required().max_length(100);
    draft.fill("name", name).placeholder("Free plan")
}

fn rate_part(draft: &Draft) -> Markup {
    let chosen = draft.value_or("per_secs", "60").to_owned();
    let mut times: Vec<Choice> = TIMES.map(|(value, label)| Choice::new(value, label)).to_vec();
    if let Ok(secs) = chosen.parse()
        && !TIMES.iter().any(|(value, _)| *value == chosen)
    {
        times.push(Choice::new(&chosen, per_phrase(secs)));
    }
    let limit = Field::number("limit", "Calls").required().min(1).max(1_000_000);
    let burst = Field::number("burst", "At once").optional().min(1).max(1_000_000);
    columns(html! {
        (draft.fill("limit", limit))
        (Field::select("per_secs", "In", times).value(chosen).errors(draft.errors()))
        (draft.fill("burst", burst).help("Empty: as many as that."))
    })
}

pub(super) async fn show(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    keeper: Shopkeeper,
) -> Result<Markup, Problem> {
    let rule = rate_limits::get(&app, &keeper.caller, id).await?;
    let fields = [
        ("name", rule.name.clone()),
        ("limit", rule.limit.to_string()),
        ("per_secs", rule.per_secs.to_string()),
        (
            "burst",
            rule.burst.map(|burst| burst.to_string()).unwrap_or_default(),
        ),
    ];
    Ok(page(&keeper, &rule, &Draft::of(fields)))
}

pub(super) async fn save(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    let rule = rate_limits::get(&app, &keeper.caller, id).await?;
    let saved = match rate(&entries) {
        Err(error) => Err(error),
        Ok((limit, per_secs, burst)) => {
            let change = RateLimitUpdate {
                name: Some(entries.text("name").to_owned()),
                limit: Some(limit),
                per_secs: Some(per_secs),
                burst: Some(burst),
            };
            rate_limits::update(&app, &keeper.caller, id, &change).await
        }
    };
    match saved {
        Ok(_) => Ok(go_saying(&app, &keeper.href("/settings"), "Changes saved.")?),
        Err(error) => entries.again(error, |draft| page(&keeper, &rule, &draft)),
    }
}

pub(super) async fn remove(
    State(app): State<App>,
    Segments((_, _, id)): Path,
    Posted(keeper, _): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    rate_limits::delete(&app, &keeper.caller, id).await?;
    Ok(go_saying(&app, &keeper.href("/settings"), "Rate limit removed.")?)
}

fn page(keeper: &Shopkeeper, rule: &RateLimit, draft: &Draft) -> Markup {
    let may = keeper.may(Permission::PlatformsManage);
    let here = keeper.href(&format!("/settings/rate-limits/{}", rule.id));
    let header = keeper.header(&rule.name, "").description(rate_text(rule));
    let header = match may {
        true => header.actions(Button::danger_quiet("Remove").icon(Icon::Trash).opens("remove")),
        false => header,
    };
    let about = Kv::new().row("Limits", subject_text(rule.applies_to));
    let about = selects(rule)
        .into_iter()
        .fold(about, |about, (name, value)| {
            about.row(name, html! { code { (value) } })
        })
        .row("Rate limit id", copyable(&rule.id.to_string()))
        .row("Created", time::date(rule.created_at));
    let form = Form::post(here, keeper.csrf())
        .part(name_field(draft))
        .part(rate_part(draft))
        .actions(Button::primary("Save changes"));
    let content = html! {
        (Card::titled("Rate limit").body(about))
        @if may {
            (Card::titled("How fast").description("What was taken from it stays taken.")
                .body(html! { div.stack { (draft.alert()) (form) } }))
            (Dialog::confirm(
                "remove",
                format!("Remove {}?", rule.name),
                "Calls are not slowed down by it any more, on every node within a second.",
                Button::danger("Remove rate limit"),
                &keeper.href(&format!("/settings/rate-limits/{}/remove", rule.id)),
                keeper.csrf(),
            ))
        }
    };
    keeper.page(("Settings", "/settings"), &rule.name, header, content)
}
