//! A grant as it is asked for.

use std::time::Duration;

use ledger::{Rollover, Scale, Sign};
use serde::{Deserialize, Serialize};
use types::id::{CustomerId, GrantId};
use types::{Error, Result, Timestamp};
use utoipa::ToSchema;

use super::store::{Carry, GrantRow};
use crate::Amount;
use crate::features::Feature;

/// Priorities go from minus this to this.
const MAX_PRIORITY: i16 = 100;
/// Seconds that a successor lasts, at least: a rule cannot make a grant a second.
const MIN_LASTS_SECS: u32 = 3_600;
/// Ten years.
const MAX_LASTS_SECS: u32 = 315_360_000;

/// A new grant.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantCreate {
    /// `fea_…` or the key of a metered feature that adds up within calendar periods, or for ever.
    #[schema(min_length = 1, max_length = 63)]
    pub feature: String,
    /// How much, above zero.
    pub amount: Amount,
    /// Lower is burned first.
    #[serde(default)]
    #[schema(minimum = -100, maximum = 100)]
    pub priority: i16,
    /// From when on it can be burned; from now on when absent.
    pub effective_at: Option<Timestamp>,
    /// From when on it cannot be burned any more: an instant to come, after `effective_at`. It never expires when absent.
    pub expires_at: Option<Timestamp>,
    /// What of it starts the next grant when it expires; nothing when absent.
    pub rollover: Option<RolloverForm>,
    /// Why, for whoever asks later.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

/// What of a grant that expires starts the next one: what is left, but at least `min` and at most `max`. The next one takes
/// effect at that very instant, under the same rule; where nothing is carried there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rollover)]
pub struct RolloverForm {
    /// Above zero it tops up. 0 when absent.
    #[serde(default = "nothing")]
    pub min: Amount,
    pub max: Amount,
    /// Seconds until the next one expires; it never does when null or absent.
    #[schema(minimum = 3_600, maximum = 315_360_000)]
    pub lasts_secs: Option<u32>,
}

fn nothing() -> Amount {
    Amount::Integer(0)
}

impl GrantCreate {
    /// What can be checked without the feature.
    ///
    /// # Errors
    /// `validation_failed`.
    pub(super) fn check(&self, now: Timestamp) -> Result<()> {
        super::check_reason(&self.reason)?;
        if !(-MAX_PRIORITY..=MAX_PRIORITY).contains(&self.priority) {
            let message = format!("must be from -{MAX_PRIORITY} to {MAX_PRIORITY}");
            return Err(Error::invalid("priority", message));
        }
        match self.expires_at {
            Some(end) if end <= now => return Err(Error::invalid("expires_at", "must lie in the future")),
            Some(end) if self.effective_at.is_some_and(|start| end <= start) => {
                return Err(Error::invalid("expires_at", "must be after effective_at"));
            }
            None if self.rollover.is_some() => {
                let message =
                    "a grant that never expires never rolls over; give expires_at, or leave this out";
                return Err(Error::invalid("rollover", message));
            }
            _ => {}
        }
        let lasts_secs = self.rollover.as_ref().and_then(|rollover| rollover.lasts_secs);
        if lasts_secs.is_some_and(|secs| !(MIN_LASTS_SECS..=MAX_LASTS_SECS).contains(&secs)) {
            let message = format!("must be from {MIN_LASTS_SECS} to {MAX_LASTS_SECS}");
            return Err(Error::invalid("rollover.lasts_secs", message));
        }
        Ok(())
    }

    /// The grant, of a feature that was looked at.
    ///
    /// # Errors
    /// `validation_failed`, for amounts that are none of the feature.
    pub(super) fn to_row(&self, customer: CustomerId, feature: &Feature, now: Timestamp) -> Result<GrantRow> {
        let scale = feature.scale();
        let amount = self.amount.parse_field("amount", scale, Sign::Positive)?;
        let effective_at = self.effective_at.unwrap_or(now);
        let mut state = ledger::Grant::new(GrantId::generate(), amount, effective_at, self.expires_at);
        state.priority = self.priority;
        let rollover = self.rollover.as_ref().map(|form| form.parse(scale)).transpose()?;
        Ok(GrantRow {
            state,
            customer,
            feature: feature.key.clone(),
            feature_id: feature.id,
            scale,
            rollover,
            rolled_to: None,
            reason: self.reason.clone(),
            created_at: now,
            voided_at: None,
            closed_at: None,
        })
    }
}

impl RolloverForm {
    pub(super) fn new(carry: Carry, scale: Scale) -> RolloverForm {
        let amount = |units| Amount::from_units(units, scale);
        RolloverForm {
            min: amount(carry.rule.min),
            max: amount(carry.rule.max),
            lasts_secs: carry.lasts_secs,
        }
    }

