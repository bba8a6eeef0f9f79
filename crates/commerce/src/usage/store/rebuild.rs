//! The rollups beside the events that they are folds of, and counters beside the events that they counted: for checking one
//! against the other.

use std::collections::{BTreeMap, BTreeSet};

use ledger::SubjectKind;
use storage::{Row, System, Tx, Value, params};
use types::id::{CustomerId, EndUserId, FeatureId, PlatformId, UsageEventId, WorkspaceId};
use types::{Error, Result, Timestamp};
use uuid::Uuid;

use super::super::EventSource;
use super::ChargedPart;
use super::rollups::{Fold, Rollup, insert};
use crate::{Shop, numbered};

/// Rows of one statement.
const PAGE: u32 = 5_000;

const PLATFORMS: &str = "SELECT workspace_id, platform_id FROM platforms ORDER BY workspace_id, platform_id";

/// Every platform there is.
pub(in crate::usage) async fn platforms(tx: &mut Tx<System>) -> Result<Vec<(WorkspaceId, PlatformId)>> {
    let rows = tx.fetch_all(PLATFORMS, Vec::new()).await?;
    rows.iter()
        .map(|row| Ok((row.get("workspace_id")?, row.get("platform_id")?)))
        .collect()
}

/// One feature of one shop.
#[derive(Debug, Clone, Copy)]
pub(in crate::usage) struct Metered {
    pub shop: Shop,
    pub feature: FeatureId,
    /// Whether events are values, which do not add up.
    pub keeps_a_value: bool,
}

impl Metered {
    fn params(&self) -> Vec<Value> {
        params![
            self.shop.workspace,
            self.shop.platform,
            self.shop.mode,
            self.feature
        ]
    }
}

const NEXT_EVENT: &str = "SELECT MIN(occurred_at) AS at FROM usage_events
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND feature_id = $4 AND occurred_at >= $5";
const NEXT_HOUR: &str = "SELECT MIN(hour_at) AS at FROM usage_hours
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND hour_at >= $4";
const NEXT_DAY: &str = "SELECT MIN(day_at) AS at FROM usage_days
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND day_at >= $4";

/// Start of the next day, from that instant on, on which there may be events of the feature or folds of some.
pub(in crate::usage) async fn next_day(
    tx: &mut Tx<System>,
    metered: &Metered,
    from: Timestamp,
) -> Result<Option<Timestamp>> {
    let mut params = metered.params();
    params.push(from.into());
    let event: Option<Timestamp> = tx.fetch_one(NEXT_EVENT, params).await?.get("at")?;
    let shop = metered.shop;
    let mut next = event;
    for sql in [NEXT_HOUR, NEXT_DAY] {
        let params = params![shop.workspace, shop.platform, shop.mode, from];
        let at: Option<Timestamp> = tx.fetch_one(sql, params).await?.get("at")?;
        next = next.into_iter().chain(at).min();
    }
    Ok(next.map(|at| Rollup::Days.start_of(at)))
}

/// What rows of one feature and stretch are told apart by: the customer, and the dimensions.
pub(in crate::usage) type RowKey = (CustomerId, String);

const EVENTS: &str =
    "SELECT customer_id, usage_event_id, amount, dimensions, source, occurred_at FROM usage_events
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND feature_id = $4 AND occurred_at >= $5
        AND occurred_at < $6 AND (occurred_at, usage_event_id) > ($5, $7)
    ORDER BY occurred_at, usage_event_id LIMIT $8";

/// The events of one hour, folded anew; and how many they are.
pub(in crate::usage) async fn fold_hour(
    tx: &mut Tx<System>,
    metered: &Metered,
    hour: Timestamp,
) -> Result<(BTreeMap<RowKey, Fold>, u64)> {
    let end = Timestamp::from_micros(hour.as_micros() + Rollup::Hours.micros());
    let (mut from, mut after) = (hour, UsageEventId::from_uuid(Uuid::nil()));
    let (mut folds, mut count) = (BTreeMap::new(), 0);
    loop {
        let mut params = metered.params();
        params.extend(params![from, end, after, PAGE]);
        let rows = tx.fetch_all(EVENTS, params).await?;
        for row in &rows {
            let source: EventSource = row.get::<String>("source")?.parse()?;
            (from, after) = (row.get("occurred_at")?, row.get("usage_event_id")?);
            let fold = Fold::one((from, after), row.get("amount")?, metered.keeps_a_value, source);
            fold.add_to(&mut folds, (row.get("customer_id")?, row.get("dimensions")?));
        }
        count += rows.len() as u64;
        if rows.len() < PAGE as usize {
            return Ok((folds, count));
        }
    }
}

macro_rules! rows_of {
    ($table:literal, $at:literal) => {
        concat!(
            "SELECT customer_id, dimensions, amount, events, highest, latest, latest_at, latest_event FROM ",
            $table,
            " WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND feature_id = $4 AND ",
            $at,
            " = $5"
        )
    };
}

