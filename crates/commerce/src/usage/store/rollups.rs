//! Usage by hour and by day: commutative folds of the events, written with them.

use std::collections::BTreeMap;

use storage::{System, Tx, params};
use types::id::{CustomerId, FeatureId, UsageEventId};
use types::{Result, Timestamp};

use super::super::EventSource;
use super::NewEvent;
use crate::Shop;

pub(in crate::usage) const HOUR_MICROS: i64 = 3_600_000_000;
pub(in crate::usage) const DAY_MICROS: i64 = 24 * HOUR_MICROS;

/// What is folded together, beside the hour or day.
type Group<'a> = (Shop, FeatureId, CustomerId, i64, &'a str);

/// A fold of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::usage) struct Fold {
    /// The sum of what adds up.
    pub amount: i64,
    /// How many events, corrections aside.
    pub events: i64,
    /// The largest amount of one event.
    pub highest: i64,
    /// The amount of the event that happened last; of two at the same instant, of the one with the greater id.
    pub latest: (Timestamp, UsageEventId, i64),
}

impl Fold {
    fn of(event: &NewEvent) -> Self {
        Fold {
            amount: if event.is_value { 0 } else { event.amount },
            events: i64::from(event.source != EventSource::Correction),
            highest: event.amount,
            latest: (event.occurred_at, event.id, event.amount),
        }
    }

    fn and(self, other: Fold) -> Self {
        Fold {
            amount: self.amount.saturating_add(other.amount),
            events: self.events + other.events,
            highest: self.highest.max(other.highest),
            latest: self.latest.max(other.latest),
        }
    }
}

/// Folds events by stretch of `step` microseconds. Ordered, so that two nodes take the rows in the same order.
fn folded(events: &[NewEvent], step: i64) -> BTreeMap<Group<'_>, Fold> {
    let mut groups: BTreeMap<Group<'_>, Fold> = BTreeMap::new();
    for event in events {
        let start = event.occurred_at.as_micros().div_euclid(step) * step;
        let group = (
            event.shop,
            event.feature,
            event.customer,
            start,
            event.dimensions.as_str(),
        );
        let fold = Fold::of(event);
        groups
            .entry(group)
            .and_modify(|known| *known = known.and(fold))
            .or_insert(fold);
    }
    groups
}

macro_rules! insert_into {
    ($table:literal, $at:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (workspace_id, platform_id, mode, feature_id, customer_id, ",
            $at,
            ", dimensions, amount, events, highest, latest, latest_at, latest_event) VALUES"
        )
    };
}

macro_rules! fold_into {
    ($table:literal, $at:literal) => {
        concat!(
            "ON CONFLICT (workspace_id, platform_id, mode, feature_id, customer_id, ",
            $at,
            ", dimensions) DO UPDATE SET amount = ",
            $table,
            ".amount + excluded.amount, events = ",
            $table,
            ".events + excluded.events,
            highest = CASE WHEN excluded.highest > ",
            $table,
            ".highest THEN excluded.highest ELSE ",
            $table,
            ".highest END,
            latest = CASE WHEN (excluded.latest_at, excluded.latest_event) > (",
            $table,
            ".latest_at, ",
            $table,
            ".latest_event) THEN excluded.latest ELSE ",
            $table,
            ".latest END,
            latest_event = CASE WHEN (excluded.latest_at, excluded.latest_event) > (",
            $table,
            ".latest_at, ",
            $table,
            ".latest_event) THEN excluded.latest_event ELSE ",
            $table,
            ".latest_event END,
            latest_at = CASE WHEN excluded.latest_at > ",
            $table,
            ".latest_at THEN excluded.latest_at ELSE ",
            $table,
            ".latest_at END"
        )
    };
}

const HOURS: &str = insert_into!("usage_hours", "hour_at");
const INTO_HOURS: &str = fold_into!("usage_hours", "hour_at");
const DAYS: &str = insert_into!("usage_days", "day_at");
const INTO_DAYS: &str = fold_into!("usage_days", "day_at");

/// Adds events to the hours and days that they happened in.
pub(in crate::usage) async fn add_to_rollups(tx: &mut Tx<System>, events: &[NewEvent]) -> Result<()> {
    add(tx, folded(events, HOUR_MICROS), HOURS, INTO_HOURS).await?;
    add(tx, folded(events, DAY_MICROS), DAYS, INTO_DAYS).await
}

async fn add(
    tx: &mut Tx<System>,
    groups: BTreeMap<Group<'_>, Fold>,
    insert: &'static str,
    fold_into: &'static str,
) -> Result<()> {
    let rows = groups
        .into_iter()
        .map(|((shop, feature, customer, start, dimensions), fold)| {
            let (latest_at, latest_event, latest) = fold.latest;
            params![
                shop.workspace,
                shop.platform,
                shop.mode,
                feature,
                customer,
                start,
                dimensions,
                fold.amount,
                fold.events,
                fold.highest,
                latest,
                latest_at,
                latest_event,
            ]
        });
    tx.insert_rows(insert, rows.collect(), fold_into).await.map(drop)
}
