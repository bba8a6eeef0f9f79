//! Usage by hour and by day: commutative folds of the events, written with them.

use std::collections::BTreeMap;

use storage::{System, Tx, Value, params};
use types::id::{CustomerId, FeatureId, UsageEventId};
use types::{Error, Result, Timestamp};

use super::super::EventSource;
use super::NewEvent;
use crate::Shop;

pub(in crate::usage) const HOUR_MICROS: i64 = 3_600_000_000;
pub(in crate::usage) const DAY_MICROS: i64 = 24 * HOUR_MICROS;

/// One of the two tables of folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::usage) enum Rollup {
    Hours,
    Days,
}

impl Rollup {
    pub(in crate::usage) const fn table(self) -> &'static str {
        match self {
            Rollup::Hours => "usage_hours",
            Rollup::Days => "usage_days",
        }
    }

    /// How long a stretch is, in microseconds.
    pub(in crate::usage) const fn micros(self) -> i64 {
        match self {
            Rollup::Hours => HOUR_MICROS,
            Rollup::Days => DAY_MICROS,
        }
    }

    /// Start of the stretch that an instant is in.
    pub(in crate::usage) fn start_of(self, at: Timestamp) -> Timestamp {
        let step = self.micros();
        Timestamp::from_micros(at.as_micros().div_euclid(step) * step)
    }
}

/// What is folded together, beside the hour or day.
type Group<'a> = (Shop, FeatureId, CustomerId, Timestamp, &'a str);

/// A fold of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::usage) struct Fold {
    /// The sum of what adds up.
    pub amount: i128,
    /// How many events, corrections aside.
    pub events: i64,
    /// The largest amount of one event.
    pub highest: i64,
    /// The amount of the event that happened last; of two at the same instant, of the one with the greater id.
    pub latest: (Timestamp, UsageEventId, i64),
}

impl Fold {
    /// The fold of one event of that amount, which is a value that does not add up, or a correction, or neither.
    pub(in crate::usage) fn one(
        (at, id): (Timestamp, UsageEventId),
        amount: i64,
        is_value: bool,
        source: EventSource,
    ) -> Self {
        Fold {
            amount: if is_value { 0 } else { i128::from(amount) },
            events: i64::from(source != EventSource::Correction),
            highest: amount,
            latest: (at, id, amount),
        }
    }

    /// The fold of what both are folds of, in whatever order.
    pub(in crate::usage) fn and(self, other: Fold) -> Self {
        Fold {
            amount: self.amount + other.amount,
            events: self.events + other.events,
            highest: self.highest.max(other.highest),
            latest: self.latest.max(other.latest),
        }
    }

    /// Adds the fold to that of its group.
    pub(in crate::usage) fn add_to<K: Ord>(self, groups: &mut BTreeMap<K, Fold>, group: K) {
        groups
            .entry(group)
            .and_modify(|known| *known = known.and(self))
            .or_insert(self);
    }

    /// The columns `amount` to `latest_event`.
    ///
    /// # Errors
    /// `validation_failed`, when the amount is more than the column holds.
    pub(super) fn columns(&self) -> Result<[Value; 6]> {
        let (at, event, latest) = self.latest;
        Ok([
            i64::try_from(self.amount).map_err(|_| too_large())?.into(),
            self.events.into(),
            self.highest.into(),
            latest.into(),
            at.into(),
            event.into(),
        ])
    }
}

/// A counter holds so much, but several counters may be of one day.
fn too_large() -> Error {
    Error::invalid(
        "amount",
        "with it, more would be used in one day than can be told; use a coarser scale for such amounts",
    )
}

/// Folds events by stretch. Ordered, so that two nodes take the rows in the same order.
fn folded(events: &[NewEvent], rollup: Rollup) -> BTreeMap<Group<'_>, Fold> {
    let mut groups = BTreeMap::new();
    for event in events {
        let group = (
            event.shop,
            event.feature,
            event.customer,
            rollup.start_of(event.occurred_at),
            event.dimensions.as_str(),
        );
        let place = (event.occurred_at, event.id);
        Fold::one(place, event.amount, event.is_value, event.source).add_to(&mut groups, group);
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

/// Adds to the row that is there. A row whose amount would be more than it holds stays as it is: the count of written rows
/// tells.
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
            ".latest_at END
            WHERE CASE WHEN excluded.amount > 0 THEN ",
            $table,
            ".amount <= 9223372036854775807 - excluded.amount ELSE ",
            $table,
            ".amount >= -9223372036854775807 - excluded.amount END"
        )
    };
}

const HOURS: &str = insert_into!("usage_hours", "hour_at");
const INTO_HOURS: &str = fold_into!("usage_hours", "hour_at");
const DAYS: &str = insert_into!("usage_days", "day_at");
const INTO_DAYS: &str = fold_into!("usage_days", "day_at");

/// The head of an insert into the table, down to `VALUES`.
pub(super) const fn insert(rollup: Rollup) -> &'static str {
    match rollup {
        Rollup::Hours => HOURS,
        Rollup::Days => DAYS,
    }
}

/// Adds events to the hours and days that they happened in.
///
/// # Errors
/// `validation_failed`, when one of them would be more than can be told: then nothing of the batch may be committed.
pub(in crate::usage) async fn add_to_rollups(tx: &mut Tx<System>, events: &[NewEvent]) -> Result<()> {
    add(tx, folded(events, Rollup::Hours), HOURS, INTO_HOURS).await?;
    add(tx, folded(events, Rollup::Days), DAYS, INTO_DAYS).await
}

async fn add(
    tx: &mut Tx<System>,
    groups: BTreeMap<Group<'_>, Fold>,
    insert: &'static str,
    fold_into: &'static str,
) -> Result<()> {
    let mut rows = Vec::with_capacity(groups.len());
    for ((shop, feature, customer, start, dimensions), fold) in groups {
        let mut row = params![
            shop.workspace,
            shop.platform,
            shop.mode,
            feature,
            customer,
            start,
            dimensions
        ];
        row.extend(fold.columns()?);
        rows.push(row);
    }
    let count = rows.len() as u64;
    match tx.insert_rows(insert, rows, fold_into).await? {
        written if written == count => Ok(()),
        _ => Err(too_large()),
    }
}
