//! What a plan or an override allows of one feature in one period.

use serde::{Deserialize, Serialize};

/// How much of a feature is included, and what happens beyond.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "LimitParts")]
pub struct Limit {
    /// Units included in a period; none: unlimited.
    pub amount: Option<i64>,
    pub overage: Overage,
    /// Percentages of `amount`, ascending, at which a warning is given: each once per counter and period. They may lie
    /// above 100 where overage is allowed.
    pub thresholds: Vec<u16>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitParts {
    amount: Option<i64>,
    overage: Overage,
    thresholds: Vec<u16>,
}

impl TryFrom<LimitParts> for Limit {
    type Error = LimitError;

    fn try_from(parts: LimitParts) -> Result<Limit, LimitError> {
        Limit::new(parts.amount, parts.overage, parts.thresholds)
    }
}

/// What happens to units beyond the included ones, once grants are burned too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Overage {
    /// Refused.
    Deny,
    /// Given free of charge until so many units above the limit, then refused.
    Soft { cap: i64 },
    /// Sold until so many units a period (none: without end), then refused.
    Bill { cap: Option<i64> },
}

/// Why there is no such limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    #[error("a limit or cap must not be below zero; leave the amount out for unlimited")]
    Negative,
    #[error(
        "thresholds are percentages from 1 to {}, at most {} of them",
        Limit::MAX_PERCENT,
        Limit::MAX_THRESHOLDS
    )]
    Thresholds,
}

/// Units that a counter may still take, by who pays for them. `i64::MAX` stands for "without end".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) included: i64,
    pub(crate) soft: i64,
    pub(crate) billed: i64,
}

impl Limit {
    pub const MAX_PERCENT: u16 = 1_000;
    pub const MAX_THRESHOLDS: usize = 16;

    /// A limit, if its parts make sense; thresholds are sorted and repeated ones dropped.
    pub fn new(amount: Option<i64>, overage: Overage, mut thresholds: Vec<u16>) -> Result<Limit, LimitError> {
        let cap = match overage {
            Overage::Deny => None,
            Overage::Soft { cap } => Some(cap),
            Overage::Bill { cap } => cap,
        };
        if amount.is_some_and(|amount| amount < 0) || cap.is_some_and(|cap| cap < 0) {
            return Err(LimitError::Negative);
        }
        thresholds.sort_unstable();
        thresholds.dedup();
        let percentages = 1..=Self::MAX_PERCENT;
        if thresholds.len() > Self::MAX_THRESHOLDS || thresholds.iter().any(|at| !percentages.contains(at)) {
            return Err(LimitError::Thresholds);
        }
        Ok(Limit {
            amount,
            overage,
            thresholds,
        })
    }

    /// No limit at all.
    pub const fn unlimited() -> Limit {
        Limit {
            amount: None,
            overage: Overage::Deny,
            thresholds: Vec::new(),
        }
    }

    /// So many units, then refused; no warnings.
    pub const fn deny_above(amount: i64) -> Limit {
        Limit {
            amount: Some(amount),
            overage: Overage::Deny,
            thresholds: Vec::new(),
        }
    }

    /// The most units that a fresh period could ever give to one request, grants aside.
    pub(crate) fn ceiling(&self) -> i64 {
        let room = self.room(0, 0);
        room.included
            .saturating_add(room.soft)
            .saturating_add(room.billed)
    }

    /// What is left when the plan already carries `load` units and `overage` units were sold beyond it.
    pub(crate) fn room(&self, load: i64, overage: i64) -> Room {
        let Some(amount) = self.amount else {
            return Room {
                included: i64::MAX,
                soft: 0,
                billed: 0,
            };
        };
        let above = load.saturating_sub(amount).max(0);
        let (soft, billed) = match self.overage {
            Overage::Deny => (0, 0),
            Overage::Soft { cap } => (cap.saturating_sub(above).max(0), 0),
            Overage::Bill { cap: Some(cap) } => (0, cap.saturating_sub(overage).max(0)),
            Overage::Bill { cap: None } => (0, i64::MAX),
        };
        Room {
            included: amount.saturating_sub(load).max(0),
            soft,
            billed,
        }
    }

    /// The thresholds above `fired` that `used` has reached, ascending.
    pub(crate) fn reached(&self, used: i64, fired: u16) -> impl Iterator<Item = u16> {
        let amount = self.amount.map(i128::from);
        self.thresholds.iter().copied().filter(move |percent| {
            let reached = |amount| i128::from(used) * 100 >= amount * i128::from(*percent);
            *percent > fired && used > 0 && amount.is_some_and(reached)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_says_who_pays() {
        let soft = Limit::new(Some(100), Overage::Soft { cap: 10 }, vec![]).unwrap();
        assert_eq!((soft.room(95, 0).included, soft.room(95, 0).soft), (5, 10));
        assert_eq!((soft.room(104, 0).included, soft.room(104, 0).soft), (0, 6));
        let billed = Limit::new(Some(100), Overage::Bill { cap: Some(10) }, vec![]).unwrap();
        assert_eq!((billed.room(100, 4).included, billed.room(100, 4).billed), (0, 6));
        assert_eq!(Limit::unlimited().room(i64::MAX, 0).included, i64::MAX);
    }

    #[test]
    fn thresholds_are_exact_at_the_edges_of_i64() {
        let limit = Limit::new(Some(i64::MAX), Overage::Deny, vec![100, 50, 50]).unwrap();
        assert_eq!(limit.thresholds, [50, 100]);
        assert_eq!(limit.reached(i64::MAX / 2, 0).count(), 0);
        assert_eq!(limit.reached(i64::MAX / 2 + 1, 0).collect::<Vec<_>>(), [50]);
        assert_eq!(limit.reached(i64::MAX, 50).collect::<Vec<_>>(), [100]);
    }

    #[test]
    fn senseless_limits_are_refused() {
        assert_eq!(
            Limit::new(Some(-1), Overage::Deny, vec![]),
            Err(LimitError::Negative)
        );
        let negative_cap = Overage::Soft { cap: -1 };
        assert_eq!(
            Limit::new(Some(1), negative_cap, vec![]),
            Err(LimitError::Negative)
        );
        assert_eq!(
            Limit::new(None, Overage::Deny, vec![0]),
            Err(LimitError::Thresholds)
        );
    }
}
