//! What a decision says.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::{ErrorCode, Timestamp};

use crate::allocation::Allocation;
use crate::counter::CounterKey;

/// Whether the request was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Granted,
    Denied,
}

/// Why. New codes are added; none is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    Granted,
    /// A counter has no room for the amount.
    QuotaExceeded,
    /// A rate limit has no room for the cost.
    RateLimited,
    /// The plan does not have the feature at all.
    FeatureNotInPlan,
    CustomerArchived,
    /// A unique counter keeps as many members as it can, and this is a new one.
    UniqueCapReached,
    /// The amount would take a counter beyond what a number can hold.
    AmountTooLarge,
}

impl Code {
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::Granted => "granted",
            Code::QuotaExceeded => "quota_exceeded",
            Code::RateLimited => "rate_limited",
            Code::FeatureNotInPlan => "feature_not_in_plan",
            Code::CustomerArchived => "customer_archived",
            Code::UniqueCapReached => "unique_cap_reached",
            Code::AmountTooLarge => "amount_too_large",
        }
    }

    /// The error that a refusal with this code is told as; none when it was granted.
    pub const fn error_code(self) -> Option<ErrorCode> {
        match self {
            Code::Granted => None,
            Code::QuotaExceeded | Code::UniqueCapReached => Some(ErrorCode::QuotaExceeded),
            Code::RateLimited => Some(ErrorCode::RateLimited),
            Code::FeatureNotInPlan => Some(ErrorCode::FeatureNotInPlan),
            Code::CustomerArchived => Some(ErrorCode::CustomerArchived),
            Code::AmountTooLarge => Some(ErrorCode::ValidationFailed),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The answer to one request. A granted one is stored with the debit and replayed as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub outcome: Outcome,
    pub code: Code,
    /// When it was decided.
    pub at: Timestamp,
    /// The counters in the order of the request: after the charge when granted, as they are when denied.
    pub counters: Vec<CounterView>,
    /// The rate limits in the order of the request.
    pub rates: Vec<RateView>,
    /// What refused it.
    pub limiting: Option<Limiting>,
    /// Until the same request may succeed, if nothing else happens; none when granted, or when waiting cannot help.
    pub retry_after: Option<Duration>,
    /// Thresholds that this request crossed. Each comes once per counter and threshold.
    pub warnings: Vec<Warning>,
    /// Who pays, counter by counter in the order of the request; empty when denied. Store it with the event: a
    /// correction needs it.
    pub allocations: Vec<Allocation>,
}

/// A counter as a caller sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterView {
    pub key: CounterKey,
    /// Units that the plan includes; none: unlimited.
    pub limit: Option<i64>,
    pub used: i64,
    pub held: i64,
    /// Units left of the plan's allowance and the grants, overage aside; none: unlimited.
    pub remaining: Option<i64>,
    /// Units sold or given beyond the limit so far.
    pub overage: i64,
    /// When the counter starts again from zero; of a rolling window, when the first of its units leave. None: never.
    pub reset_at: Option<Timestamp>,
}

/// A rate limit as a caller sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateView {
    pub name: String,
    /// The most units at once.
    pub burst: u32,
    pub remaining: u32,
    pub reset_after: Duration,
}

/// What refused a request: the place of a counter or of a rate limit in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limiting {
    Counter(usize),
    Rate(usize),
}

/// A counter has reached a share of its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    pub key: CounterKey,
    pub threshold_percent: u16,
    pub used: i64,
    pub limit: i64,
}

impl Decision {
    /// A refusal for a reason that the ledger does not look at, such as a feature that the plan lacks.
    pub fn refused(code: Code, at: Timestamp) -> Decision {
        Decision {
            outcome: Outcome::Denied,
            code,
            at,
            counters: Vec::new(),
            rates: Vec::new(),
            limiting: None,
            retry_after: None,
            warnings: Vec::new(),
            allocations: Vec::new(),
        }
    }

    pub fn is_granted(&self) -> bool {
        self.outcome == Outcome::Granted
    }

    /// The counter that refused it; when none did, the one with the least left.
    pub fn tightest(&self) -> Option<&CounterView> {
        match self.limiting {
            Some(Limiting::Counter(place)) => self.counters.get(place),
            _ => self
                .counters
                .iter()
                .min_by_key(|view| view.remaining.unwrap_or(i64::MAX)),
        }
    }
}
