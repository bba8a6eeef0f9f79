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
    /// Of `used`, units that were charged although nobody granted them: settled above their hold or after it had
    /// expired, or recorded without room.
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
        let used = ring.total();
        self.set_used(used);
    }

    /// Books used units of the instant `at`. False, and nothing changed, if the numbers would overflow.
    pub(crate) fn charge(
        &mut self,
        meter: &Meter,
        units: &Allocation,
        at: Timestamp,
        now: Timestamp,
    ) -> bool {
        let fits = self.carries(units);
        if fits {
            self.add_used(meter, units.total(), at, now);
            self.from_grants += units.from_grants();
            self.overage += units.overage;
        }
        fits
    }

    /// Reserves units. False, and nothing changed, if the numbers would overflow.
    pub(crate) fn reserve(&mut self, units: &Allocation) -> bool {
        let fits = self.carries(units);
        if fits {
            self.held += units.total();
            self.from_grants += units.from_grants();
            self.overage += units.overage;
        }
        fits
    }

    /// Turns reserved units into used ones of the instant `at`; the payers stay the same.
    pub(crate) fn settle(&mut self, meter: &Meter, units: &Allocation, at: Timestamp, now: Timestamp) {
        self.held -= units.total();
        self.add_used(meter, units.total(), at, now);
    }

    /// Gives reserved units back to their payers.
    pub(crate) fn release(&mut self, units: &Allocation) {
        self.held -= units.total();
        self.from_grants -= units.from_grants();
        self.overage -= units.overage;
    }

    /// Gives used units of the instant `at` back to their payers.
    pub(crate) fn give_back(&mut self, meter: &Meter, units: &Allocation, at: Timestamp, now: Timestamp) {
        self.add_used(meter, -units.total(), at, now);
        self.from_grants -= units.from_grants();
        self.overage -= units.overage;
    }

    fn carries(&self, units: &Allocation) -> bool {
        let carried = self.used.checked_add(self.held);
        carried.is_some_and(|carried| carried.checked_add(units.total()).is_some())
    }

    fn add_used(&mut self, meter: &Meter, units: i64, at: Timestamp, now: Timestamp) {
        match meter.window() {
            Some(window) => {
                let ring = self.ring.get_or_insert_default();
                ring.add(window, at, now, units);
                let used = ring.total();
                self.set_used(used);
            }
            None => self.set_used(self.used + units),
        }
    }

    /// Notes that so many of the units that were just charged were granted by nobody.
    pub(crate) fn note_overrun(&mut self, units: i64) {
        // Units of an instant that has left the window were not charged.
        self.overrun = self.overrun.saturating_add(units).min(self.used);
    }

    /// What is not used any more is no overrun either.
    fn set_used(&mut self, used: i64) {
        self.used = used;
        self.overrun = self.overrun.min(used);
    }
}
