//! What a plan version costs and gives, as a form.

use commerce::Amount;
use commerce::features::{Feature, FeatureKind};
use commerce::plans::{EntitlementInput, Interval, OverageForm, PlanVersion, Price, Terms};
use maud::{Markup, html};
use types::{Error, Result};
use ui::Field;
use ui::form::{Choice, columns, fieldset};

use crate::frame::figures::{CURRENCIES, amount_entry, money_entry, read_money};
use crate::frame::{Draft, Entries, placed, renamed};

const INTERVALS: [(&str, &str, Interval); 3] = [
    ("month", "A month", Interval::Month),
    ("year", "A year", Interval::Year),
    ("one_time", "Once", Interval::OneTime),
];

/// The name of a form's field for part of what is given of the feature at `index`, as an error names it.
fn name(index: usize, part: &str) -> String {
    format!("entitlements[{index}].{part}")
}

/// Reads the form. The features are those that it was made of.
///
/// # Errors
/// `validation_failed`, naming the field at fault.
pub(super) fn read(entries: &Entries, features: &[Feature]) -> Result<(Terms, Listed)> {
    let (mut entitlements, mut listed) = (Vec::new(), Vec::new());
    for (index, feature) in features.iter().enumerate() {
        let is_listed = entries.all("features").any(|key| key == feature.key);
        if is_listed {
            entitlements.push(entitlement(entries, index, feature)?);
            listed.push(index);
        }
    }
    let terms = Terms {
        price: price(entries)?,
        entitlements,
    };
    Ok((terms, Listed(listed)))
}

fn price(entries: &Entries) -> Result<Option<Price>> {
    let Some(amount) = entries.filled("price") else {
        return Ok(None);
    };
    let interval = INTERVALS.iter().find(|it| it.0 == entries.text("interval"));
    Ok(Some(Price {
        amount: read_money(("price", amount), ("currency", entries.text("currency")))?,
        interval: interval
            .ok_or_else(|| Error::invalid("interval", "choose how often it is paid"))?
            .2,
        per_seat: entries.ticked("per_seat"),
    }))
}

fn entitlement(entries: &Entries, index: usize, feature: &Feature) -> Result<EntitlementInput> {
    let amount = |part: &str| {
        let entered = entries.filled(&name(index, part));
        entered.map(|text| Amount::Decimal(text.to_owned()))
    };
    let limit = match feature.kind {
        FeatureKind::Boolean => None,
        FeatureKind::Integer | FeatureKind::Metered => Some(amount("limit")),
    };
    if feature.kind != FeatureKind::Metered {
        return Ok(EntitlementInput {
            feature: feature.key.clone(),
            limit,
            overage: None,
            thresholds: Vec::new(),
        });
    }
    let overage = match (entries.text(&name(index, "overage")), amount("overage.cap")) {
        ("soft", Some(cap)) => OverageForm::Soft { cap },
        ("soft", None) => {
            return Err(Error::invalid(
                name(index, "overage.cap"),
                "say up to how much is given beyond the limit",
            ));
        }
        ("bill", cap) => OverageForm::Bill { cap },
        _ => OverageForm::Deny {},
    };
    Ok(EntitlementInput {
        feature: feature.key.clone(),
        limit,
        overage: Some(overage),
        thresholds: thresholds(entries, index)?,
    })
}

fn thresholds(entries: &Entries, index: usize) -> Result<Vec<u16>> {
    let name = name(index, "thresholds");
    let percentages = entries.text(&name).split(',').map(str::trim);
    percentages
        .filter(|text| !text.is_empty())
        .map(|text| text.trim_end_matches('%').parse())
        .collect::<Result<_, _>>()
        .map_err(|_| {
            Error::invalid(
                &name,
                "must be percentages with commas between them, such as 80, 100",
            )
        })
}

/// The features of the form that were ticked, by their positions in it.
pub(super) struct Listed(Vec<usize>);

impl Listed {
    /// An error that names what is given by its position among what was ticked, with the positions of the form.
    pub(super) fn place(&self, error: Error) -> Error {
        renamed(error, |field| match placed(field, "entitlements", &self.0) {
            Some(placed) => placed,
            None if field == "price.amount.amount_minor" => "price".to_owned(),
            None => field.to_owned(),
        })
    }
}

