//! Where usage comes from.

use serde::{Deserialize, Serialize};
use types::{Error, Result};
use utoipa::ToSchema;

/// Where an event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventSource {
    /// Counted when it was asked for.
    Consume,
    /// Told afterwards, as a CloudEvent.
    Event,
    /// Told afterwards, as a history.
    Backfill,
    /// A hold that was settled.
    Settle,
    /// Takes back what another event counted.
    Correction,
}

impl EventSource {
    pub const fn as_str(self) -> &'static str {
        match self {
            EventSource::Consume => "consume",
            EventSource::Event => "event",
            EventSource::Backfill => "backfill",
            EventSource::Settle => "settle",
            EventSource::Correction => "correction",
        }
    }
}

impl std::str::FromStr for EventSource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        use EventSource::{Backfill, Consume, Correction, Event, Settle};
        let all = [Consume, Event, Backfill, Settle, Correction];
        let found = all.into_iter().find(|source| source.as_str() == text);
        found.ok_or_else(|| Error::internal(format!("{text:?} is no source of usage")))
    }
}
