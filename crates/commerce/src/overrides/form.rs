//! An override as it is asked for.

use ledger::Limit;
use serde::Deserialize;
use types::{Error, Result, Timestamp};
use utoipa::ToSchema;

use crate::Amount;
use crate::customers::CustomerRef;
use crate::features::Feature;
use crate::patch::present;
use crate::plans::OverageForm;
use crate::plans::entitlement::LimitParts;

/// A new override, in the place of the one that stands for the customer and feature.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideCreate {
    /// `cus_…` or the external id.
    pub customer: CustomerRef,
    /// `fea_…` or the feature's key.
    #[schema(min_length = 1, max_length = 63)]
    pub feature: String,
    /// False takes the feature away; then there is nothing else to say of it.
    pub granted: bool,
    /// How much: said for integer and metered features, null for unlimited; left out for boolean ones, which
    /// are on.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Amount>)]
    pub limit: Option<Option<Amount>>,
    /// For metered features; refused when absent.
    pub overage: Option<OverageForm>,
    /// For metered features: percentages of the limit, 1 to 1000, at which a warning is given.
    #[serde(default)]
    #[schema(max_items = 16)]
    pub thresholds: Vec<u16>,
    /// Why, for whoever asks later.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
    /// When it stops by itself; it stands until it is removed when absent.
    pub expires_at: Option<Timestamp>,
}

impl OverrideCreate {
    /// What it gives of the feature; none when it takes it away.
    ///
    /// # Errors
    /// `validation_failed`, when something is said that does not go with the kind of feature.
    pub(super) fn limit(&self, feature: &Feature) -> Result<Option<Limit>> {
        if self.granted {
            let parts = LimitParts {
                limit: self.limit.as_ref(),
                overage: self.overage.as_ref(),
                thresholds: &self.thresholds,
            };
            return parts.parse(feature, "").map(Some);
        }
        let given = [
            ("limit", matches!(self.limit, Some(Some(_)))),
            ("overage", self.overage.is_some()),
            ("thresholds", !self.thresholds.is_empty()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((field, _)) => Err(Error::invalid(
                *field,
                "says nothing of a feature that is taken away",
            )),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use ledger::{Meter, Overage, PeriodKind};
    use serde_json::{Value, json};
    use types::id::FeatureId;

    use super::*;
    use crate::features::FeatureKind;

    fn limit(kind: FeatureKind, fields: Value) -> Result<Option<Limit>> {
        let feature = Feature {
            id: FeatureId::generate(),
            key: "calls".to_owned(),
            name: "Calls".to_owned(),
            kind,
            unit: None,
            meter: (kind == FeatureKind::Metered).then(|| Meter::calls(PeriodKind::Month)),
            dimensions: Vec::new(),
            created_at: Timestamp::EPOCH,
            archived_at: None,
        };
        let mut body = json!({"customer": "acme", "feature": "calls", "granted": true, "reason": "A test."});
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        serde_json::from_value::<OverrideCreate>(body)
            .unwrap()
            .limit(&feature)
    }

    fn field(kind: FeatureKind, fields: Value) -> String {
        limit(kind, fields).unwrap_err().fields()[0].field.clone()
    }

    #[test]
    fn a_limit_is_said_or_null() {
        use FeatureKind::{Boolean, Integer, Metered};
        assert_eq!(field(Metered, json!({})), "limit");
        assert_eq!(
            limit(Integer, json!({"limit": 3})).unwrap(),
            Some(Limit::deny_above(3))
        );
        assert_eq!(
            limit(Metered, json!({"limit": null})).unwrap(),
            Some(Limit::unlimited())
        );
        assert_eq!(limit(Boolean, json!({})).unwrap(), Some(Limit::unlimited()));
        let beyond = json!({"limit": 3, "overage": {"kind": "soft", "cap": 2}, "thresholds": [80]});
        let metered = limit(Metered, beyond).unwrap().unwrap();
        assert_eq!(
            (metered.overage, metered.thresholds),
            (Overage::Soft { cap: 2 }, vec![80])
        );
    }

    #[test]
    fn nothing_more_is_said_of_what_is_taken_away() {
        let taken = |fields: Value| {
            let mut body = json!({"granted": false});
            body.as_object_mut()
                .unwrap()
                .extend(fields.as_object().unwrap().clone());
            body
        };
        assert_eq!(
            limit(FeatureKind::Metered, taken(json!({"limit": null}))).unwrap(),
            None
        );
        assert_eq!(field(FeatureKind::Metered, taken(json!({"limit": 3}))), "limit");
        assert_eq!(
            field(FeatureKind::Metered, taken(json!({"overage": {"kind": "deny"}}))),
            "overage"
        );
        assert_eq!(
            field(FeatureKind::Metered, taken(json!({"thresholds": [80]}))),
            "thresholds"
        );
    }
}
