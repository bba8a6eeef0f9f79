//! What a key may use up beside what its customer may: quotas of features, credits for verifications, rate limits. All of it
//! is decided by the ledger, on counters of the key's family, in the same decision as the customer's own.

use std::sync::Arc;

use ledger::{
    Anchor, Charge, Limit, Meter, Period, PeriodKind, Rate, RateCharge, RateKey, Subject, SubjectKind,
    period_of,
};
use serde::{Deserialize, Serialize};
use types::id::{CustomerKeyId, FeatureId};
use types::{Error, Result, Timestamp};
use uuid::Uuid;

use crate::Shop;

/// Credits count verifications of whatever feature: their counter belongs to none.
const NO_FEATURE: FeatureId = FeatureId::from_uuid(Uuid::nil());
/// Credits of a key, at most: safe in every JSON reader.
pub const MAX_CREDITS: i64 = 1_000_000_000_000;

/// What a key may use up, as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) limits: Vec<KeyLimit>,
    pub(super) credits: Option<Credits>,
    pub(super) rates: Vec<KeyRate>,
}

/// A key's own quota of a metered feature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyLimit {
    pub(super) feature_id: FeatureId,
    /// The feature's key, which never changes.
    pub(super) feature: String,
    /// The feature's meter, which never changes, with the period of this quota.
    pub(super) meter: Meter,
    /// Units in a period.
    pub(super) amount: i64,
}

/// How many verifications are left. A counter counts those that were granted; setting credits begins a new one, so that
/// nothing has to be written into a counter that verifications are using.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Credits {
    /// What the counter that begins at `since` may come to.
    pub(super) amount: i64,
    pub(super) since: Timestamp,
    /// What every later period may come to; none: there are no periods.
    pub(super) refill: Option<Refill>,
}

/// Credits anew in every period, in the place of what was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refill {
    /// Day, week or month.
    pub(super) period: PeriodKind,
    pub(super) amount: i64,
}

/// How often the key may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyRate {
    pub(super) name: String,
    pub(super) rate: Rate,
}

impl Credits {
    /// Credits that count from now on. `before` are those in whose place they come.
    pub(super) fn set(
        amount: i64,
        refill: Option<Refill>,
        before: Option<&Credits>,
        now: Timestamp,
    ) -> Credits {
        // A counter of its own, even when credits are set twice in one microsecond.
        let earliest = before.map_or(Timestamp::MIN, |before| {
            Timestamp::from_micros(before.since.as_micros() + 1)
        });
        Credits {
            amount,
            since: now.max(earliest),
            refill,
        }
    }

    /// Credits with so many more in the period that runs.
    ///
    /// # Errors
    /// `validation_failed`, when it would be more than [`MAX_CREDITS`].
    pub(super) fn plus(&self, more: i64, anchor: &Anchor, now: Timestamp) -> Result<Credits> {
        let (period, amount) = self.current(anchor, now);
        let amount = amount.saturating_add(more);
        if amount > MAX_CREDITS {
            let message = format!("would make more than {MAX_CREDITS} credits");
            return Err(Error::invalid("add_credits", message));
        }
        Ok(Credits {
            amount,
            since: period.start,
            refill: self.refill,
        })
    }

    /// The counter that counts now, and what it may come to.
    pub(super) fn current(&self, anchor: &Anchor, now: Timestamp) -> (Period, i64) {
        let Some(refill) = self.refill else {
            let period = Period {
                start: self.since,
                end: None,
            };
            return (period, self.amount);
        };
        let calendar = period_of(refill.period, anchor, now);
        if self.since < calendar.start {
            return (calendar, refill.amount);
        }
        let period = Period {
            start: self.since,
            end: calendar.end,
        };
        (period, self.amount)
    }
}

/// Who is counted: the first key of a family that was rotated, so that a rotation gives nobody a second quota.
pub(super) fn subject(shop: Shop, family: CustomerKeyId) -> Subject {
    Subject {
        workspace: shop.workspace,
        platform: shop.platform,
        mode: shop.mode,
        kind: SubjectKind::ApiKey,
        id: family.uuid(),
    }
}

impl Budget {
    /// The key's own quota of a feature, if it has one.
    pub(super) fn quota(
        &self,
        subject: Subject,
        feature: &str,
        anchor: &Anchor,
        now: Timestamp,
    ) -> Option<Charge> {
        let limit = self.limits.iter().find(|limit| limit.feature == feature)?;
        Some(Charge::new(
            subject,
            limit.feature_id,
            limit.meter,
            period_of(limit.meter.period, anchor, now),
            Limit::deny_above(limit.amount),
        ))
    }

    /// The counter of the key's credits, if it has any.
    pub(super) fn credit(&self, subject: Subject, anchor: &Anchor, now: Timestamp) -> Option<Charge> {
        let (period, amount) = self.credits.as_ref()?.current(anchor, now);
        let meter = Meter::calls(PeriodKind::Never);
        Some(Charge::new(
            subject,
            NO_FEATURE,
            meter,
            period,
            Limit::deny_above(amount),
        ))
    }

