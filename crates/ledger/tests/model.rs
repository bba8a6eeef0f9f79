//! A plain model of the ledger: it keeps every single unit, places them one by one and counts them anew each time.

use std::collections::BTreeSet;

use ledger::{Grant, HoldStatus, Limit, Overage};
use types::Timestamp;

/// The counters: two end users, and the customer they belong to. A request names a user and touches both.
pub const CUSTOMER: usize = 2;

/// What is configured around the counters. Only the customer has grants.
#[derive(Debug, Clone)]
pub struct World {
    pub limits: [Limit; 3],
    pub grants: Vec<Grant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Payer {
    Plan,
    Grant(usize),
    Overage,
}

/// Whose a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Use(usize),
    Hold(usize),
}

#[derive(Debug, Clone, Copy)]
pub struct Unit {
    pub counter: usize,
    pub payer: Payer,
    pub owner: Owner,
}

#[derive(Debug, Clone)]
pub struct ModelHold {
    pub user: usize,
    pub status: HoldStatus,
    pub settled: i64,
    pub expires_at: Timestamp,
}

/// Every unit that is carried, in the order in which it was placed.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub units: Vec<Unit>,
    pub holds: Vec<ModelHold>,
    /// The highest threshold of each counter that has warned.
    warned: [u16; 3],
}

impl Model {
    pub fn count(&self, wanted: impl Fn(&Unit) -> bool) -> i64 {
        self.units.iter().filter(|unit| wanted(unit)).count() as i64
    }

    /// Who pays for one more unit of a counter; none if it is refused.
    fn payer(&self, world: &World, counter: usize, at: Timestamp) -> Option<Payer> {
        let carried = |payer| self.count(|unit| unit.counter == counter && unit.payer == payer);
        let limit = &world.limits[counter];
        let amount = limit.amount.unwrap_or(i64::MAX);
        if carried(Payer::Plan) < amount {
            return Some(Payer::Plan);
        }
        let mut grants: Vec<usize> = (0..world.grants.len()).filter(|_| counter == CUSTOMER).collect();
        grants.sort_by_key(|number| {
            let grant = &world.grants[*number];
            (
                grant.priority,
                grant.expires_at.unwrap_or(Timestamp::MAX),
                *number,
            )
        });
        let open = |number: &usize| {
            let grant = &world.grants[*number];
            let is_time = grant.effective_at <= at && grant.expires_at.is_none_or(|end| at < end);
            is_time && self.count(|unit| unit.payer == Payer::Grant(*number)) < grant.amount
        };
        if let Some(number) = grants.into_iter().find(open) {
            return Some(Payer::Grant(number));
        }
        match limit.overage {
            Overage::Bill { cap } if carried(Payer::Overage) < cap.unwrap_or(i64::MAX) => {
                Some(Payer::Overage)
            }
            Overage::Soft { cap } if carried(Payer::Plan) < amount + cap => Some(Payer::Plan),
            _ => None,
        }
    }

    /// Places units one by one on the user's counter and the customer's. False, and nothing is placed, if one of them is
    /// refused; forced units that nobody pays for are the plan's.
    pub fn place(
        &mut self,
        world: &World,
        user: usize,
        owner: Owner,
        amount: i64,
        at: Timestamp,
        force: bool,
    ) -> bool {
        let before = self.units.len();
        for counter in [user, CUSTOMER] {
            for _ in 0..amount {
                let payer = self.payer(world, counter, at).or(force.then_some(Payer::Plan));
                let Some(payer) = payer else {
                    self.units.truncate(before);
                    return false;
                };
                self.units.push(Unit {
                    counter,
                    payer,
                    owner,
                });
            }
        }
        true
    }