/// The stored rows of one stretch.
pub(in crate::usage) async fn stored(
    tx: &mut Tx<System>,
    metered: &Metered,
    rollup: Rollup,
    start: Timestamp,
) -> Result<BTreeMap<RowKey, Fold>> {
    let sql = match rollup {
        Rollup::Hours => rows_of!("usage_hours", "hour_at"),
        Rollup::Days => rows_of!("usage_days", "day_at"),
    };
    let mut params = metered.params();
    params.push(start.into());
    let rows = tx.fetch_all(sql, params).await?;
    rows.iter()
        .map(|row| Ok(((row.get("customer_id")?, row.get("dimensions")?), fold(row)?)))
        .collect()
}

fn fold(row: &Row) -> Result<Fold> {
    Ok(Fold {
        amount: i128::from(row.get::<i64>("amount")?),
        events: row.get("events")?,
        highest: row.get("highest")?,
        latest: (
            row.get("latest_at")?,
            row.get("latest_event")?,
            row.get("latest")?,
        ),
    })
}

macro_rules! or_as_it_is {
    ($table:literal, $at:literal) => {
        concat!(
            "ON CONFLICT (workspace_id, platform_id, mode, feature_id, customer_id, ",
            $at,
            ", dimensions) DO UPDATE SET events = ",
            $table,
            ".events"
        )
    };
}

macro_rules! or_over {
    ($at:literal) => {
        concat!(
            "ON CONFLICT (workspace_id, platform_id, mode, feature_id, customer_id, ",
            $at,
            ", dimensions) DO UPDATE SET amount = excluded.amount, events = excluded.events,
            highest = excluded.highest, latest = excluded.latest, latest_at = excluded.latest_at,
            latest_event = excluded.latest_event"
        )
    };
}

/// A row of no event.
const NOTHING: Fold = Fold {
    amount: 0,
    events: 0,
    highest: 0,
    latest: (Timestamp::EPOCH, UsageEventId::from_uuid(Uuid::nil()), 0),
};

fn row_of(
    metered: &Metered,
    start: Timestamp,
    (customer, dimensions): &RowKey,
    fold: &Fold,
) -> Result<Vec<Value>> {
    let mut row = metered.params();
    row.extend(params![*customer, start, dimensions]);
    row.extend(fold.columns()?);
    Ok(row)
}

/// Locks rows of one stretch until the transaction ends, also those that are not there yet. In the order in which the group
/// commit takes them.
pub(in crate::usage) async fn lock(
    tx: &mut Tx<System>,
    metered: &Metered,
    (rollup, start): (Rollup, Timestamp),
    keys: &BTreeSet<RowKey>,
) -> Result<()> {
    let rows = keys.iter().map(|key| row_of(metered, start, key, &NOTHING));
    let tail = match rollup {
        Rollup::Hours => or_as_it_is!("usage_hours", "hour_at"),
        Rollup::Days => or_as_it_is!("usage_days", "day_at"),
    };
    tx.insert_rows(insert(rollup), rows.collect::<Result<_>>()?, tail)
        .await
        .map(drop)
}

macro_rules! delete_from {
    ($table:literal, $at:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND feature_id = $4 AND customer_id = $5 AND ",
            $at,
            " = $6 AND dimensions = $7"
        )
    };
}

/// Writes locked rows anew; one that is a fold of nothing is deleted.
pub(in crate::usage) async fn write(
    tx: &mut Tx<System>,
    metered: &Metered,
    (rollup, start): (Rollup, Timestamp),
    keys: &BTreeSet<RowKey>,
    folds: &BTreeMap<RowKey, Fold>,
) -> Result<()> {
    let (tail, delete) = match rollup {
        Rollup::Hours => (or_over!("hour_at"), delete_from!("usage_hours", "hour_at")),
        Rollup::Days => (or_over!("day_at"), delete_from!("usage_days", "day_at")),
    };
    let mut rows = Vec::new();
    for key in keys {
        match folds.get(key) {
            Some(fold) => rows.push(row_of(metered, start, key, fold)?),
            None => {
                let mut params = metered.params();
                params.extend(params![key.0, start, &key.1]);
                tx.execute(delete, params).await?;
            }
        }
    }
    tx.insert_rows(insert(rollup), rows, tail).await.map(drop)
}