/// The form's fields of a version that there is, to change from.
pub(super) fn fields_of(version: &PlanVersion, features: &[Feature]) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut put = |name: String, value: String| fields.push((name, value));
    if let Some(price) = version.price {
        put("price".to_owned(), money_entry(price.amount));
        put("currency".to_owned(), price.amount.currency.to_string());
        put("interval".to_owned(), price.interval.as_str().to_owned());
        if price.per_seat {
            put("per_seat".to_owned(), "yes".to_owned());
        }
    }
    for (index, feature) in features.iter().enumerate() {
        let Some(given) = version
            .entitlements
            .iter()
            .find(|given| given.feature == feature.key)
        else {
            continue;
        };
        put("features".to_owned(), feature.key.clone());
        if let Some(limit) = &given.limit {
            put(name(index, "limit"), amount_entry(limit));
        }
        let (word, cap) = match &given.overage {
            OverageForm::Deny {} => ("deny", None),
            OverageForm::Soft { cap } => ("soft", Some(cap)),
            OverageForm::Bill { cap } => ("bill", cap.as_ref()),
        };
        put(name(index, "overage"), word.to_owned());
        if let Some(cap) = cap {
            put(name(index, "overage.cap"), amount_entry(cap));
        }
        let thresholds: Vec<String> = given.thresholds.iter().map(u16::to_string).collect();
        put(name(index, "thresholds"), thresholds.join(", "));
    }
    fields
}

/// The part of the form about the price.
pub(super) fn price_part(draft: &Draft) -> Markup {
    let mut currencies: Vec<&str> = CURRENCIES.to_vec();
    let chosen = draft.value_or("currency", "usd");
    if !currencies.contains(&chosen) {
        currencies.push(chosen);
    }
    let currencies = currencies
        .into_iter()
        .map(|code| Choice::new(code, code.to_uppercase()))
        .collect::<Vec<_>>();
    let intervals = INTERVALS.map(|(value, label, _)| Choice::new(value, label));
    let amount = Field::text("price", "Price").optional().placeholder("29");
    let seats = Field::checkbox(
        "per_seat",
        "Each seat costs that much",
        draft.ticked("per_seat", "yes", false),
    );
    let body = html! {
        (columns(html! {
            (draft.fill("price", amount))
            (Field::select("currency", "Currency", currencies).value(chosen).errors(draft.errors()))
            (draft.fill("interval", Field::select("interval", "Paid", intervals)))
        }))
        (seats.value("yes"))
    };
    fieldset(
        "Price",
        Some("Leave it empty for a price that is agreed on with each customer; 0 is free."),
        body,
    )
}

/// The part of the form about what the plan gives.
pub(super) fn features_part(draft: &Draft, features: &[Feature]) -> Markup {
    let body = html! {
        @for (index, feature) in features.iter().enumerate() { (feature_part(draft, index, feature)) }
    };
    fieldset(
        "What it gives",
        Some("Tick what the plan includes. An empty limit is unlimited."),
        body,
    )
}

fn feature_part(draft: &Draft, index: usize, feature: &Feature) -> Markup {
    let ticked = draft.ticked("features", &feature.key, false);
    let field = |part: &str, label: &str| {
        let field_name = name(index, part);
        let field = Field::text(&field_name, label);
        draft.fill(&field_name, field)
    };
    let counted = |field: Field| match &feature.unit {
        Some(unit) => field.suffix(unit),
        None => field,
    };
    let overages = [
        Choice::new("deny", "Refuse"),
        Choice::new("soft", "Give up to the cap"),
        Choice::new("bill", "Sell up to the cap"),
    ];
    let overage_name = name(index, "overage");
    let thresholds_name = name(index, "thresholds");
    html! {
        div.stack {
            (Field::checkbox("features", feature.name.as_str(), ticked).scope(feature.key.as_str())
                .value(feature.key.as_str()))
            @if feature.kind == FeatureKind::Integer {
                (columns(counted(field("limit", "How many").placeholder("Unlimited"))))
            } @else if feature.kind == FeatureKind::Metered {
                (columns(html! {
                    (counted(field("limit", "Limit").placeholder("Unlimited")))
                    (draft.fill(&overage_name, Field::select(&overage_name, "Beyond the limit", overages)))
                    (field("overage.cap", "Cap").optional())
                    (Field::text(&thresholds_name, "Warn at percent").optional()
                        .value(draft.value_or(&thresholds_name, "80, 100")).errors(draft.errors()))
                }))
            }
        }
    }
}