    fn parse(&self, scale: Scale) -> Result<Carry> {
        let units = |field: &str, amount: &Amount| amount.parse_field(field, scale, Sign::NotNegative);
        let min = units("rollover.min", &self.min)?;
        let max = units("rollover.max", &self.max)?;
        if min > max {
            return Err(Error::invalid("rollover.min", "must not be above max"));
        }
        Ok(Carry {
            rule: Rollover { min, max },
            lasts_secs: self.lasts_secs,
        })
    }
}

impl GrantRow {
    /// The grant that takes this one's place when it expires; none when nothing is carried.
    pub(super) fn successor(&self, now: Timestamp) -> Option<GrantRow> {
        let (carry, end) = (self.rollover?, self.state.expires_at?);
        let expires_at = carry
            .lasts_secs
            .map(|secs| end + Duration::from_secs(u64::from(secs)));
        let state = carry
            .rule
            .of_grant(&self.state, GrantId::generate(), expires_at)?;
        Some(GrantRow {
            state,
            rollover: expires_at.and(self.rollover),
            created_at: now,
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use ledger::{Meter, PeriodKind};
    use serde_json::{Value, json};
    use types::id::FeatureId;

    use super::*;
    use crate::features::FeatureKind;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn row(fields: Value) -> Result<GrantRow> {
        let feature = Feature {
            id: FeatureId::generate(),
            key: "calls".to_owned(),
            name: "Calls".to_owned(),
            kind: FeatureKind::Metered,
            unit: None,
            meter: Some(Meter::calls(PeriodKind::Month)),
            dimensions: Vec::new(),
            created_at: NOW,
            archived_at: None,
        };
        let mut body = json!({"feature": "calls", "amount": 10, "reason": "A test."});
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let new: GrantCreate = serde_json::from_value(body).unwrap();
        new.check(NOW)?;
        new.to_row(CustomerId::generate(), &feature, NOW)
    }

    fn field(fields: Value) -> String {
        row(fields).unwrap_err().fields()[0].field.clone()
    }

    fn after(secs: u64) -> Timestamp {
        NOW + Duration::from_secs(secs)
    }

    #[test]
    fn a_grant_is_open_from_now_on_for_ever_unless_it_says_otherwise() {
        let row = row(json!({})).unwrap();
        assert_eq!((row.state.effective_at, row.state.expires_at), (NOW, None));
        assert_eq!((row.state.amount, row.state.priority), (10, 0));
        assert_eq!((row.rollover, row.closed_at), (None, None));
    }

    #[test]
    fn bounds_name_their_fields() {
        for priority in [-100, 100] {
            assert!(row(json!({"priority": priority})).is_ok());
        }
        for priority in [-101, 101] {
            assert_eq!(field(json!({"priority": priority})), "priority");
        }
        assert_eq!(field(json!({"amount": 0})), "amount");
        assert_eq!(field(json!({"amount": "0.5"})), "amount");
        assert_eq!(field(json!({"reason": ""})), "reason");
        assert_eq!(field(json!({"expires_at": NOW})), "expires_at");
        let instant = json!({"effective_at": after(60), "expires_at": after(60)});
        assert_eq!(field(instant), "expires_at");
        assert_eq!(field(json!({"rollover": {"max": 5}})), "rollover");
    }

    #[test]
    fn a_rollover_rule_has_bounds_too() {
        let with = |rollover: Value| json!({"expires_at": after(60), "rollover": rollover});
        assert!(row(with(json!({"min": 5, "max": 5, "lasts_secs": 3600}))).is_ok());
        assert_eq!(field(with(json!({"min": 6, "max": 5}))), "rollover.min");
        assert_eq!(field(with(json!({"max": -1}))), "rollover.max");
        for secs in [3_599, 315_360_001] {
            let rollover = with(json!({"max": 5, "lasts_secs": secs}));
            assert_eq!(field(rollover), "rollover.lasts_secs");
        }
    }

    #[test]
    fn a_successor_has_the_same_rule_while_it_expires_itself() {
        let rollover = json!({"max": 4, "lasts_secs": 7200});
        let mut first = row(json!({"priority": 7, "expires_at": after(60), "rollover": rollover})).unwrap();
        first.state.used = 3;
        let next = first.successor(after(61)).unwrap();
        assert_eq!(
            (next.state.amount, next.state.used, next.state.priority),
            (4, 0, 7)
        );
        assert_eq!(next.state.effective_at, after(60));
        assert_eq!(next.state.expires_at, Some(after(60 + 7_200)));
        assert_eq!((next.rollover, next.created_at), (first.rollover, after(61)));
        assert_eq!(next.customer, first.customer);

        let last = row(json!({"expires_at": after(60), "rollover": {"max": 4}})).unwrap();
        let next = last.successor(after(61)).unwrap();
        assert_eq!((next.state.expires_at, next.rollover), (None, None));
    }

    #[test]
    fn nothing_left_has_no_successor() {
        let mut first = row(json!({"expires_at": after(60), "rollover": {"max": 4}})).unwrap();
        first.state.used = 10;
        assert_eq!(first.successor(after(61)), None);
        let plain = row(json!({"expires_at": after(60)})).unwrap();
        assert_eq!(plain.successor(after(61)), None);
    }
}
