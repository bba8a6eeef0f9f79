//! Who pays for a unit: the plan's allowance first (it is lost at the end of the period), then grants in their order,
//! then overage. The allocation of an event is stored with it, so that what is given back goes where it came from.

use serde::{Deserialize, Serialize};
use types::Timestamp;
use types::id::GrantId;

use crate::counter::CounterState;
use crate::grant::Grant;
use crate::limit::Limit;

/// Units of one counter, by who pays for them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Allocation {
    /// Units charged to the plan's allowance, with those that a soft limit gave and those that an overrun forced.
    pub included: i64,
    /// Units burned from grants, in the order of burning.
    pub grants: Vec<GrantShare>,
    /// Units sold beyond the limit.
    pub overage: i64,
}

/// Units burned from one grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantShare {
    pub grant: GrantId,
    pub units: i64,
}

/// Whether units that nobody has room for are refused or charged all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beyond {
    Refuse,
    /// They were really used: charge them to the plan, above its limit.
    Charge,
}

impl Allocation {
    /// Units charged to the plan alone, when grants and overage do not apply.
    pub(crate) const fn plan(included: i64) -> Allocation {
        Allocation {
            included,
            grants: Vec::new(),
            overage: 0,
        }
    }

    pub fn from_grants(&self) -> i64 {
        self.grants
            .iter()
            .fold(0, |sum, share| sum.saturating_add(share.units))
    }

    pub fn total(&self) -> i64 {
        self.included
            .saturating_add(self.from_grants())
            .saturating_add(self.overage)
    }
}

/// Finds payers for `amount` units on top of what the counter carries. `grants` are in burn order. None if somebody is
/// missing and `beyond` says to refuse. Changes nothing: see [`CounterState`] and [`Grant`].
pub(crate) fn place(
    amount: i64,
    state: &CounterState,
    limit: &Limit,
    grants: &[Grant],
    now: Timestamp,
    beyond: Beyond,
) -> Option<Allocation> {
    let room = limit.room(state.plan_load(), state.overage);
    let mut rest = amount;
    let mut take = |available: i64| {
        let taken = rest.min(available);
        rest -= taken;
        taken
    };
    let included = take(room.included);
    let grants = grants
        .iter()
        .map(|grant| GrantShare {
            grant: grant.id,
            units: take(grant.available(now).max(0)),
        })
        .filter(|share| share.units > 0)
        .collect();
    let overage = take(room.billed);
    let soft = take(room.soft);
    if rest > 0 && beyond == Beyond::Refuse {
        return None;
    }
    Some(Allocation {
        included: included + soft + rest,
        grants,
        overage,
    })
}
