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

/// Where units found payers.
pub(crate) struct Placed {
    pub(crate) units: Allocation,
    /// Of `units`, those that nobody had room for. They are charged to the plan, above its limit, if they are charged.
    pub(crate) beyond: i64,
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

    /// Splits off the first `units` in the order of payment. They must be there.
    pub(crate) fn take_first(&mut self, units: i64) -> Allocation {
        let mut rest = units;
        let mut taken = Allocation::plan(take(&mut self.included, &mut rest));
        for share in &mut self.grants {
            let units = take(&mut share.units, &mut rest);
            taken.grants.push(GrantShare { units, ..*share });
        }
        taken.overage = take(&mut self.overage, &mut rest);
        self.drop_empty_shares();
        taken.drop_empty_shares();
        taken
    }

    /// Splits off the last `units` in the order of payment: what was paid last is given back first.
    pub(crate) fn take_last(&mut self, units: i64) -> Allocation {
        let first = self.take_first(self.total().saturating_sub(units).max(0));
        std::mem::replace(self, first)
    }

    /// Adds units that were paid later.
    pub(crate) fn append(&mut self, later: Allocation) {
        self.included += later.included;
        self.overage += later.overage;
        self.grants.extend(later.grants);
    }

    fn drop_empty_shares(&mut self) {
        self.grants.retain(|share| share.units != 0);
    }
}

/// Moves as much of `rest` as `from` has.
fn take(from: &mut i64, rest: &mut i64) -> i64 {
    let taken = (*rest).min(*from);
    *from -= taken;
    *rest -= taken;
    taken
}

/// Finds payers for `amount` units on top of what the counter carries. `grants` are in burn order. Changes nothing.
pub(crate) fn place(
    amount: i64,
    state: &CounterState,
    limit: &Limit,
    grants: &[Grant],
    now: Timestamp,
) -> Placed {
    let mut room = limit.room(state.plan_load(), state.overage);
    let mut rest = amount;
    let mut units = Allocation::plan(take(&mut room.included, &mut rest));
    for grant in grants {
        let share = GrantShare {
            grant: grant.id,
            units: take(&mut grant.available(now), &mut rest),
        };
        units.grants.push(share);
    }
    units.drop_empty_shares();
    units.overage = take(&mut room.billed, &mut rest);
    let soft = take(&mut room.soft, &mut rest);
    units.included += soft + rest;
    Placed { units, beyond: rest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn share(number: u128, units: i64) -> GrantShare {
        GrantShare {
            grant: GrantId::from_uuid(Uuid::from_u128(number)),
            units,
        }
    }

    fn allocation() -> Allocation {
        Allocation {
            included: 5,
            grants: vec![share(1, 3), share(2, 4)],
            overage: 2,
        }
    }

    #[test]
    fn settles_from_the_front() {
        let mut held = allocation();
        let settled = held.take_first(9);
        assert_eq!(settled.included, 5);
        assert_eq!(settled.grants, [share(1, 3), share(2, 1)]);
        assert_eq!((held.grants, held.overage), (vec![share(2, 3)], 2));
    }

    #[test]
    fn gives_back_from_the_end() {
        let mut paid = allocation();
        let back = paid.take_last(4);
        assert_eq!((back.included, back.overage), (0, 2));
        assert_eq!(back.grants, [share(2, 2)]);
        assert_eq!(paid.total(), 10);
    }
}
