//! What a key may use up, as it is sent.

use ledger::{Anchor, Meter, PeriodKind, Rate, Sign};
use serde::{Deserialize, Serialize};
use types::id::FeatureId;
use types::{Error, Result, Timestamp};
use utoipa::ToSchema;

use super::budget::{Credits, KeyLimit, KeyRate, MAX_CREDITS, Refill};
use crate::Amount;
use crate::features::{Feature, MeterForm, PeriodForm};
use crate::key::check_key;

/// Quotas of a key, at most.
pub const MAX_LIMITS: usize = 20;
/// Rate limits of a key, at most.
pub const MAX_RATE_LIMITS: usize = 10;
/// Calls that a rate limit lets through at once or in its time, at most.
pub const MAX_RATE: u32 = 1_000_000;
/// The longest time of a rate limit, in seconds: a day.
pub const MAX_RATE_SECS: u32 = 86_400;

/// A key's own quota of a metered feature, beside the customer's: both must have room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CustomerKeyLimit)]
pub struct KeyLimitForm {
    /// The feature's key.
    pub feature: String,
    pub feature_id: FeatureId,
    /// How much in a period.
    pub amount: Amount,
    pub period: PeriodForm,
}

/// A quota that a key is to have.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CustomerKeyLimitInput)]
pub struct KeyLimitInput {
    /// The key of a metered feature.
    #[schema(min_length = 1, max_length = 63, example = "calls")]
    pub feature: String,
    pub amount: Amount,
    /// The feature's own when absent. `rolling` is for features that are.
    pub period: Option<PeriodForm>,
}

/// How many verifications a key has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CustomerKeyCredits)]
pub struct CreditsForm {
    /// Verifications that will still be granted.
    pub remaining: i64,
    /// What the credits were set to, or refilled to, with what was added since.
    pub amount: i64,
    pub refill: Option<RefillForm>,
    /// When they are refilled; null for never.
    pub refill_at: Option<Timestamp>,
}

/// Credits that a key is to have.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CustomerKeyCreditsInput)]
pub struct CreditsInput {
    /// Verifications from now on.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    pub amount: i64,
    /// Without it, what is used up stays used up.
    pub refill: Option<RefillForm>,
}

/// Credits anew whenever a period begins for the customer, in the place of what was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CustomerKeyRefill)]
pub struct RefillForm {
    pub period: RefillPeriod,
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    pub amount: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefillPeriod {
    Day,
    Week,
    Month,
}

/// How often a key may be used, whatever for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CustomerKeyRateLimit)]
pub struct RateLimitForm {
    /// A name of your own, unique within the key.
    #[schema(min_length = 1, max_length = 63, example = "per_minute")]
    pub name: String,
    /// Verifications on average in `per_secs` seconds.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub limit: u32,
    #[schema(minimum = 1, maximum = 86_400)]
    pub per_secs: u32,
    /// Verifications at once; as many as `limit` when absent.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub burst: Option<u32>,
}

impl KeyLimitInput {
    /// The quota of `feature`. `at` is where it stands in the request, such as `limits[2]`.
    ///
    /// # Errors
    /// `validation_failed`.
    pub(super) fn parse(&self, at: &str, feature: &Feature) -> Result<KeyLimit> {
        let meter = feature.meter.ok_or_else(|| {
            Error::invalid(
                format!("{at}.feature"),
                "is not a metered feature, so there is no quota of it",
            )
        })?;
        if !meter.aggregation.is_additive() {
            let message = "does not add up (its meter keeps a largest or latest amount or distinct members), so a key has no \
                           quota of it";
            return Err(Error::invalid(format!("{at}.feature"), message));
        }
        let field = format!("{at}.amount");
        Ok(KeyLimit {
            feature_id: feature.id,
            feature: feature.key.clone(),
            meter: Meter {
                period: self.period(at, &meter)?,
                ..meter
            },
            amount: self.amount.parse_field(&field, meter.scale, Sign::NotNegative)?,
        })
    }

