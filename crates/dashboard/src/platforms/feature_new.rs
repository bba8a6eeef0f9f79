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

use crate::frame::{Draft, Entries, Posted, Shopkeeper, form_buttons, go_saying, renamed};

const AGGREGATIONS: [(&str, &str, AggregationForm); 5] = [
    ("sum", "Add the amounts", AggregationForm::Sum),
    ("count", "Count events", AggregationForm::Count),
    ("max", "Keep the largest amount", AggregationForm::Max),
    ("last", "Keep the latest amount", AggregationForm::Last),
    ("unique", "Count distinct members", AggregationForm::Unique),
];

const PERIODS: [(&str, &str, PeriodForm); 7] = [
    ("month", "Each month", PeriodForm::Month),
    ("hour", "Each hour", PeriodForm::Hour),
    ("day", "Each day", PeriodForm::Day),
    ("week", "Each week", PeriodForm::Week),
    ("year", "Each year", PeriodForm::Year),
    ("never", "Never", PeriodForm::Never),
    (
        "rolling",
        "Little by little, in a rolling window",
        PeriodForm::Rolling,
    ),
];

const MINUTE_SECS: u32 = 60;

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
    match created.map_err(as_fields) {
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
        dimensions: dimensions(entries),
    })
}

/// Names with commas between them.
fn dimensions(entries: &Entries) -> Vec<String> {
    let names = entries.text("dimensions").split(',').map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// An error with the names of the form's fields: its names of dimensions are all in one.
fn as_fields(error: Error) -> Error {
    renamed(error, |field| match field {
        field if field.starts_with("dimensions") => "dimensions".to_owned(),
        other => other.to_owned(),
    })
}

fn meter(entries: &Entries) -> Result<MeterForm> {
    let aggregation = AGGREGATIONS.iter().find(|it| it.0 == entries.text("aggregation"));
    let period = PERIODS.iter().find(|it| it.0 == entries.text("period"));
    let scale = entries.parsed_if_filled("meter.scale", "must be a number from 0 to 9")?;
    let whole = "must be a whole number";
    let cap = entries.parsed_if_filled("meter.unique_cap", whole)?;
    let minutes: Option<u32> =
        entries.parsed_if_filled("meter.rolling_secs", "must be a whole number of minutes")?;
    Ok(MeterForm {
        aggregation: aggregation
            .ok_or_else(|| Error::invalid("aggregation", "choose how it counts"))?
            .2,
        unique_cap: cap,
        scale: scale.unwrap_or(0),
        period: period
            .ok_or_else(|| Error::invalid("period", "choose when it starts again"))?
            .2,
        rolling_secs: minutes.map(|minutes| minutes.saturating_mul(MINUTE_SECS)),
        rolling_buckets: entries.parsed_if_filled("meter.rolling_buckets", whole)?,
    })
}

fn page(keeper: &Shopkeeper, draft: &Draft) -> Markup {
    let kinds = [
        Choice::new("metered", "Metered").help("How much may be used in a period: calls, tokens, gigabytes."),
        Choice::new("integer", "Number").help("How many may exist at once: seats, projects."),
        Choice::new("boolean", "On or off").help("In a plan or not: single sign-on."),
    ];
    let name = Field::text("name", "Name").required().max_length(200).autofocus();
    let key = Field::text("key", "Key").required().max_length(63).code();
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
            counting_part(draft),
        ))
        .part(fieldset(
            "Distinct members and rolling windows",
            Some("Left empty for everything else."),
            special_part(draft),
        ))
        .actions(form_buttons("Create feature", keeper.href("/features")));
    let header = keeper
        .header("New feature", "")
        .description("Something that your plans give.");
    let card = Card::new().body(html! { (draft.alert()) (form) });
    keeper.page(("Features", "/features"), "New feature", header, card)
}

fn counting_part(draft: &Draft) -> Markup {
    let aggregations = AGGREGATIONS.map(|(value, label, _)| Choice::new(value, label));
    let periods = PERIODS.map(|(value, label, _)| Choice::new(value, label));
    let unit = Field::text("unit", "Unit")
        .optional()
        .max_length(40)
        .placeholder("call");
    let scale = Field::number("meter.scale", "Decimal places").min(0).max(9);
    let dimensions = Field::text("dimensions", "Dimensions")
        .optional()
        .code()
        .placeholder("model, region");
    html! {
        (columns(html! {
            (draft.fill("aggregation", Field::select("aggregation", "Counts", aggregations.to_vec())))
            (draft.fill("period", Field::select("period", "Starts again", periods.to_vec())))
        }))
        (columns(html! {
            (draft.fill("unit", unit).help("What one of it is called."))
            (scale.value(draft.value_or("meter.scale", "0")).errors(draft.errors()).help("0 for things that are counted."))
        }))
        (draft.fill("dimensions", dimensions)
            .help("What your calls say of each use, to break it down by: at most 8 names with commas between them."))
    }
}

/// What only some ways of counting ask for.
fn special_part(draft: &Draft) -> Markup {
    let cap = Field::number("meter.unique_cap", "Most members")
        .optional()
        .min(1)
        .max(1_000_000);
    let window = Field::number("meter.rolling_secs", "Window")
        .optional()
        .min(1)
        .suffix("minutes");
    let buckets = Field::number("meter.rolling_buckets", "Kept in")
        .optional()
        .min(1)
        .max(120)
        .suffix("parts");
    html! {
        (columns(html! {
            (draft.fill("meter.unique_cap", cap).help("For distinct members. Empty: 100,000."))
            (draft.fill("meter.rolling_secs", window).help("For a rolling window: how far it looks back."))
            (draft.fill("meter.rolling_buckets", buckets).help("How finely. Empty: 60."))
        }))
    }
}
