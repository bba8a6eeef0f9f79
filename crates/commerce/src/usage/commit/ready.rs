//! What the ledger is about to decide on, and the rows that it looks at.

use std::collections::BTreeSet;
use std::sync::Arc;

use ledger::{Aggregation, Allocation, Charge, CounterKey, MemberKey, Meter, Request, Scale};
use types::Result;
use types::id::{CustomerId, EndUserId, GrantId};

use super::super::order::{Correct, Verb};
use super::super::store::{StoredEvent, StoredHold};
use super::answer::Answer;
use crate::Shop;
use crate::features::Feature;

/// What an order has come to before the ledger decides.
pub(in crate::usage) enum Stage {
    Open(Box<Ready>),
    /// It is answered whatever the counters hold.
    Done(Box<Result<Answer>>),
}

/// Everything that a decision needs.
pub(in crate::usage) enum Ready {
    Use(ReadyUse),
    Settle(ReadySettle),
    Release(StoredHold),
    Expire(StoredHold),
    Correct(ReadyCorrection),
}

/// A use that the ledger decides.
pub(in crate::usage) struct ReadyUse {
    pub customer: CustomerId,
    pub end_user: Option<EndUserId>,
    /// What is used; none when nothing is but what the order names beside it.
    pub metered: Option<Metered>,
    pub verb: Verb,
    pub dimensions: String,
    pub request: Request,
    /// Where in the request the counter of the customer is.
    pub own: Option<usize>,
    /// Where in the request the charges begin that the order names itself.
    pub also: usize,
    /// The counters of calls that the order names itself, asked for one call.
    pub calls: Option<Request>,
    /// The workspace's own limit, where it has one: both are granted, or neither.
    pub gate: Option<Gate>,
}

/// A metered feature, and how much of it.
#[derive(Clone)]
pub(in crate::usage) struct Metered {
    pub feature: Arc<Feature>,
    pub meter: Meter,
    /// In the smallest units of the feature's scale.
    pub units: i64,
}

/// A settlement that the ledger decides.
pub(in crate::usage) struct ReadySettle {
    pub stored: StoredHold,
    pub feature: Arc<Feature>,
    pub settle: ledger::Settle,
    /// Whether all that is held is meant, however much that is by then.
    pub is_of_all: bool,
    /// Where among the hold's parts the counter of the customer is.
    pub own: Option<usize>,
}

/// A correction that the ledger decides.
pub(in crate::usage) struct ReadyCorrection {
    pub wanted: Correct,
    pub stored: StoredEvent,
    pub feature: Arc<Feature>,
    pub correction: ledger::Correction,
}

/// A workspace's own limit on live calls: one call, whatever amount it is of.
#[derive(Clone)]
pub(in crate::usage) struct Gate {
    pub request: Request,
    /// The workspace's plan.
    pub plan: String,
}

/// Rows that decisions look at.
#[derive(Default)]
pub(in crate::usage) struct Wanted {
    pub counters: BTreeSet<CounterKey>,
    pub grants: BTreeSet<(Shop, GrantId)>,
    pub members: BTreeSet<MemberKey>,
}

impl Wanted {
    pub(in crate::usage) fn of<'a>(ready: impl Iterator<Item = (Shop, &'a Ready)>) -> Self {
        let mut wanted = Wanted::default();
        for (shop, ready) in ready {
            wanted.add(shop, ready);
        }
        wanted
    }

    fn add(&mut self, shop: Shop, ready: &Ready) {
        match ready {
            Ready::Use(ready) => {
                let gate = ready.gate.iter().flat_map(|gate| &gate.request.charges);
                let calls = ready.calls.iter().flat_map(|calls| &calls.charges);
                for charge in ready.request.charges.iter().chain(gate).chain(calls) {
                    self.add_charge(shop, charge);
                    if matches!(charge.meter.aggregation, Aggregation::Unique { .. }) {
                        self.members.insert(MemberKey {
                            counter: charge.key,
                            member: ready.request.member,
                        });
                    }
                }
            }
            Ready::Settle(ready) => {
                self.add_hold(shop, &ready.stored);
                for charge in &ready.settle.charges {
                    self.add_charge(shop, charge);
                }
            }
            Ready::Release(stored) | Ready::Expire(stored) => self.add_hold(shop, stored),
            Ready::Correct(ready) => {
                for part in &ready.correction.parts {
                    self.add_charge(shop, &part.charge);
                    self.add_shares(shop, &part.left);
                }
            }
        }
    }

    fn add_charge(&mut self, shop: Shop, charge: &Charge) {
        self.counters.insert(charge.key);
        self.grants
            .extend(charge.grants.iter().map(|grant| (shop, *grant)));
    }

    fn add_hold(&mut self, shop: Shop, stored: &StoredHold) {
        for part in &stored.hold.parts {
            self.counters.insert(part.key);
            self.add_shares(shop, &part.held);
        }
    }

    fn add_shares(&mut self, shop: Shop, units: &Allocation) {
        self.grants
            .extend(units.grants.iter().map(|share| (shop, share.grant)));
    }
}

impl Metered {
    /// The scale of its amounts.
    pub(in crate::usage) fn scale(&self) -> Scale {
        self.meter.scale
    }

    /// Whether an event replaces what was, rather than adding to it.
    pub(in crate::usage) fn keeps_a_value(&self) -> bool {
        matches!(self.meter.aggregation, Aggregation::Max | Aggregation::Last)
    }
}
