//! What a plan gives of a feature, as it is sent.

use ledger::{Limit, LimitError, Overage, Scale, Sign};
use serde::{Deserialize, Serialize};
use types::{Error, Result};
use utoipa::ToSchema;

use crate::Amount;
use crate::features::{Feature, FeatureKind};
use crate::patch::present;

/// What a plan version gives of a feature. A boolean feature that is listed is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanEntitlement {
    /// The feature's key.
    pub feature: String,
    /// How much; null for unlimited, and for a boolean feature.
    pub limit: Option<Amount>,
    pub overage: OverageForm,
    /// Percentages of the limit at which a warning is given.
    pub thresholds: Vec<u16>,
}

/// What happens to units beyond the limit: refused, given free of charge up to a cap, or sold up to a cap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = Overage)]
pub enum OverageForm {
    Deny {},
    Soft {
        cap: Amount,
    },
    Bill {
        /// Null or absent: without end.
        cap: Option<Amount>,
    },
}

/// What a new plan version is to give of a feature.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PlanEntitlementInput)]
pub struct EntitlementInput {
    /// The feature's key.
    #[schema(min_length = 1, max_length = 63)]
    pub feature: String,
    /// How much: said for integer and metered features, null for unlimited; left out for boolean ones, which are on.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Amount>)]
    pub limit: Option<Option<Amount>>,
    /// For metered features; refused when absent.
    pub overage: Option<OverageForm>,
    /// For metered features: percentages of the limit, 1 to 1000, at which a warning is given.
    #[serde(default)]
    #[schema(max_items = 16)]
    pub thresholds: Vec<u16>,
}

impl PlanEntitlement {
    /// How a limit of `feature` is sent.
    pub(crate) fn new(feature: &str, scale: Scale, limit: &Limit) -> PlanEntitlement {
        PlanEntitlement {
            feature: feature.to_owned(),
            limit: limit.amount.map(|units| Amount::from_units(units, scale)),
            overage: OverageForm::new(limit.overage, scale),
            thresholds: limit.thresholds.clone(),
        }
    }
}

impl OverageForm {
    pub(crate) fn new(overage: Overage, scale: Scale) -> OverageForm {
        let amount = |units| Amount::from_units(units, scale);
        match overage {
            Overage::Deny => OverageForm::Deny {},
            Overage::Soft { cap } => OverageForm::Soft { cap: amount(cap) },
            Overage::Bill { cap } => OverageForm::Bill { cap: cap.map(amount) },
        }
    }

    fn parse(&self, at: &str, scale: Scale) -> Result<Overage> {
        let units = |cap: &Amount| cap.parse_field(&field(at, "overage.cap"), scale, Sign::NotNegative);
        Ok(match self {
            OverageForm::Deny {} => Overage::Deny,
            OverageForm::Soft { cap } => Overage::Soft { cap: units(cap)? },
            OverageForm::Bill { cap } => Overage::Bill {
                cap: cap.as_ref().map(units).transpose()?,
            },
        })
    }
}

/// The parts of a limit as they are sent, for a plan or for an override.
pub(crate) struct LimitParts<'a> {
    pub(crate) limit: Option<&'a Option<Amount>>,
    pub(crate) overage: Option<&'a OverageForm>,
    pub(crate) thresholds: &'a [u16],
}

impl LimitParts<'_> {
    /// The limit of `feature` that they say. `at` is where they stand in the request: the prefix of the fields at fault,
    /// such as `entitlements[2]`, or nothing.
    ///
    /// # Errors
    /// `validation_failed`.
    pub(crate) fn parse(&self, feature: &Feature, at: &str) -> Result<Limit> {
        let metered = feature.kind == FeatureKind::Metered;
        if !metered && !matches!(self.overage, None | Some(OverageForm::Deny {})) {
            return Err(wrong(at, "overage", "belongs to metered features"));
        }
        if !metered && !self.thresholds.is_empty() {
            return Err(wrong(at, "thresholds", "belong to metered features"));
        }
        let amount = match (feature.kind, self.limit) {
            (FeatureKind::Boolean, None | Some(None)) => None,
            (FeatureKind::Boolean, Some(Some(_))) => {
                return Err(wrong(
                    at,
                    "limit",
                    "a boolean feature that is listed is on; leave the limit out",
                ));
            }
            (_, None) => return Err(wrong(at, "limit", "say how much; null is unlimited")),
            (_, Some(None)) => None,
            (_, Some(Some(amount))) => {
                Some(amount.parse_field(&field(at, "limit"), feature.scale(), Sign::NotNegative)?)
            }
        };
        let overage = match self.overage {
            None => Overage::Deny,
            Some(form) => form.parse(at, feature.scale())?,
        };
        Limit::new(amount, overage, self.thresholds.to_vec()).map_err(|error| {
            let part = match error {
                LimitError::Negative => "limit",
                LimitError::Thresholds => "thresholds",
            };
            wrong(at, part, &error.to_string())
        })
    }
}

