//! One counter of a request: what it is asked for, what is allowed there, and what that does to it.

use std::borrow::Cow;
use std::time::Duration;

use types::Timestamp;
use types::id::{FeatureId, GrantId};

use crate::allocation::{Allocation, Placed, place};
use crate::book::{Base, MemberKey, NotLoaded, Overlay};
use crate::counter::{CounterKey, CounterState};
use crate::decision::{Code, CounterView, Warning};
use crate::feature::{Aggregation, Meter};
use crate::grant::{Grant, change_grants};
use crate::limit::{Limit, Overage};
use crate::period::Period;
use crate::subject::Subject;

/// One counter that a request touches, and what is allowed there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    pub key: CounterKey,
    /// The first instant of the next period; none: never.
    pub period_end: Option<Timestamp>,
    pub meter: Meter,
    pub limit: Limit,
    /// Grants of this subject and feature; in any order, those that are not effective too.
    pub grants: Vec<GrantId>,
}

/// What a counter is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) amount: i64,
    pub(crate) member: u128,
    pub(crate) intent: Intent,
    /// When it happens.
    pub(crate) at: Timestamp,
}

/// What is to become of the units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    /// They are used if there is room.
    Spend,
    /// They are held if there is room.
    Reserve,
    /// It has happened already: charge it, room or not.
    Record,
}

/// A counter has taken the amount.
pub(crate) struct Charged {
    pub(crate) allocation: Allocation,
    pub(crate) warnings: Vec<Warning>,
}

impl Charge {
    /// A charge on the counter of that subject, feature and period; no grants.
    pub fn new(subject: Subject, feature: FeatureId, meter: Meter, period: Period, limit: Limit) -> Charge {
        Charge {
            key: CounterKey {
                subject,
                feature,
                period_start: period.start,
            },
            period_end: period.end,
            meter,
            limit,
            grants: Vec::new(),
        }
    }

    /// Takes the amount now, if there is room: spends it, or reserves it for a hold.
    pub(crate) fn take(
        &self,
        draft: &mut Overlay<'_>,
        asked: Asked,
        now: Timestamp,
    ) -> Result<Result<Charged, Code>, NotLoaded> {
        let mut state = self.state(draft, now)?;
        let units = match self.meter.aggregation {
            Aggregation::Sum | Aggregation::Count => asked.amount,
            Aggregation::Max => (asked.amount - state.used).max(0),
            Aggregation::Last => asked.amount - state.used,
            Aggregation::Unique { cap } => match self.meet(draft, asked.member)? {
                true if state.used >= i64::from(cap) => return Ok(Err(Code::UniqueCapReached)),
                is_new => i64::from(is_new),
            },
        };
        let placed = if units > 0 {
            place(units, &state, &self.limit_here(), &self.grants(draft)?, asked.at)
        } else {
            Placed {
                units: Allocation::plan(units),
                beyond: 0,
            }
        };
        if placed.beyond > 0 && asked.intent != Intent::Record {
            return Ok(Err(Code::QuotaExceeded));
        }
        let allocation = placed.units;
        let fits = match asked.intent {
            Intent::Spend | Intent::Record => state.charge(&self.meter, &allocation, asked.at, now),
            Intent::Reserve => state.reserve(&allocation),
        };
        if !fits {
            return Ok(Err(Code::AmountTooLarge));
        }
        state.note_overrun(placed.beyond);
        draft.put_counter(self.key, state);
        let burn = match asked.intent {
            Intent::Spend | Intent::Record => Grant::spend,
            Intent::Reserve => Grant::reserve,
        };
        change_grants(draft, &allocation.grants, burn)?;
        let warnings = self.warn(draft, now)?;
        Ok(Ok(Charged { allocation, warnings }))
    }

    /// Notes a member of a unique counter, and tells whether it is new.
    fn meet(&self, draft: &mut Overlay<'_>, member: u128) -> Result<bool, NotLoaded> {
        let key = MemberKey {
            counter: self.key,
            member,
        };
        let is_new = !draft.has_member(&key)?;
        if is_new {
            draft.put_member(key);
        }
        Ok(is_new)
    }

