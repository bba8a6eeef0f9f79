//! Corrections: giving back units of an event that should not have been counted. Where a unit came from is read from
//! the event's own allocation, so that the right grant gets it back, and nothing is ever given back twice.

use types::Timestamp;

use crate::allocation::Allocation;
use crate::book::{NotLoaded, Overlay};
use crate::charge::Charge;
use crate::counter::CounterKey;
use crate::decision::CounterView;
use crate::grant::{Grant, change_grants};

/// Gives back units of one event, on every counter that it was charged to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// Units to give back, above zero.
    pub amount: i64,
    /// When the event was charged; of a settle, when its hold was made.
    pub charged_at: Timestamp,
    pub parts: Vec<CorrectionPart>,
}

/// One counter of the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrectionPart {
    /// The counter, with the key of the event's period.
    pub charge: Charge,
    /// What is left of the event's allocation there after the corrections before this one.
    pub left: Allocation,
}

/// What a correction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corrected {
    /// Who got units back, in the order of the parts.
    pub given_back: Vec<Allocation>,
    /// What is left of the event's allocations: keep it for the next correction.
    pub left: Vec<Allocation>,
    /// The counters as they are now.
    pub counters: Vec<CounterView>,
}

/// Why an event could not be corrected. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorrectError {
    #[error("the amount to give back must be above zero")]
    NotPositive,
    #[error("the event has {left} units left to give back")]
    MoreThanUsed { left: i64 },
    #[error("units of the counter {0:?} do not add up, so they cannot be given back one by one")]
    NotAdditive(CounterKey),
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
}

/// Gives units of an event back to those who paid for them, what was paid last first. Never more than the event used.
/// A grant that has expired gets its units back too, where nobody can spend them; thresholds do not warn again.
pub fn correct(
    overlay: &mut Overlay<'_>,
    correction: &Correction,
    now: Timestamp,
) -> Result<Corrected, CorrectError> {
    if correction.amount <= 0 {
        return Err(CorrectError::NotPositive);
    }
    let mut draft = Overlay::begin(&*overlay);
    let mut corrected = Corrected {
        given_back: Vec::new(),
        left: Vec::new(),
        counters: Vec::new(),
    };
    for CorrectionPart { charge, left } in &correction.parts {
        let mut left = left.clone();
        if !charge.meter.aggregation.is_additive() {
            return Err(CorrectError::NotAdditive(charge.key));
        }
        if correction.amount > left.total() {
            return Err(CorrectError::MoreThanUsed { left: left.total() });
        }
        let back = left.take_last(correction.amount);
        let mut state = charge.state(&draft, now)?;
        state.give_back(&charge.meter, &back, correction.charged_at, now);
        draft.put_counter(charge.key, state);
        change_grants(&mut draft, &back.grants, Grant::give_back)?;
        corrected.given_back.push(back);
        corrected.left.push(left);
    }
    for part in &correction.parts {
        corrected.counters.push(part.charge.view(&draft, now)?);
    }
    let changes = draft.into_changes();
    overlay.merge(changes);
    Ok(corrected)
}
