//! Grants: extra balance beside the plan's allowance, bought or given, burned before anything is overage.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use types::Timestamp;
use types::id::GrantId;

use crate::allocation::GrantShare;
use crate::book::{Base, NotLoaded, Overlay};
use crate::counter::CounterState;
use crate::limit::Limit;

/// A balance of one subject and feature. `used + held` never exceeds `amount`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub id: GrantId,
    /// Units that were granted.
    pub amount: i64,
    /// Units that were spent.
    pub used: i64,
    /// Units that open holds reserve.
    pub held: i64,
    /// Lower is burned first.
    pub priority: i16,
    /// The first instant at which it may be burned.
    pub effective_at: Timestamp,
    /// The first instant at which it may not be burned any more; none: never expires.
    pub expires_at: Option<Timestamp>,
}

impl Grant {
    /// A grant that nothing was taken from yet.
    pub const fn new(
        id: GrantId,
        amount: i64,
        effective_at: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> Grant {
        Grant {
            id,
            amount,
            used: 0,
            held: 0,
            priority: 0,
            effective_at,
            expires_at,
        }
    }

    pub fn is_effective(&self, now: Timestamp) -> bool {
        self.effective_at <= now && self.expires_at.is_none_or(|end| now < end)
    }

    /// Units that may be burned now.
    pub fn available(&self, now: Timestamp) -> i64 {
        if self.is_effective(now) { self.balance() } else { 0 }
    }

    /// Units that are neither spent nor held, expired or not.
    pub fn balance(&self) -> i64 {
        self.amount.saturating_sub(self.used).saturating_sub(self.held)
    }

    /// The order of burning: priority, then what expires first, then the older one (ids are in order of creation).
    pub fn burn_order(&self, other: &Grant) -> Ordering {
        let end = |grant: &Grant| grant.expires_at.unwrap_or(Timestamp::MAX);
        (self.priority, end(self), self.id).cmp(&(other.priority, end(other), other.id))
    }

    pub(crate) fn spend(&mut self, units: i64) {
        self.used += units;
    }

    pub(crate) fn reserve(&mut self, units: i64) {
        self.held += units;
    }

    pub(crate) fn settle(&mut self, units: i64) {
        self.held -= units;
        self.used += units;
    }

    pub(crate) fn release(&mut self, units: i64) {
        self.held -= units;
    }

    pub(crate) fn give_back(&mut self, units: i64) {
        self.used -= units;
    }
}

/// Applies a change to each grant that pays a share.
pub(crate) fn change_grants(
    draft: &mut Overlay<'_>,
    shares: &[GrantShare],
    change: fn(&mut Grant, i64),
) -> Result<(), NotLoaded> {
    for share in shares {
        let mut grant = draft.grant(share.grant)?.clone();
        change(&mut grant, share.units);
        draft.put_grant(grant);
    }
    Ok(())
}

/// What is carried into the next period when a period or a grant ends: the unused units, but at least `min` and at most
/// `max` of them. `max` 0 carries nothing; `min` above 0 tops up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollover {
    pub min: i64,
    pub max: i64,
}

impl Rollover {
    /// Units that are carried when so many were left.
    pub fn carried(self, left: i64) -> i64 {
        left.min(self.max).max(self.min).max(0)
    }

    /// Units of the plan's allowance that are carried from a counter whose period has ended. What open holds reserve
    /// counts as used: it belongs to the period of the hold. An unlimited allowance carries nothing.
    pub fn of_allowance(self, limit: &Limit, counter: &CounterState) -> i64 {
        limit.amount.map_or(0, |amount| {
            self.carried(amount.saturating_sub(counter.plan_load()).max(0))
        })
    }

    /// The successor of a grant that expires: it takes effect at the very instant and starts with what is carried. None
    /// if that is nothing, or if the grant never expires. What open holds reserve of the old grant stays with it.
    pub fn of_grant(self, grant: &Grant, id: GrantId, expires_at: Option<Timestamp>) -> Option<Grant> {
        let carried = self.carried(grant.balance());
        let mut next = Grant::new(id, carried, grant.expires_at?, expires_at);
        next.priority = grant.priority;
        (carried > 0).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn grant(amount: i64, used: i64) -> Grant {
        let id = GrantId::from_uuid(Uuid::from_u128(1));
        let end = Some(Timestamp::from_secs(100));
        Grant {
            used,
            ..Grant::new(id, amount, Timestamp::EPOCH, end)
        }
    }

    #[test]
    fn a_grant_counts_from_its_first_instant_to_the_one_before_its_last() {
        let grant = grant(10, 4);
        assert_eq!(grant.available(Timestamp::from_micros(-1)), 0);
        assert_eq!(grant.available(Timestamp::EPOCH), 6);
        assert_eq!(grant.available(Timestamp::from_micros(99_999_999)), 6);
        assert_eq!(grant.available(Timestamp::from_secs(100)), 0);
    }

    #[test]
    fn rollover_carries_between_its_bounds() {
        let rule = Rollover { min: 2, max: 5 };
        assert_eq!([0, 2, 4, 9].map(|left| rule.carried(left)), [2, 2, 4, 5]);
        assert_eq!(Rollover { min: 0, max: 0 }.carried(9), 0);
    }

    #[test]
    fn what_holds_reserve_is_not_carried() {
        let rule = Rollover { min: 0, max: 100 };
        let counter = CounterState {
            used: 30,
            held: 20,
            from_grants: 10,
            ..CounterState::default()
        };
        assert_eq!(rule.of_allowance(&Limit::deny_above(100), &counter), 60);
        assert_eq!(rule.of_allowance(&Limit::deny_above(10), &counter), 0);
        assert_eq!(rule.of_allowance(&Limit::unlimited(), &counter), 0);
    }

    #[test]
    fn a_successor_starts_where_its_grant_ends() {
        let rule = Rollover { min: 0, max: 5 };
        let id = GrantId::from_uuid(Uuid::from_u128(2));
        let next = rule.of_grant(&grant(10, 1), id, None).unwrap();
        assert_eq!((next.amount, next.effective_at), (5, Timestamp::from_secs(100)));
        assert_eq!(rule.of_grant(&grant(10, 10), id, None), None);
    }
}
