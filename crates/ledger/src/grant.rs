//! Grants: extra balance beside the plan's allowance, bought or given, burned before anything is overage.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use types::Timestamp;
use types::id::GrantId;

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
}