    fn period(&self, at: &str, meter: &Meter) -> Result<PeriodKind> {
        Ok(match self.period {
            None => meter.period,
            Some(PeriodForm::Hour) => PeriodKind::Hour,
            Some(PeriodForm::Day) => PeriodKind::Day,
            Some(PeriodForm::Week) => PeriodKind::Week,
            Some(PeriodForm::Month) => PeriodKind::Month,
            Some(PeriodForm::Year) => PeriodKind::Year,
            Some(PeriodForm::Never) => PeriodKind::Never,
            Some(PeriodForm::Rolling) if meter.window().is_some() => meter.period,
            Some(PeriodForm::Rolling) => {
                let message = "the feature is not counted in a rolling window; choose a calendar period";
                return Err(Error::invalid(format!("{at}.period"), message));
            }
        })
    }
}

impl From<&KeyLimit> for KeyLimitForm {
    fn from(limit: &KeyLimit) -> Self {
        KeyLimitForm {
            feature: limit.feature.clone(),
            feature_id: limit.feature_id,
            amount: Amount::from_units(limit.amount, limit.meter.scale),
            period: MeterForm::from(&limit.meter).period,
        }
    }
}

impl CreditsInput {
    /// # Errors
    /// `validation_failed`.
    pub(super) fn check(&self) -> Result<()> {
        check_credits("credits.amount", self.amount, 0)?;
        match &self.refill {
            None => Ok(()),
            Some(refill) => check_credits("credits.refill.amount", refill.amount, 0),
        }
    }

    /// Credits in the place of those that there were.
    pub(super) fn set(&self, before: Option<&Credits>, now: Timestamp) -> Credits {
        Credits::set(self.amount, self.refill.map(Refill::from), before, now)
    }
}

pub(super) fn check_credits(field: &str, amount: i64, least: i64) -> Result<()> {
    if (least..=MAX_CREDITS).contains(&amount) {
        return Ok(());
    }
    Err(Error::invalid(
        field,
        format!("must be from {least} to {MAX_CREDITS}"),
    ))
}

impl CreditsForm {
    /// What credits come to, of which so many are used.
    pub(super) fn new(credits: &Credits, used: i64, anchor: &Anchor, now: Timestamp) -> Self {
        let (period, amount) = credits.current(anchor, now);
        CreditsForm {
            remaining: amount.saturating_sub(used).max(0),
            amount,
            refill: credits.refill.as_ref().map(RefillForm::from),
            refill_at: period.end,
        }
    }
}

impl From<RefillForm> for Refill {
    fn from(form: RefillForm) -> Refill {
        Refill {
            period: match form.period {
                RefillPeriod::Day => PeriodKind::Day,
                RefillPeriod::Week => PeriodKind::Week,
                RefillPeriod::Month => PeriodKind::Month,
            },
            amount: form.amount,
        }
    }
}

impl From<&Refill> for RefillForm {
    fn from(refill: &Refill) -> RefillForm {
        RefillForm {
            period: match refill.period {
                PeriodKind::Day => RefillPeriod::Day,
                PeriodKind::Week => RefillPeriod::Week,
                _ => RefillPeriod::Month,
            },
            amount: refill.amount,
        }
    }
}

/// # Errors
/// `validation_failed`.
pub(super) fn rates(forms: &[RateLimitForm]) -> Result<Vec<KeyRate>> {
    if forms.len() > MAX_RATE_LIMITS {
        let message = format!("must have at most {MAX_RATE_LIMITS} rate limits");
        return Err(Error::invalid("rate_limits", message));
    }
    let mut rates: Vec<KeyRate> = Vec::with_capacity(forms.len());
    for (place, form) in forms.iter().enumerate() {
        let at = format!("rate_limits[{place}]");
        let rate = form.parse(&at)?;
        if rates.iter().any(|earlier| earlier.name == rate.name) {
            return Err(Error::invalid(
                format!("{at}.name"),
                "another rate limit of the key has it",
            ));
        }
        rates.push(rate);
    }
    Ok(rates)
}

impl RateLimitForm {
    fn parse(&self, at: &str) -> Result<KeyRate> {
        let burst = self.burst.unwrap_or(self.limit);
        check_key(&format!("{at}.name"), &self.name)?;
        for (field, number, most) in [
            ("limit", self.limit, MAX_RATE),
            ("per_secs", self.per_secs, MAX_RATE_SECS),
            ("burst", burst, MAX_RATE),
        ] {
            if !(1..=most).contains(&number) {
                let message = format!("must be from 1 to {most}");
                return Err(Error::invalid(format!("{at}.{field}"), message));
            }
        }
        let rate = Rate::new(self.limit, self.per_secs * 1_000, burst)
            .map_err(|error| Error::invalid(format!("{at}.limit"), error.to_string()))?;
        Ok(KeyRate {
            name: self.name.clone(),
            rate,
        })
    }
}

impl From<&KeyRate> for RateLimitForm {
    fn from(rate: &KeyRate) -> Self {
        RateLimitForm {
            name: rate.name.clone(),
            limit: rate.rate.units(),
            per_secs: u32::try_from(rate.rate.per().as_secs()).unwrap_or(u32::MAX),
            burst: Some(rate.rate.burst()),
        }
    }
}
