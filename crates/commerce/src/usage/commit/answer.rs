//! What an order is answered: figures that are kept with the order's idempotency key, and given again under it.

use std::time::Duration;

use ledger::{Code, CounterView, Decision, Limiting, RateView};
use serde::{Deserialize, Serialize};
use types::id::{CustomerId, UsageEventId};
use types::{Error, ErrorCode, Timestamp};

use super::super::{Correction, Hold, Settlement, Usage};
use super::ready::{Metered, ReadyUse};
use crate::amount::Amount;

/// The answer to an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::usage) enum Answer {
    Used(Box<Used>),
    /// Usage that was told afterwards.
    Recorded {
        event: UsageEventId,
        /// Whether it was told before.
        #[serde(skip)]
        again: bool,
    },
    Settled(Box<Settlement>),
    Released(Box<Hold>),
    Corrected(Box<Correction>),
}

/// The answer to a use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Used {
    pub code: Code,
    pub retry_after: Option<Duration>,
    pub customer: CustomerId,
    /// Figures of the customer's counter; none when nothing is used but what the order names beside it.
    pub usage: Option<Usage>,
    /// The counters that the order names itself, in its order; empty when it was refused before they were looked at.
    pub also: Vec<CounterView>,
    /// The counters of calls that the order names, in its order; empty likewise.
    pub calls: Vec<CounterView>,
    pub rates: Vec<RateView>,
    pub limited_by: Option<LimitedBy>,
    pub hold: Option<Hold>,
    /// Whether this is the answer to an earlier call under the same key.
    #[serde(skip)]
    pub replayed: bool,
}

/// What refused a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LimitedBy {
    /// The customer's own counter, or that of the end user.
    Customer,
    /// One of the counters that the order names itself, by its place there.
    Also(usize),
    /// One of the counters of calls that the order names.
    Calls,
    Rate(usize),
}

impl Answer {
    /// The same answer, given for another time.
    pub(super) fn again(mut self) -> Self {
        match &mut self {
            Answer::Used(used) => used.replayed = true,
            Answer::Recorded { again, .. } => *again = true,
            Answer::Settled(_) | Answer::Released(_) | Answer::Corrected(_) => {}
        }
        self
    }

    /// The answer of another kind of order than was asked: a bug.
    pub(in crate::usage) fn unexpected() -> Error {
        Error::internal("an order was answered with another kind of answer")
    }
}

impl Used {
    /// Refused before a counter was looked at.
    pub(super) fn refused(customer: CustomerId, metered: Option<&Metered>, decision: &Decision) -> Self {
        Used {
            code: decision.code,
            retry_after: decision.retry_after,
            customer,
            usage: metered.map(|metered| Usage::new(customer, metered, decision, None)),
            also: Vec::new(),
            calls: Vec::new(),
            rates: Vec::new(),
            limited_by: None,
            hold: None,
            replayed: false,
        }
    }

    pub(in crate::usage) fn decided(ready: &ReadyUse, decision: &Decision) -> Self {
        let own = ready.own.and_then(|place| decision.counters.get(place));
        let usage = ready
            .metered
            .as_ref()
            .map(|metered| Usage::new(ready.customer, metered, decision, own));
        Used {
            code: decision.code,
            retry_after: decision.retry_after,
            customer: ready.customer,
            usage,
            also: decision.counters.iter().skip(ready.also).copied().collect(),
            calls: Vec::new(),
            rates: decision.rates.clone(),
            limited_by: decision.limiting.map(|limiting| match limiting {
                Limiting::Counter(place) if place >= ready.also => LimitedBy::Also(place - ready.also),
                Limiting::Counter(_) => LimitedBy::Customer,
                Limiting::Rate(place) => LimitedBy::Rate(place),
            }),
            hold: None,
            replayed: false,
        }
    }

    /// Refused by a counter of calls: the others were not looked at.
    pub(super) fn without_calls(ready: &ReadyUse, decision: &Decision) -> Self {
        Used {
            calls: decision.counters.clone(),
            limited_by: Some(LimitedBy::Calls),
            ..Used::refused(ready.customer, None, decision)
        }
    }
}

impl Usage {
    /// Figures of a decision; `own` is the customer's counter.
    fn new(customer: CustomerId, metered: &Metered, decision: &Decision, own: Option<&CounterView>) -> Self {
        let amount = |units: i64| Amount::from_units(units, metered.scale());
        Usage {
            allowed: decision.is_granted(),
            code: decision.code,
            event: None,
            customer,
            feature: metered.feature.key.clone(),
            amount: amount(metered.units),
            used: amount(own.map_or(0, |view| view.used)),
            held: amount(own.map_or(0, |view| view.held)),
            limit: own.and_then(|view| view.limit).map(amount),
            remaining: own.and_then(|view| view.remaining).map(amount),
            overage: amount(own.map_or(0, |view| view.overage)),
            reset_at: own.and_then(|view| view.reset_at),
            retry_after_secs: decision.retry_after.map(whole_secs),
            thresholds_reached: decision
                .warnings
                .iter()
                .filter(|warning| own.is_some_and(|view| view.key == warning.key))
                .map(|warning| warning.threshold_percent)
                .collect(),
            rate_limits: decision.rates.iter().map(Into::into).collect(),
        }
    }

    pub(super) fn with_event(mut self, event: UsageEventId) -> Self {
        self.event = Some(event);
        self
    }
}

/// At least one second, so that nobody asks again at once.
pub(crate) fn whole_secs(wait: Duration) -> u64 {
    wait.as_micros().div_ceil(1_000_000).max(1) as u64
}

/// The workspace's own plan has no room for another live call.
pub(in crate::usage) fn gate_refusal(decision: &Decision, plan: &str) -> Error {
    let view = decision.counters.last();
    let limit = view.and_then(|view| view.limit).unwrap_or_default();
    let reset_at: Option<Timestamp> = view.and_then(|view| view.reset_at);
    Error::new(
        ErrorCode::PlanLimitReached,
        format!(
            "The workspace's own plan ({plan}) includes {limit} live calls a month, and they are used up. Upgrade the \
             workspace, or use a test key."
        ),
    )
    .with_member("feature", super::config::CALLS)
    .with_member("limit", limit)
    .with_member("used", view.map_or(0, |view| view.used))
    .with_member("plan", plan)
    .with_member("reset_at", serde_json::to_value(reset_at).unwrap_or_default())
}
