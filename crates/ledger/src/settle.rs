//! Ending a hold: settle what it cost, release what it did not, or let it expire.

use serde::{Deserialize, Serialize};
use types::Timestamp;
use types::id::HoldId;

use crate::allocation::Allocation;
use crate::book::{Base, NotLoaded, Overlay};
use crate::charge::Charge;
use crate::counter::CounterKey;
use crate::decision::{CounterView, Warning};
use crate::grant::{Grant, change_grants};
use crate::hold::{Hold, HoldPart, HoldStatus};

/// Charges what a hold really cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    pub hold: HoldId,
    /// Units that the hold has cost *altogether* so far, zero or above. Being a total, it can be sent twice.
    pub total: i64,
    /// Whether that was all: what is left of the hold is given back.
    pub close: bool,
    /// A charge for each counter of the hold, in any order: keys as in [`Hold::parts`], limits and grants of now.
    pub charges: Vec<Charge>,
}

/// What a settle did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// The hold as it is now.
    pub hold: Hold,
    /// Units charged by this call; 0 when it says what was said before.
    pub charged: i64,
    /// Of `charged`, units above the hold or after it had ended.
    pub overrun: i64,
    /// The counters as they are now, in the order of the hold's parts.
    pub counters: Vec<CounterView>,
    pub warnings: Vec<Warning>,
    /// Who pays for `charged`, in the order of the hold's parts; empty when that is nothing. Store it with the
    /// event.
    pub allocations: Vec<Allocation>,
}

/// Why a hold could not be settled or released. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    #[error("the total must not be below zero; correct the events instead")]
    Negative,
    #[error("the hold is closed with {settled} units; send a correction or a new usage event")]
    Settled { settled: i64 },
    #[error("the hold was released; send a new usage event for what was used")]
    Released,
    #[error("{settled} units are settled already and the total is less; correct the events instead")]
    BelowSettled { settled: i64 },
    #[error("the total would take a counter beyond what a number can hold")]
    TooLarge,
    #[error("no charge was given for the counter {0:?} of the hold")]
    ChargeMissing(CounterKey),
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
}

/// Charges `settle.total` units altogether to a hold. Within an open hold this always succeeds; what is more, or comes
/// after the hold has expired, is charged all the same and recorded as overrun, because it was really used. Settling
/// twice is settling once: the same total again changes nothing.
pub fn settle(overlay: &mut Overlay<'_>, settle: &Settle, now: Timestamp) -> Result<Settlement, HoldError> {
    let mut draft = Overlay::begin(&*overlay);
    let mut hold = draft.hold(settle.hold)?.clone();
    let status_before = hold.status;
    let charged = accept(&hold, settle)?;
    let charges = charges_of(&hold, &settle.charges)?;
    if hold.status == HoldStatus::Open && hold.expires_at <= now {
        hold.end(&mut draft, HoldStatus::Expired)?;
    }
    let within = charged.min(hold.held());
    let overrun = charged - within;
    let mut settlement = Settlement {
        charged,
        overrun,
        counters: Vec::new(),
        warnings: Vec::new(),
        allocations: Vec::new(),
        hold,
    };
    let hold = &mut settlement.hold;
    let at = hold.created_at;
    for (part, charge) in hold.parts.iter_mut().zip(&charges).filter(|_| charged > 0) {
        let mut paid = settle_part(&mut draft, part, charge, within, at, now)?;
        if overrun > 0 {
            paid.append(
                charge
                    .overrun(&mut draft, overrun, at, now)?
                    .ok_or(HoldError::TooLarge)?,
            );
        }
        settlement.allocations.push(paid);
        settlement.warnings.extend(charge.warn(&mut draft, now)?);
    }
    hold.settled = settle.total;
    hold.overrun += overrun;
    let last = if settle.close {
        HoldStatus::Settled
    } else {
        hold.status
    };
    if last != hold.status {
        hold.end(&mut draft, last)?;
    }
    draft.put_hold(hold.clone());
    for charge in charges {
        settlement.counters.push(charge.view(&draft, now)?);
    }
    if charged > 0 || settlement.hold.status != status_before {
        let changes = draft.into_changes();
        overlay.merge(changes);
    }
    Ok(settlement)
}

/// Gives back what an open hold still reserves. Releasing twice, or after it has expired, changes nothing.
pub fn release(overlay: &mut Overlay<'_>, hold: HoldId) -> Result<Hold, HoldError> {
    let mut hold = overlay.hold(hold)?.clone();
    match hold.status {
        HoldStatus::Open => end(overlay, &mut hold, HoldStatus::Released)?,
        HoldStatus::Released | HoldStatus::Expired => {}
        HoldStatus::Settled => {
            return Err(HoldError::Settled {
                settled: hold.settled,
            });
        }
    }
    Ok(hold)
}

/// Gives back what a hold reserves whose time is over. Before that, and when it has ended already, nothing changes. An
/// overdue hold goes on reserving until somebody calls this or settles it.
pub fn expire(overlay: &mut Overlay<'_>, hold: HoldId, now: Timestamp) -> Result<Hold, HoldError> {
    let mut hold = overlay.hold(hold)?.clone();
    if hold.status == HoldStatus::Open && hold.expires_at <= now {
        end(overlay, &mut hold, HoldStatus::Expired)?;
    }
    Ok(hold)
}

/// Ends a hold wholly or, if something is not loaded, not at all.
fn end(overlay: &mut Overlay<'_>, hold: &mut Hold, status: HoldStatus) -> Result<(), NotLoaded> {
    let mut draft = Overlay::begin(&*overlay);
    hold.end(&mut draft, status)?;
    let changes = draft.into_changes();
    overlay.merge(changes);
    Ok(())
}

/// The units that a settle adds, if the hold can take it.
fn accept(hold: &Hold, settle: &Settle) -> Result<i64, HoldError> {
    let settled = hold.settled;
    match hold.status {
        _ if settle.total < 0 => Err(HoldError::Negative),
        HoldStatus::Released => Err(HoldError::Released),
        HoldStatus::Settled if settle.total != settled => Err(HoldError::Settled { settled }),
        _ if settle.total < settled => Err(HoldError::BelowSettled { settled }),
        _ => Ok(settle.total - settled),
    }
}

/// The charges in the order of the hold's parts.
fn charges_of<'a>(hold: &Hold, charges: &'a [Charge]) -> Result<Vec<&'a Charge>, HoldError> {
    hold.parts
        .iter()
        .map(|part| {
            let same_key = |charge: &&Charge| charge.key == part.key;
            charges
                .iter()
                .find(same_key)
                .ok_or(HoldError::ChargeMissing(part.key))
        })
        .collect()
}

/// Turns held units of one counter into used ones.
fn settle_part(
    draft: &mut Overlay<'_>,
    part: &mut HoldPart,
    charge: &Charge,
    units: i64,
    at: Timestamp,
    now: Timestamp,
) -> Result<Allocation, NotLoaded> {
    let paid = part.held.take_first(units);
    let mut state = charge.state(draft, now)?;
    state.settle(&charge.meter, &paid, at, now);
    draft.put_counter(part.key, state);
    change_grants(draft, &paid.grants, Grant::settle)?;
    Ok(paid)
}