const KEYS: &str =
    "WITH k (n, workspace_id, platform_id, mode, feature_id, customer_id, dimensions, start_at, end_at)
    AS (VALUES";
const HOURS_OF: &str = ") SELECT k.n, h.* FROM k CROSS JOIN usage_hours h
    WHERE h.workspace_id = k.workspace_id AND h.platform_id = k.platform_id AND h.mode = k.mode
        AND h.feature_id = k.feature_id AND h.customer_id = k.customer_id AND h.dimensions = k.dimensions
        AND h.hour_at >= k.start_at AND h.hour_at < k.end_at";

/// The hours of a day, folded into rows of the day.
pub(in crate::usage) async fn fold_day(
    tx: &mut Tx<System>,
    metered: &Metered,
    day: Timestamp,
    keys: &BTreeSet<RowKey>,
) -> Result<BTreeMap<RowKey, Fold>> {
    let keys: Vec<&RowKey> = keys.iter().collect();
    let end = Timestamp::from_micros(day.as_micros() + Rollup::Days.micros());
    let wanted = numbered::rows(&keys, |(customer, dimensions)| {
        let mut values = metered.params();
        values.extend(params![*customer, dimensions, day, end]);
        values
    });
    let rows = tx.fetch_rows(KEYS, wanted, HOURS_OF).await?;
    let mut folds = BTreeMap::new();
    for row in &rows {
        fold(row)?.add_to(&mut folds, (row.get("customer_id")?, row.get("dimensions")?));
    }
    Ok(folds)
}

const CUSTOMERS: &str = "SELECT customer_id FROM customers
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND customer_id > $4 ORDER BY customer_id LIMIT $5";

/// The next customers of a shop, in the order of their ids.
pub(in crate::usage) async fn customers_after(
    tx: &mut Tx<System>,
    shop: Shop,
    after: CustomerId,
) -> Result<Vec<CustomerId>> {
    let params = params![shop.workspace, shop.platform, shop.mode, after, PAGE];
    let rows = tx.fetch_all(CUSTOMERS, params).await?;
    rows.iter().map(|row| row.get("customer_id")).collect()
}

const END_USERS: &str = "SELECT end_user_id FROM end_users
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND customer_id = $4 ORDER BY end_user_id";

pub(in crate::usage) async fn end_users_of(
    tx: &mut Tx<System>,
    shop: Shop,
    customer: CustomerId,
) -> Result<Vec<EndUserId>> {
    let params = params![shop.workspace, shop.platform, shop.mode, customer];
    let rows = tx.fetch_all(END_USERS, params).await?;
    rows.iter().map(|row| row.get("end_user_id")).collect()
}

/// An event as far as counters have to do with it.
pub(in crate::usage) struct CountedEvent {
    pub feature: FeatureId,
    pub amount: i64,
    pub parts: Vec<ChargedPart>,
}

const CHARGED: &str = "SELECT usage_event_id, feature_id, amount, charged FROM usage_events
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND customer_id = $4 AND usage_event_id > $5
    ORDER BY usage_event_id LIMIT $6";

/// Hands over every event of a customer, and tells how many there are.
pub(in crate::usage) async fn each_event(
    tx: &mut Tx<System>,
    shop: Shop,
    customer: CustomerId,
    mut each: impl FnMut(CountedEvent) + Send,
) -> Result<u64> {
    let mut after = UsageEventId::from_uuid(Uuid::nil());
    let mut count = 0;
    loop {
        let params = params![shop.workspace, shop.platform, shop.mode, customer, after, PAGE];
        let rows = tx.fetch_all(CHARGED, params).await?;
        for row in &rows {
            after = row.get("usage_event_id")?;
            let parts: String = row.get("charged")?;
            each(CountedEvent {
                feature: row.get("feature_id")?,
                amount: row.get("amount")?,
                parts: serde_json::from_str(&parts).map_err(Error::internal)?,
            });
        }
        count += rows.len() as u64;
        if rows.len() < PAGE as usize {
            return Ok(count);
        }
    }
}

/// What tells a counter of a shop from its others.
pub(in crate::usage) type CounterPlace = (SubjectKind, Uuid, FeatureId, Timestamp);

const SUBJECTS: &str = "WITH k (n, workspace_id, platform_id, mode, subject_kind, subject_id) AS (VALUES";
const COUNTERS: &str = ") SELECT k.n, c.feature_id, c.period_start, c.used FROM k CROSS JOIN counters c
    WHERE c.workspace_id = k.workspace_id AND c.platform_id = k.platform_id AND c.mode = k.mode
        AND c.subject_kind = k.subject_kind AND c.subject_id = k.subject_id";

/// Every counter of these subjects, and what it says is used.
pub(in crate::usage) async fn counters_of(
    tx: &mut Tx<System>,
    shop: Shop,
    subjects: &[(SubjectKind, Uuid)],
) -> Result<Vec<(CounterPlace, i64)>> {
    let keys = numbered::rows(subjects, |(kind, id)| {
        params![shop.workspace, shop.platform, shop.mode, kind.as_str(), *id]
    });
    let rows = tx.fetch_rows(SUBJECTS, keys, COUNTERS).await?;
    rows.iter()
        .map(|row| {
            let place = usize::try_from(row.get::<i64>("n")?).map_err(Error::internal)?;
            let (kind, id) = subjects
                .get(place)
                .copied()
                .ok_or_else(|| Error::internal("a counter of a subject that nobody asked for"))?;
            let place = (kind, id, row.get("feature_id")?, row.get("period_start")?);
            Ok((place, row.get("used")?))
        })
        .collect()
}
