//! How a metered feature is counted. All of it is fixed when the feature is made: a counter never changes its meaning.

use serde::{Deserialize, Serialize};

use crate::amount::Scale;
use crate::period::PeriodKind;
use crate::rolling::Window;

/// What one event does to the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// Adds the amount: tokens, bytes, seconds.
    Sum,
    /// Adds so many occurrences: calls. Like a sum, of whole numbers.
    Count,
    /// Keeps the largest amount of the period: peak seats.
    Max,
    /// Keeps the latest amount: gigabytes stored now.
    Last,
    /// Counts distinct members, exactly, up to a cap: active users. A new member beyond the cap is refused.
    Unique {
        /// The most members that are kept of one period, at most [`Aggregation::MAX_UNIQUE`].
        cap: u32,
    },
}

/// A metered feature as the ledger sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "MeterParts")]
pub struct Meter {
    pub aggregation: Aggregation,
    pub scale: Scale,
    pub period: PeriodKind,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MeterParts {
    aggregation: Aggregation,
    scale: Scale,
    period: PeriodKind,
}

impl TryFrom<MeterParts> for Meter {
    type Error = MeterError;

    fn try_from(parts: MeterParts) -> Result<Meter, MeterError> {
        Meter::new(parts.aggregation, parts.scale, parts.period)
    }
}

/// Why there is no such meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MeterError {
    #[error(
        "a rolling window counts sums and occurrences only; choose a calendar period for this aggregation"
    )]
    Rolling,
    #[error("occurrences and distinct members are whole numbers; the scale must be 0")]
    Scale,
    #[error("a unique count keeps 1 to {} members", Aggregation::MAX_UNIQUE)]
    UniqueCap,
}

impl Aggregation {
    /// The most distinct members that one counter can be told to keep.
    pub const MAX_UNIQUE: u32 = 1_000_000;

    /// Whether events add up, so that units can be held, settled and given back.
    pub const fn is_additive(self) -> bool {
        matches!(self, Aggregation::Sum | Aggregation::Count)
    }
}

impl Meter {
    /// A meter, if its parts go together.
    pub fn new(aggregation: Aggregation, scale: Scale, period: PeriodKind) -> Result<Meter, MeterError> {
        let whole = matches!(aggregation, Aggregation::Count | Aggregation::Unique { .. });
        if whole && scale != Scale::WHOLE {
            return Err(MeterError::Scale);
        }
        if matches!(period, PeriodKind::Rolling(_)) && !aggregation.is_additive() {
            return Err(MeterError::Rolling);
        }
        if matches!(aggregation, Aggregation::Unique { cap } if cap == 0 || cap > Aggregation::MAX_UNIQUE) {
            return Err(MeterError::UniqueCap);
        }
        Ok(Meter {
            aggregation,
            scale,
            period,
        })
    }

    /// Calls in a calendar or anchored period: the meter that most products start with.
    pub const fn calls(period: PeriodKind) -> Meter {
        Meter {
            aggregation: Aggregation::Count,
            scale: Scale::WHOLE,
            period,
        }
    }

    /// The rolling window, if this meter has one.
    pub const fn window(&self) -> Option<Window> {
        match self.period {
            PeriodKind::Rolling(window) => Some(window),
            _ => None,
        }
    }

    /// Whether the counter also goes down by itself, so that units above the limit cannot be sold one by one: then
    /// grants do not apply and overage that would be billed is only allowed.
    pub const fn is_gauge(&self) -> bool {
        matches!(self.aggregation, Aggregation::Last) || self.window().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_contradict_each_other_are_refused() {
        let window = PeriodKind::Rolling(Window::new(60, 60).unwrap());
        let cents = Scale::new(2).unwrap();
        let new = Meter::new;
        assert_eq!(
            new(Aggregation::Max, Scale::WHOLE, window),
            Err(MeterError::Rolling)
        );
        assert_eq!(
            new(Aggregation::Count, cents, PeriodKind::Day),
            Err(MeterError::Scale)
        );
        let none = Aggregation::Unique { cap: 0 };
        assert_eq!(
            new(none, Scale::WHOLE, PeriodKind::Day),
            Err(MeterError::UniqueCap)
        );
        assert!(new(Aggregation::Sum, cents, window).is_ok());
        let text = r#"{"aggregation":"count","scale":2,"period":"day"}"#;
        assert!(serde_json::from_str::<Meter>(text).is_err());
    }
}