    /// The key's rate limits: one call each, whatever it is of.
    pub(super) fn rates(&self, subject: Subject) -> Vec<RateCharge> {
        let charge = |rate: &KeyRate| RateCharge {
            key: RateKey {
                subject,
                name: Arc::from(rate.name.as_str()),
            },
            rate: rate.rate,
            cost: 1,
        };
        self.rates.iter().map(charge).collect()
    }
}

#[cfg(test)]
mod tests {
    use types::Mode;
    use types::id::{PlatformId, WorkspaceId};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn utc() -> Anchor {
        Anchor::calendar("UTC").unwrap()
    }

    fn monthly(amount: i64) -> Option<Refill> {
        Some(Refill {
            period: PeriodKind::Month,
            amount,
        })
    }

    fn some_subject() -> Subject {
        let shop = Shop {
            workspace: WorkspaceId::generate(),
            platform: PlatformId::generate(),
            mode: Mode::Test,
        };
        subject(shop, CustomerKeyId::generate())
    }

    #[test]
    fn credits_without_a_refill_count_for_ever() {
        let set_at = at("2026-03-10T00:00:00Z");
        let credits = Credits::set(20, None, None, set_at);
        let (period, amount) = credits.current(&utc(), at("2030-01-01T00:00:00Z"));
        assert_eq!((period.start, period.end, amount), (set_at, None, 20));
    }

    #[test]
    fn a_refill_takes_the_place_of_what_was_set_when_its_period_begins() {
        let set_at = at("2026-03-10T00:00:00Z");
        let credits = Credits::set(20, monthly(100), None, set_at);
        let (march, amount) = credits.current(&utc(), at("2026-03-31T23:59:59Z"));
        assert_eq!((march.start, amount), (set_at, 20));
        assert_eq!(march.end, Some(at("2026-04-01T00:00:00Z")));
        let (april, amount) = credits.current(&utc(), at("2026-04-01T00:00:00Z"));
        assert_eq!((april.start, amount), (at("2026-04-01T00:00:00Z"), 100));
    }

    #[test]
    fn added_credits_are_of_the_period_that_runs() {
        let credits = Credits::set(20, monthly(100), None, at("2026-03-10T00:00:00Z"));
        let april = at("2026-04-05T00:00:00Z");
        let more = credits.plus(7, &utc(), april).unwrap();
        assert_eq!(
            more.current(&utc(), april).0,
            credits.current(&utc(), april).0,
            "the same counter"
        );
        assert_eq!(more.current(&utc(), april).1, 107);
        assert_eq!(more.current(&utc(), at("2026-05-05T00:00:00Z")).1, 100);
        assert!(credits.plus(MAX_CREDITS, &utc(), april).is_err());
    }

    #[test]
    fn credits_that_are_set_anew_have_a_counter_of_their_own() {
        let now = at("2026-03-10T00:00:00Z");
        let first = Credits::set(20, None, None, now);
        let second = Credits::set(20, None, Some(&first), now);
        assert!(second.since > first.since);
        let refilled = Credits::set(20, monthly(1), Some(&second), now);
        assert!(refilled.current(&utc(), now).0.start > second.since);
    }

    #[test]
    fn a_quota_is_of_its_feature_and_in_its_own_period() {
        let limit = KeyLimit {
            feature_id: FeatureId::generate(),
            feature: "calls".to_owned(),
            meter: Meter::calls(PeriodKind::Day),
            amount: 3,
        };
        let budget = Budget {
            limits: vec![limit.clone()],
            ..Budget::default()
        };
        let (subject, now) = (some_subject(), at("2026-03-10T12:00:00Z"));
        assert!(budget.quota(subject, "tokens", &utc(), now).is_none());
        let charge = budget.quota(subject, "calls", &utc(), now).unwrap();
        assert_eq!(
            (charge.key.subject, charge.key.feature),
            (subject, limit.feature_id)
        );
        assert_eq!(charge.key.period_start, at("2026-03-10T00:00:00Z"));
        assert_eq!(charge.limit, Limit::deny_above(3));
    }

    #[test]
    fn credits_and_rates_are_of_the_family() {
        let budget = Budget {
            limits: Vec::new(),
            credits: Some(Credits::set(5, None, None, Timestamp::EPOCH)),
            rates: vec![KeyRate {
                name: "burst".to_owned(),
                rate: Rate::per_minute(60, 5).unwrap(),
            }],
        };
        let subject = some_subject();
        let credit = budget.credit(subject, &utc(), Timestamp::EPOCH).unwrap();
        assert_eq!((credit.key.subject, credit.key.feature), (subject, NO_FEATURE));
        let rates = budget.rates(subject);
        assert_eq!(
            (rates[0].key.subject, &*rates[0].key.name, rates[0].cost),
            (subject, "burst", 1)
        );
    }
}