    /// The places of an owner's units on a counter, in the order of payment: plan, grants as they were burned, overage.
    fn paid(&self, counter: usize, owner: Owner) -> Vec<usize> {
        let is_its =
            |place: &usize| self.units[*place].counter == counter && self.units[*place].owner == owner;
        let mut places: Vec<usize> = (0..self.units.len()).filter(is_its).collect();
        places.sort_by_key(|place| match self.units[*place].payer {
            Payer::Plan => 0,
            Payer::Grant(_) => 1,
            Payer::Overage => 2,
        });
        places
    }

    /// The units that a settle charges to `new_use`; none if it is refused.
    pub fn settle(
        &mut self,
        world: &World,
        hold: usize,
        new_use: usize,
        total: i64,
        close: bool,
        at: Timestamp,
    ) -> Option<i64> {
        let ModelHold {
            user,
            status,
            settled,
            ..
        } = self.holds[hold];
        let charged = total - settled;
        match status {
            HoldStatus::Settled if charged == 0 => return Some(0),
            HoldStatus::Settled | HoldStatus::Released => return None,
            HoldStatus::Open | HoldStatus::Expired if charged < 0 => return None,
            HoldStatus::Open | HoldStatus::Expired => self.expire(hold, at),
        }
        let mut beyond = charged;
        for counter in [user, CUSTOMER] {
            let held = self.paid(counter, Owner::Hold(hold));
            let within = held.len().min(charged as usize);
            for place in &held[..within] {
                self.units[*place].owner = Owner::Use(new_use);
            }
            beyond = charged - within as i64;
        }
        self.place(world, user, Owner::Use(new_use), beyond, at, true);
        self.holds[hold].settled = total;
        if close {
            self.end(hold, HoldStatus::Settled);
        }
        Some(charged)
    }

    pub fn expire(&mut self, hold: usize, at: Timestamp) {
        let hold_now = &self.holds[hold];
        if hold_now.status == HoldStatus::Open && hold_now.expires_at <= at {
            self.end(hold, HoldStatus::Expired);
        }
    }

    /// False if it is settled already.
    pub fn release(&mut self, hold: usize) -> bool {
        let status = self.holds[hold].status;
        if status == HoldStatus::Open {
            self.end(hold, HoldStatus::Released);
        }
        status != HoldStatus::Settled
    }

    fn end(&mut self, hold: usize, status: HoldStatus) {
        self.units.retain(|unit| unit.owner != Owner::Hold(hold));
        self.holds[hold].status = status;
    }

    /// Removes the units of a use that were paid last. False if it has not as many.
    pub fn correct(&mut self, user: usize, corrected: usize, amount: i64) -> bool {
        let owner = Owner::Use(corrected);
        if (self.paid(CUSTOMER, owner).len() as i64) < amount {
            return false;
        }
        for counter in [user, CUSTOMER] {
            let mut last = self.paid(counter, owner);
            last.drain(..last.len() - amount as usize);
            last.sort_unstable();
            for place in last.into_iter().rev() {
                self.units.remove(place);
            }
        }
        true
    }

    pub fn used(&self, counter: usize) -> i64 {
        self.count(|unit| unit.counter == counter && matches!(unit.owner, Owner::Use(_)))
    }

    /// The thresholds that a request of the user has reached for the first time.
    pub fn warn(&mut self, world: &World, user: usize) -> BTreeSet<(usize, u16)> {
        let mut new = BTreeSet::new();
        for counter in [user, CUSTOMER] {
            let used = self.used(counter);
            let limit = &world.limits[counter];
            let is_reached = |percent: u16| {
                limit
                    .amount
                    .is_some_and(|limit| used > 0 && used * 100 >= limit * i64::from(percent))
            };
            let reached = limit.thresholds.iter().filter(|percent| is_reached(**percent));
            for percent in reached
                .filter(|percent| **percent > self.warned[counter])
                .copied()
                .collect::<Vec<_>>()
            {
                new.insert((counter, percent));
                self.warned[counter] = self.warned[counter].max(percent);
            }
        }
        new
    }
}
