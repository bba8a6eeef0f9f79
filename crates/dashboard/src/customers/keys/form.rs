//! What a key may do and use up, as a form: a new key and a changed one have the same fields.

use commerce::Amount;
use commerce::customer_keys::{
    CreditsInput, CustomerKey, KeyLimitInput, MAX_RATE_LIMITS, RateLimitForm, RefillForm, RefillPeriod,
};
use commerce::features::{AggregationForm, Feature, MeterForm, PeriodForm};
use maud::{Markup, html};
use types::{Error, Result};
use ui::Field;
use ui::form::{Choice, columns, fieldset};

use crate::frame::figures::amount_entry;
use crate::frame::{Draft, Entries, placed, renamed};

const REFILLS: [(&str, &str, Option<RefillPeriod>); 4] = [
    ("", "Never", None),
    ("day", "Each day", Some(RefillPeriod::Day)),
    ("week", "Each week", Some(RefillPeriod::Week)),
    ("month", "Each month", Some(RefillPeriod::Month)),
];

const PERIODS: [(&str, &str, Option<PeriodForm>); 7] = [
    ("", "As the feature", None),
    ("hour", "Each hour", Some(PeriodForm::Hour)),
    ("day", "Each day", Some(PeriodForm::Day)),
    ("week", "Each week", Some(PeriodForm::Week)),
    ("month", "Each month", Some(PeriodForm::Month)),
    ("year", "Each year", Some(PeriodForm::Year)),
    ("never", "In total", Some(PeriodForm::Never)),
];

/// What of a key the form says, beside its name.
pub(super) struct Wanted {
    pub permissions: Vec<String>,
    pub rate_limits: Vec<RateLimitForm>,
    pub limits: Vec<KeyLimitInput>,
}

/// Where the form's rows that were filled in stand.
#[derive(Default)]
pub(super) struct Filled {
    rates: Vec<usize>,
    limits: Vec<usize>,
}

impl Filled {
    /// An error with the names of the form's fields.
    pub(super) fn place(&self, error: Error) -> Error {
        renamed(error, |field| {
            if field.starts_with("permissions") {
                return "permissions".to_owned();
            }
            placed(field, "rate_limits", &self.rates)
                .or_else(|| placed(field, "limits", &self.limits))
                .unwrap_or_else(|| field.to_owned())
        })
    }
}

fn rate_name(index: usize, part: &str) -> String {
    format!("rate_limits[{index}].{part}")
}

fn limit_name(index: usize, part: &str) -> String {
    format!("limits[{index}].{part}")
}

/// Features that a key can have a quota of, in the order of the form.
pub(super) fn countable(features: Vec<Feature>) -> Vec<Feature> {
    let adds_up = |feature: &Feature| {
        let form = feature.meter.as_ref().map(MeterForm::from);
        form.is_some_and(|form| matches!(form.aggregation, AggregationForm::Sum | AggregationForm::Count))
    };
    features.into_iter().filter(adds_up).collect()
}

/// Reads the form, which was made of these features.
///
/// # Errors
/// `validation_failed`, naming the field at fault.
pub(super) fn read(entries: &Entries, features: &[Feature]) -> Result<(Wanted, Filled)> {
    let mut filled = Filled::default();
    let permissions = entries.text("permissions").split_whitespace().map(str::to_owned);
    let mut wanted = Wanted {
        permissions: permissions.collect(),
        rate_limits: Vec::new(),
        limits: Vec::new(),
    };
    for index in 0..MAX_RATE_LIMITS {
        if entries.filled(&rate_name(index, "limit")).is_some() {
            wanted.rate_limits.push(rate(entries, index)?);
            filled.rates.push(index);
        }
    }
    for (index, feature) in features.iter().enumerate() {
        if let Some(amount) = entries.filled(&limit_name(index, "amount")) {
            let word = entries.text(&limit_name(index, "period"));
            let period = PERIODS.iter().find(|it| it.0 == word).and_then(|it| it.2);
            wanted.limits.push(KeyLimitInput {
                feature: feature.key.clone(),
                amount: Amount::Decimal(amount.to_owned()),
                period,
            });
            filled.limits.push(index);
        }
    }
    Ok((wanted, filled))
}

fn rate(entries: &Entries, index: usize) -> Result<RateLimitForm> {
    let number = |part: &str| entries.parsed(&rate_name(index, part), "must be a whole number");
    let name = entries.filled(&rate_name(index, "name"));
    Ok(RateLimitForm {
        name: name.map_or_else(|| format!("rate_{}", index + 1), str::to_owned),
        limit: number("limit")?,
        per_secs: number("per_secs")?,
        burst: entries.parsed_if_filled(&rate_name(index, "burst"), "must be a whole number")?,
    })
}

/// The credits of a new key.
///
/// # Errors
/// As [`read`].
pub(super) fn read_credits(entries: &Entries) -> Result<Option<CreditsInput>> {
    let right = "must be a whole number";
    let amount: Option<i64> = entries.parsed_if_filled("credits.amount", right)?;
    let period = REFILLS
        .iter()
        .find(|it| it.0 == entries.text("credits.refill.period"))
        .and_then(|it| it.2);
    let refill: Option<i64> = entries.parsed_if_filled("credits.refill.amount", right)?;
    let Some(amount) = amount else { return Ok(None) };
    let refill = period.map(|period| RefillForm {
        period,
        amount: refill.unwrap_or(amount),
    });
    Ok(Some(CreditsInput { amount, refill }))
}

