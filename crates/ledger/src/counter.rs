//! Counters: one exact number per subject, feature and period.

use serde::{Deserialize, Serialize};
use types::Timestamp;
use types::id::FeatureId;

use crate::allocation::Allocation;
use crate::feature::Meter;
use crate::rolling::{Ring, Window};
use crate::subject::Subject;

/// The primary key of a counter. Its order is the order of locking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CounterKey {
    pub subject: Subject,
    pub feature: FeatureId,
    /// Start of the period; [`Timestamp::MIN`] for counters that never start again and for rolling ones.
    pub period_start: Timestamp,
}

/// What a counter's row holds. The default is a counter that was never written.
///
/// `used + held` is all that it carries, and every unit of it has a payer: the plan ([`CounterState::plan_load`]),
/// grants, or overage.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CounterState {
    /// Units used: the sum, count, maximum, latest value or number of members; of a rolling one, those in the window
    /// when it was last written.
    pub used: i64,
    /// Units that open holds reserve.
    pub held: i64,
    /// Of `used + held`, units that grants pay for.
    pub from_grants: i64,
    /// Of `used + held`, units sold beyond the limit.
    pub overage: i64,
    /// Of `used`, units that were settled above their hold or after it had expired.
    pub overrun: i64,
    /// The highest percentage that a warning was given for; 0 for none.
    pub threshold: u16,
    /// How often it was written; 0 when there is no row yet.
    pub version: i64,
    /// The sub-buckets of a rolling window; none for other periods.
    pub ring: Option<Ring>,
}

impl CounterState {
    /// Units that the plan's allowance carries.
    pub fn plan_load(&self) -> i64 {
        self.used
            .saturating_add(self.held)
            .saturating_sub(self.from_grants)
            .saturating_sub(self.overage)
    }

    /// Drops what has left a rolling window.
    pub(crate) fn roll(&mut self, window: Window, now: Timestamp) {
        let ring = self.ring.get_or_insert_default();
        ring.advance(window, now);
        self.used = ring.total();
    }

    /// Books used units. False, and nothing changed, if the numbers would overflow.
    pub(crate) fn charge(&mut self, meter: &Meter, units: &Allocation, now: Timestamp) -> bool {
        let Some(used) = self.used.checked_add(units.total()) else {
            return false;
        };
        if used.checked_add(self.held).is_none() {
            return false;
        }
        self.used = used;
        self.from_grants += units.from_grants();
        self.overage += units.overage;
        if let (Some(window), Some(ring)) = (meter.window(), self.ring.as_mut()) {
            ring.add(window, now, now, units.total());
        }
        true
    }
}