    /// Charges units that were really used, room or not. None if they are more than a number can hold.
    pub(crate) fn overrun(
        &self,
        draft: &mut Overlay<'_>,
        units: i64,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Allocation>, NotLoaded> {
        let mut state = self.state(draft, now)?;
        let allocation = place(units, &state, &self.limit_here(), &self.grants(draft)?, now).units;
        if !state.charge(&self.meter, &allocation, at, now) {
            return Ok(None);
        }
        state.note_overrun(units);
        draft.put_counter(self.key, state);
        change_grants(draft, &allocation.grants, Grant::spend)?;
        Ok(Some(allocation))
    }

    /// Until the amount would fit, if nothing else is used; none if it never will.
    pub(crate) fn retry_after(
        &self,
        base: &dyn Base,
        amount: i64,
        now: Timestamp,
    ) -> Result<Option<Duration>, NotLoaded> {
        let limit = self.limit_here();
        let free_at = match self.meter.window() {
            Some(window) => {
                let state = self.state(base, now)?;
                let room = limit.room(state.plan_load(), 0);
                let missing = amount.saturating_sub(room.included.saturating_add(room.soft));
                state.ring.and_then(|ring| ring.frees_at(window, missing))
            }
            None => self.period_end.filter(|_| amount <= limit.ceiling()),
        };
        Ok(free_at.map(|at| at.since(now)))
    }

    /// The counter as it is now.
    pub fn view(&self, base: &dyn Base, now: Timestamp) -> Result<CounterView, NotLoaded> {
        let state = self.state(base, now)?;
        let room = self.limit_here().room(state.plan_load(), state.overage);
        let granted = self
            .grants(base)?
            .iter()
            .fold(0_i64, |sum, grant| sum.saturating_add(grant.available(now)));
        let above = |amount: i64| state.plan_load().saturating_sub(amount).max(0);
        Ok(CounterView {
            key: self.key,
            limit: self.limit.amount,
            used: state.used,
            held: state.held,
            remaining: self.limit.amount.map(|_| room.included.saturating_add(granted)),
            overage: state.overage.saturating_add(self.limit.amount.map_or(0, above)),
            reset_at: match (self.meter.window(), &state.ring) {
                (Some(window), Some(ring)) => ring.frees_at(window, 1),
                _ => self.period_end,
            },
        })
    }

    /// The counter's state, without what has left a rolling window. A threshold that use has fallen below is armed
    /// again there, since a rolling counter has no next period to wait for.
    pub(crate) fn state(&self, base: &dyn Base, now: Timestamp) -> Result<CounterState, NotLoaded> {
        let mut state = base.counter(&self.key)?.clone();
        if let Some(window) = self.meter.window() {
            state.roll(window, now);
            let reached = self.limit.reached(state.used, 0).last().unwrap_or(0);
            state.threshold = state.threshold.min(reached);
        }
        Ok(state)
    }

    /// The grants that may pay, in the order of burning.
    fn grants(&self, base: &dyn Base) -> Result<Vec<Grant>, NotLoaded> {
        if self.meter.is_gauge() {
            return Ok(Vec::new());
        }
        let grants: Result<Vec<Grant>, NotLoaded> =
            self.grants.iter().map(|id| base.grant(*id).cloned()).collect();
        let mut grants = grants?;
        grants.sort_unstable_by(Grant::burn_order);
        Ok(grants)
    }

    /// The limit as it applies to this meter: what goes down again by itself cannot be sold unit by unit.
    fn limit_here(&self) -> Cow<'_, Limit> {
        match self.limit.overage {
            Overage::Bill { cap } if self.meter.is_gauge() => Cow::Owned(Limit {
                overage: Overage::Soft {
                    cap: cap.unwrap_or(i64::MAX),
                },
                ..self.limit.clone()
            }),
            _ => Cow::Borrowed(&self.limit),
        }
    }

    /// Notes the thresholds that the counter has just reached.
    pub(crate) fn warn(&self, draft: &mut Overlay<'_>, now: Timestamp) -> Result<Vec<Warning>, NotLoaded> {
        let Some(limit) = self.limit.amount else {
            return Ok(Vec::new());
        };
        let mut state = self.state(draft, now)?;
        let warnings: Vec<Warning> = self
            .limit
            .reached(state.used, state.threshold)
            .map(|threshold_percent| Warning {
                key: self.key,
                threshold_percent,
                used: state.used,
                limit,
            })
            .collect();
        if let Some(last) = warnings.last() {
            state.threshold = last.threshold_percent;
            draft.put_counter(self.key, state);
        }
        Ok(warnings)
    }
}
