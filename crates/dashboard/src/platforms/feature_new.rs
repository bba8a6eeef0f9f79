//! A new feature.

use axum::extract::State;
use axum::response::Response;
use commerce::features::{self, AggregationForm, FeatureKind, MeterForm, NewFeature, PeriodForm};
use maud::{Markup, html};
use runtime::App;
use runtime::http::Problem;
use types::{Error, Permission, Result};
use ui::form::{Choice, columns, fieldset};
use ui::{Card, Field, Form};

use crate::frame::{Draft, Entries, Posted, Shopkeeper, form_buttons, go_saying};

const AGGREGATIONS: [(&str, &str, AggregationForm); 4] = [
    ("sum", "Add the amounts", AggregationForm::Sum),
    ("count", "Count events", AggregationForm::Count),
    ("max", "Keep the largest amount", AggregationForm::Max),
    ("last", "Keep the latest amount", AggregationForm::Last),
];

const PERIODS: [(&str, &str, PeriodForm); 6] = [
    ("month", "Each month", PeriodForm::Month),
    ("hour", "Each hour", PeriodForm::Hour),
    ("day", "Each day", PeriodForm::Day),
    ("week", "Each week", PeriodForm::Week),
    ("year", "Each year", PeriodForm::Year),
    ("never", "Never", PeriodForm::Never),
];

const KINDS: [(&str, FeatureKind); 3] = [
    ("metered", FeatureKind::Metered),
    ("integer", FeatureKind::Integer),
    ("boolean", FeatureKind::Boolean),
];

pub(super) async fn show(keeper: Shopkeeper) -> Result<Markup, Problem> {
    keeper.member.caller.require(Permission::PlatformsManage)?;
    Ok(page(&keeper, &Draft::default()))
}

pub(super) async fn submit(
    State(app): State<App>,
    Posted(keeper, entries): Posted<Shopkeeper>,
) -> Result<Response, Problem> {
    let created = match input(&entries) {
        Ok(new) => features::create(&app, &keeper.caller, &new).await,
        Err(error) => Err(error),
    };
    match created {
        Ok(_) => Ok(go_saying(&app, &keeper.href("/features"), "Feature created.")?),
        Err(error) => entries.again(error, |draft| page(&keeper, &draft)),
    }
}

fn input(entries: &Entries) -> Result<NewFeature> {
    let kind = KINDS.iter().find(|(word, _)| *word == entries.text("kind"));
    let (_, kind) = kind.ok_or_else(|| Error::invalid("kind", "choose what kind of feature it is"))?;
    Ok(NewFeature {
        key: entries.text("key").to_owned(),
        name: entries.text("name").to_owned(),
        kind: *kind,
        unit: entries.filled("unit").map(str::to_owned),
        meter: match kind {
            FeatureKind::Metered => Some(meter(entries)?),
            _ => None,
        },
        dimensions: Vec::new(),
    })
}

fn meter(entries: &Entries) -> Result<MeterForm> {
    let aggregation = AGGREGATIONS.iter().find(|it| it.0 == entries.text("aggregation"));
    let period = PERIODS.iter().find(|it| it.0 == entries.text("period"));
    let scale = entries.parsed_if_filled("meter.scale", "must be a number from 0 to 9")?;
    Ok(MeterForm {
        aggregation: aggregation
            .ok_or_else(|| Error::invalid("aggregation", "choose how it counts"))?
            .2,
        unique_cap: None,
        scale: scale.unwrap_or(0),
        period: period
            .ok_or_else(|| Error::invalid("period", "choose when it starts again"))?
            .2,
        rolling_secs: None,
        rolling_buckets: None,
    })
}

fn page(keeper: &Shopkeeper, draft: &Draft) -> Markup {
    let kinds = [
        Choice::new("metered", "Metered").help("How much may be used in a period: calls, tokens, gigabytes."),
        Choice::new("integer", "Number").help("How many may exist at once: seats, projects."),
        Choice::new("boolean", "On or off").help("In a plan or not: single sign-on."),
    ];
    let choices = |all: &[(&str, &str)]| -> Vec<Choice> {
        all.iter()
            .map(|(value, label)| Choice::new(*value, *label))
            .collect()
    };
    let aggregations: Vec<_> = AGGREGATIONS.iter().map(|it| (it.0, it.1)).collect();
    let periods: Vec<_> = PERIODS.iter().map(|it| (it.0, it.1)).collect();
    let name = Field::text("name", "Name").required().max_length(200).autofocus();
    let key = Field::text("key", "Key").required().max_length(63).code();
    let unit = Field::text("unit", "Unit")
        .optional()
        .max_length(40)
        .placeholder("call");
    let scale = Field::number("meter.scale", "Decimal places").min(0).max(9);
    let counting = html! {
        (columns(html! {
            (draft.fill("aggregation", Field::select("aggregation", "Counts", choices(&aggregations))))
            (draft.fill("period", Field::select("period", "Starts again", choices(&periods))))
        }))
        (columns(html! {
            (draft.fill("unit", unit).help("What one of it is called."))
            (scale.value(draft.value_or("meter.scale", "0")).errors(draft.errors()).help("0 for things that are counted."))
        }))
    };
    let form = Form::post(keeper.href("/features/new"), keeper.csrf())
        .part(columns(html! {
            (draft.fill("name", name).placeholder("API calls"))
            (draft.fill("key", key).placeholder("calls").help("What your code calls it. It never changes."))
        }))
        .part(
            Field::radio("kind", "Kind", kinds)
                .value(draft.value_or("kind", "metered"))
                .errors(draft.errors()),
        )
        .part(fieldset(
            "How it counts",
            Some("For metered features. Fixed once the feature is made."),
            counting,
        ))
        .actions(form_buttons("Create feature", keeper.href("/features")));
    let header = keeper
        .header("New feature", "")
        .description("Something that your plans give.");
    let card = Card::new().body(html! { (draft.alert()) (form) });
    keeper.page(("Features", "/features"), "New feature", header, card)
}