/// The form's fields of a key that there is.
pub(super) fn fields_of(key: &CustomerKey, features: &[Feature]) -> Vec<(String, String)> {
    let mut fields = vec![
        ("name".to_owned(), key.name.clone()),
        ("permissions".to_owned(), key.permissions.join("\n")),
    ];
    for (index, rate) in key.rate_limits.iter().enumerate() {
        let mut put = |part: &str, value: String| fields.push((rate_name(index, part), value));
        put("name", rate.name.clone());
        put("limit", rate.limit.to_string());
        put("per_secs", rate.per_secs.to_string());
        if let Some(burst) = rate.burst.filter(|burst| *burst != rate.limit) {
            put("burst", burst.to_string());
        }
    }
    for (index, feature) in features.iter().enumerate() {
        let Some(limit) = key.limits.iter().find(|limit| limit.feature == feature.key) else {
            continue;
        };
        fields.push((limit_name(index, "amount"), amount_entry(&limit.amount)));
        let own = feature.meter.as_ref().map(|meter| MeterForm::from(meter).period);
        let word = PERIODS
            .iter()
            .find(|it| it.2 == Some(limit.period) && own != Some(limit.period));
        if let Some((word, _, _)) = word {
            fields.push((limit_name(index, "period"), (*word).to_owned()));
        }
    }
    fields
}

pub(super) fn permissions_part(draft: &Draft) -> Markup {
    let field = Field::textarea("permissions", "Permissions", 3).optional().code();
    html! {
        (draft.fill("permissions", field).placeholder("documents.read")
            .help("What it may do, in your own words, one a line. Your code asks for them when it verifies the key."))
    }
}

pub(super) fn credits_part(draft: &Draft) -> Markup {
    let refills = REFILLS.map(|(value, label, _)| Choice::new(value, label));
    let amount = Field::number("credits.amount", "Credits").optional().min(0);
    let refill = Field::number("credits.refill.amount", "Refilled to")
        .optional()
        .min(0);
    let period = Field::select("credits.refill.period", "Refilled", refills.to_vec());
    let fields = columns(html! {
        (draft.fill("credits.amount", amount).help("Empty: as many calls as they like."))
        (draft.fill("credits.refill.period", period))
        (draft.fill("credits.refill.amount", refill).help("Empty: as many as at first."))
    });
    fieldset(
        "Credits",
        Some("How many calls the key is good for, whatever they are for."),
        fields,
    )
}

/// One row for each rate limit that there is, and one more.
pub(super) fn rates_part(draft: &Draft) -> Markup {
    let is_filled = |index: &usize| !draft.value(&rate_name(*index, "limit")).is_empty();
    let rows = (0..MAX_RATE_LIMITS)
        .filter(is_filled)
        .max()
        .map_or(1, |last| last + 2);
    let body = html! {
        @for index in 0..rows.min(MAX_RATE_LIMITS) { (rate_row(draft, index)) }
    };
    fieldset(
        "Rate limits",
        Some("How fast it may be used. An empty row is none."),
        body,
    )
}

fn rate_row(draft: &Draft, index: usize) -> Markup {
    let name = |part: &str| rate_name(index, part);
    let per_name = name("per_secs");
    let chosen = draft.value_or(&per_name, "60").to_owned();
    let times = [
        ("1", "A second"),
        ("60", "A minute"),
        ("3600", "An hour"),
        ("86400", "A day"),
    ];
    let mut per: Vec<Choice> = times.map(|(value, label)| Choice::new(value, label)).to_vec();
    if !times.iter().any(|(value, _)| *value == chosen) {
        per.push(Choice::new(&chosen, format!("{chosen} seconds")));
    }
    let field = |part: &str, field: Field| draft.fill(&name(part), field);
    columns(html! {
        (field("limit", Field::number(name("limit"), "Calls").min(1)))
        (Field::select(&per_name, "In", per).value(chosen).errors(draft.errors()))
        (field("burst", Field::number(name("burst"), "At once").min(1).placeholder("As many")))
        (field("name", Field::text(name("name"), "Name").max_length(63).code().placeholder(format!("rate_{}", index + 1))))
    })
}

pub(super) fn limits_part(draft: &Draft, features: &[Feature]) -> Markup {
    if features.is_empty() {
        return html! {};
    }
    let body = html! {
        @for (index, feature) in features.iter().enumerate() { (limit_row(draft, index, feature)) }
    };
    let help =
        "How much of a feature this key may use, beside what its customer may. Empty: as much as they.";
    fieldset("Quotas", Some(help), body)
}

fn limit_row(draft: &Draft, index: usize, feature: &Feature) -> Markup {
    let (amount_name, period_name) = (limit_name(index, "amount"), limit_name(index, "period"));
    let amount = Field::text(&amount_name, feature.name.as_str());
    let amount = match &feature.unit {
        Some(unit) => amount.suffix(unit),
        None => amount,
    };
    let periods = PERIODS.map(|(value, label, _)| Choice::new(value, label));
    let label =
        html! { (draft.fill(&period_name, Field::select(&period_name, "Starts again", periods.to_vec()))) };
    columns(html! {
        (draft.fill(&amount_name, amount))
        (label)
    })
}