/// Reads entitlements against the shop's features: each names one that is not archived, and none twice.
///
/// # Errors
/// `validation_failed`, naming the entitlement by its position.
pub(crate) fn parse_all<'f>(
    inputs: &[EntitlementInput],
    features: &'f [Feature],
) -> Result<Vec<(&'f Feature, Limit)>> {
    let mut parsed: Vec<(&Feature, Limit)> = Vec::with_capacity(inputs.len());
    for (position, input) in inputs.iter().enumerate() {
        let at = format!("entitlements[{position}]");
        let feature = features
            .iter()
            .find(|feature| feature.key == input.feature && feature.archived_at.is_none())
            .ok_or_else(|| {
                wrong(
                    &at,
                    "feature",
                    "the platform has no feature with this key in this mode",
                )
            })?;
        if parsed.iter().any(|(listed, _)| listed.id == feature.id) {
            return Err(wrong(&at, "feature", "is listed before; list a feature once"));
        }
        let parts = LimitParts {
            limit: input.limit.as_ref(),
            overage: input.overage.as_ref(),
            thresholds: &input.thresholds,
        };
        parsed.push((feature, parts.parse(feature, &at)?));
    }
    Ok(parsed)
}

fn field(at: &str, part: &str) -> String {
    if at.is_empty() {
        part.to_owned()
    } else {
        format!("{at}.{part}")
    }
}

fn wrong(at: &str, part: &str, message: &str) -> Error {
    Error::invalid(field(at, part), message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{MeterForm, NewFeature};
    use types::Timestamp;

    fn feature(key: &str, kind: FeatureKind, meter: Option<&str>) -> Feature {
        let new = NewFeature {
            key: key.to_owned(),
            name: key.to_owned(),
            kind,
            unit: None,
            meter: meter.map(|json| serde_json::from_str::<MeterForm>(json).unwrap()),
            dimensions: Vec::new(),
        };
        new.check(Timestamp::EPOCH).unwrap()
    }

    fn features() -> Vec<Feature> {
        vec![
            feature("sso", FeatureKind::Boolean, None),
            feature("seats", FeatureKind::Integer, None),
            feature(
                "gigabytes",
                FeatureKind::Metered,
                Some(r#"{"aggregation":"sum","scale":2,"period":"month"}"#),
            ),
        ]
    }

    fn read(json: &str) -> Result<Vec<PlanEntitlement>> {
        let inputs: Vec<EntitlementInput> = serde_json::from_str(json).unwrap();
        let features = features();
        let parsed = parse_all(&inputs, &features)?;
        let sent =
            |(feature, limit): &(&Feature, Limit)| PlanEntitlement::new(&feature.key, feature.scale(), limit);
        Ok(parsed.iter().map(sent).collect())
    }

    #[test]
    fn what_is_read_is_sent_at_the_features_scale() {
        let entitlements = read(
            r#"[{"feature":"sso"},{"feature":"seats","limit":5},
                {"feature":"gigabytes","limit":"2.5","overage":{"kind":"soft","cap":1},"thresholds":[100,80]}]"#,
        )
        .unwrap();
        assert_eq!(entitlements[1].limit, Some(Amount::Integer(5)));
        assert_eq!(entitlements[2].limit, Some(Amount::Decimal("2.5".to_owned())));
        assert_eq!(entitlements[2].thresholds, [80, 100]);
        let cap = Amount::Decimal("1".to_owned());
        assert_eq!(entitlements[2].overage, OverageForm::Soft { cap });
    }

    #[test]
    fn the_entitlement_at_fault_is_named() {
        let cases = [
            (
                r#"[{"feature":"sso"},{"feature":"nothing"}]"#,
                "entitlements[1].feature",
            ),
            (
                r#"[{"feature":"sso"},{"feature":"sso"}]"#,
                "entitlements[1].feature",
            ),
            (r#"[{"feature":"sso","limit":1}]"#, "entitlements[0].limit"),
            (r#"[{"feature":"seats"}]"#, "entitlements[0].limit"),
            (r#"[{"feature":"seats","limit":"0.5"}]"#, "entitlements[0].limit"),
            (r#"[{"feature":"seats","limit":-1}]"#, "entitlements[0].limit"),
            (
                r#"[{"feature":"seats","limit":1,"overage":{"kind":"bill"}}]"#,
                "entitlements[0].overage",
            ),
            (
                r#"[{"feature":"seats","limit":1,"thresholds":[80]}]"#,
                "entitlements[0].thresholds",
            ),
            (
                r#"[{"feature":"gigabytes","limit":1,"overage":{"kind":"soft","cap":"0.001"}}]"#,
                "entitlements[0].overage.cap",
            ),
            (
                r#"[{"feature":"gigabytes","limit":1,"thresholds":[0]}]"#,
                "entitlements[0].thresholds",
            ),
        ];
        for (json, at) in cases {
            assert_eq!(read(json).unwrap_err().fields()[0].field, at, "{json}");
        }
    }

    #[test]
    fn null_is_unlimited_and_unknown_fields_are_refused() {
        assert_eq!(
            read(r#"[{"feature":"seats","limit":null}]"#).unwrap()[0].limit,
            None
        );
        assert!(serde_json::from_str::<OverageForm>(r#"{"kind":"deny","cap":1}"#).is_err());
    }
}
