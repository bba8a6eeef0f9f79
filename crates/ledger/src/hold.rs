//! Holds: reserve now, charge what it really was later. Units are reserved on every counter that the request touched
//! and stay charged to the periods of the hold, however late it is settled.

use serde::{Deserialize, Serialize};
use types::Timestamp;
use types::id::HoldId;

use crate::allocation::Allocation;
use crate::book::{Base, NotLoaded, Overlay};
use crate::counter::CounterKey;
use crate::grant::{Grant, change_grants};

/// Reserved units. At any time `amount` is what is still held, what was settled within it and what was given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub id: HoldId,
    pub status: HoldStatus,
    /// Units that were reserved.
    pub amount: i64,
    /// Units that were settled so far, overrun included.
    pub settled: i64,
    /// Of `settled`, units above the hold or after it had ended.
    pub overrun: i64,
    /// The instant whose periods are charged.
    pub created_at: Timestamp,
    /// The first instant at which it does not hold any more.
    pub expires_at: Timestamp,
    /// What is still held, counter by counter in the order of the request.
    pub parts: Vec<HoldPart>,
}

/// What a hold reserves on one counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldPart {
    pub key: CounterKey,
    pub held: Allocation,
}

/// Where a hold is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldStatus {
    Open,
    /// Closed by a last settle.
    Settled,
    /// Given back by its owner; what was settled before stays settled.
    Released,
    /// Given back because its time was over. It can still be settled: as overrun.
    Expired,
}

impl HoldStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            HoldStatus::Open => "open",
            HoldStatus::Settled => "settled",
            HoldStatus::Released => "released",
            HoldStatus::Expired => "expired",
        }
    }
}

impl Hold {
    /// Units that are still reserved.
    pub fn held(&self) -> i64 {
        match self.status {
            HoldStatus::Open => self.amount - (self.settled - self.overrun),
            HoldStatus::Settled | HoldStatus::Released | HoldStatus::Expired => 0,
        }
    }

    /// Gives back what is still reserved and ends the hold.
    pub(crate) fn end(&mut self, draft: &mut Overlay<'_>, status: HoldStatus) -> Result<(), NotLoaded> {
        for part in &mut self.parts {
            let held = std::mem::take(&mut part.held);
            let mut state = draft.counter(&part.key)?.clone();
            state.release(&held);
            draft.put_counter(part.key, state);
            change_grants(draft, &held.grants, Grant::release)?;
        }
        self.status = status;
        draft.put_hold(self.clone());
        Ok(())
    }
}
