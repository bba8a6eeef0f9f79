//! The tables `counters`, `usage_events`, `usage_replays`, `usage_hours` and `usage_batches`.

use std::collections::BTreeMap;

use ledger::{CounterKey, CounterState, Scale};
use storage::{Row, Scope, System, Tenant, Tx, Value, dialect, params};
use types::id::{CustomerId, EndUserId, FeatureId, NodeId, UsageBatchId, UsageEventId};
use types::{Error, Page, PageRequest, Result, Timestamp};

use super::UsageEvent;
use crate::Shop;
use crate::amount::Amount;

const COUNTER: &str = "SELECT * FROM counters WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3
    AND subject_kind = $4 AND subject_id = $5 AND feature_id = $6 AND period_start = $7";
const COUNTER_LOCKED: &str =
    "SELECT * FROM counters WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3
    AND subject_kind = $4 AND subject_id = $5 AND feature_id = $6 AND period_start = $7 FOR UPDATE";
const COUNTER_NEW: &str =
    "INSERT INTO counters (workspace_id, platform_id, mode, subject_kind, subject_id, feature_id,
        period_start, used, held, from_grants, overage, overrun, threshold, version, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0, 0, 0, 0, 0, $8) ON CONFLICT DO NOTHING";

fn counter_params(key: &CounterKey) -> Vec<Value> {
    let subject = key.subject;
    params![
        subject.workspace,
        subject.platform,
        subject.mode,
        subject.kind.as_str(),
        subject.id,
        key.feature,
        key.period_start,
    ]
}

/// A counter as it stands, for a check.
pub(super) async fn read_counter<S: Scope>(tx: &mut Tx<S>, key: &CounterKey) -> Result<Option<CounterState>> {
    let row = tx.fetch_optional(COUNTER, counter_params(key)).await?;
    row.as_ref().map(state).transpose()
}

/// A counter, locked until the transaction ends; made when it is not there. Callers lock in the order of the keys, so that two nodes
/// never wait for each other in a circle.
pub(super) async fn lock_counter(
    tx: &mut Tx<System>,
    key: &CounterKey,
    now: Timestamp,
) -> Result<CounterState> {
    let locked = dialect!(tx, sqlite: COUNTER, postgres: COUNTER_LOCKED);
    if let Some(row) = tx.fetch_optional(locked, counter_params(key)).await? {
        return state(&row);
    }
    let mut params = counter_params(key);
    params.push(Value::from(now));
    tx.execute(COUNTER_NEW, params).await?;
    // Another node may have made it first, and used it.
    state(&tx.fetch_one(locked, counter_params(key)).await?)
}

fn state(row: &Row) -> Result<CounterState> {
    let ring: Option<String> = row.get("ring")?;
    Ok(CounterState {
        used: row.get("used")?,
        held: row.get("held")?,
        from_grants: row.get("from_grants")?,
        overage: row.get("overage")?,
        overrun: row.get("overrun")?,
        threshold: u16::try_from(row.get::<i64>("threshold")?).map_err(Error::internal)?,
        version: row.get("version")?,
        ring: ring
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(Error::internal)?,
    })
}

const COUNTER_WRITE: &str =
    "UPDATE counters SET used = $8, held = $9, from_grants = $10, overage = $11, overrun = $12,
        threshold = $13, ring = $14, version = $15, updated_at = $16
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND subject_kind = $4 AND subject_id = $5
        AND feature_id = $6 AND period_start = $7 AND version = $15 - 1";

/// Writes a counter that was locked.
///
/// # Errors
/// Internal, when somebody else wrote it in spite of the lock.
pub(super) async fn write_counter(
    tx: &mut Tx<System>,
    key: &CounterKey,
    state: &CounterState,
    now: Timestamp,
) -> Result<()> {
    let ring = state
        .ring
        .as_ref()
        .map(serde_json::to_string)
        .transpose()
        .map_err(Error::internal)?;
    let mut params = counter_params(key);
    params.extend(params![
        state.used,
        state.held,
        state.from_grants,
        state.overage,
        state.overrun,
        i64::from(state.threshold),
        ring,
        state.version,
        now,
    ]);
    match tx.execute(COUNTER_WRITE, params).await? {
        1 => Ok(()),
        _ => Err(Error::internal(format!(
            "the counter {key:?} changed under its lock"
        ))),
    }
}

/// An event about to be written.
pub(super) struct NewEvent {
    pub id: UsageEventId,
    pub shop: Shop,
    pub customer: CustomerId,
    pub end_user: Option<EndUserId>,
    pub feature: FeatureId,
    pub units: i64,
    pub at: Timestamp,
    /// The decision, for corrections.
    pub outcome: String,
}

const EVENTS: &str =
    "INSERT INTO usage_events (workspace_id, platform_id, mode, usage_event_id, customer_id, end_user_id,
    feature_id, amount, source, occurred_at, received_at, usage_batch_id, outcome) VALUES";

pub(super) async fn insert_events(
    tx: &mut Tx<System>,
    batch: UsageBatchId,
    events: &[NewEvent],
) -> Result<()> {
    let rows = events
        .iter()
        .map(|event| {
            params![
                event.shop.workspace,
                event.shop.platform,
                event.shop.mode,
                event.id,
                event.customer,
                event.end_user,
                event.feature,
                event.units,
                "consume",
                event.at,
                event.at,
                batch,
                &event.outcome,
            ]
        })
        .collect();
    tx.insert_rows(EVENTS, rows, "").await.map(drop)
}

const HOUR_MICROS: i64 = 3_600_000_000;
const HOURS: &str = "INSERT INTO usage_hours
    (workspace_id, platform_id, mode, feature_id, customer_id, hour_at, amount, events) VALUES";
const HOURS_ADD: &str = "ON CONFLICT (workspace_id, platform_id, mode, feature_id, customer_id, hour_at)
    DO UPDATE SET amount = usage_hours.amount + excluded.amount, events = usage_hours.events + excluded.events";

/// Adds events to the hours they are in: one row for each hour that a customer used a feature in.
pub(super) async fn add_to_hours(tx: &mut Tx<System>, events: &[NewEvent]) -> Result<()> {
    // Ordered, so that two nodes take the rows in the same order.
    let mut hours: BTreeMap<(Shop, FeatureId, CustomerId, i64), (i64, i64)> = BTreeMap::new();
    for event in events {
        let hour = event.at.as_micros().div_euclid(HOUR_MICROS) * HOUR_MICROS;
        let (amount, count) = hours
            .entry((event.shop, event.feature, event.customer, hour))
            .or_default();
        *amount = amount.saturating_add(event.units);
        *count += 1;
    }
    let rows = hours
        .into_iter()
        .map(|((shop, feature, customer, hour), (amount, count))| {
            params![
                shop.workspace,
                shop.platform,
                shop.mode,
                feature,
                customer,
                hour,
                amount,
                count
            ]
        })
        .collect();
    tx.insert_rows(HOURS, rows, HOURS_ADD).await.map(drop)
}

/// A granted outcome under a key.
pub(super) struct Replay {
    pub shop: Shop,
    pub key: String,
    pub fingerprint: Vec<u8>,
    pub event: UsageEventId,
    pub outcome: String,
}

pub(super) async fn find_replay(tx: &mut Tx<System>, shop: Shop, key: &str) -> Result<Option<Replay>> {
    const FIND: &str = "SELECT fingerprint, usage_event_id, outcome FROM usage_replays
        WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND idempotency_key = $4";
    let row = tx
        .fetch_optional(FIND, params![shop.workspace, shop.platform, shop.mode, key])
        .await?;
    row.map(|row| {
        Ok(Replay {
            shop,
            key: key.to_owned(),
            fingerprint: row.get("fingerprint")?,
            event: row.get("usage_event_id")?,
            outcome: row.get("outcome")?,
        })
    })
    .transpose()
}

const REPLAYS: &str =
    "INSERT INTO usage_replays (workspace_id, platform_id, mode, idempotency_key, fingerprint,
    usage_event_id, outcome, created_at) VALUES";

/// # Errors
/// [`storage::overtaken`], when another node has granted something under one of the keys since they were looked for: then
/// the batch is decided anew, and finds it.
pub(super) async fn insert_replays(tx: &mut Tx<System>, replays: &[Replay], now: Timestamp) -> Result<()> {
    let mut ordered: Vec<&Replay> = replays.iter().collect();
    // So that two nodes take the keys in the same order.
    ordered.sort_unstable_by(|a, b| (a.shop, &a.key).cmp(&(b.shop, &b.key)));
    let rows = ordered
        .into_iter()
        .map(|replay| {
            let shop = replay.shop;
            params![
                shop.workspace,
                shop.platform,
                shop.mode,
                &replay.key,
                replay.fingerprint.as_slice(),
                replay.event,
                &replay.outcome,
                now,
            ]
        })
        .collect();
    match tx.insert_rows(REPLAYS, rows, "ON CONFLICT DO NOTHING").await? {
        inserted if inserted == replays.len() as u64 => Ok(()),
        _ => Err(storage::overtaken()),
    }
}

const BATCH: &str = "INSERT INTO usage_batches (usage_batch_id, node_id, committed_at) VALUES ($1, $2, $3)
    ON CONFLICT (usage_batch_id) DO NOTHING";

/// Writes a batch's own row; `false` when it is there. After a commit whose outcome is unknown this decides it: if the
/// row can be written, the batch has not been committed and never will be.
pub(super) async fn claim_batch(
    tx: &mut Tx<System>,
    batch: UsageBatchId,
    node: NodeId,
    now: Timestamp,
) -> Result<bool> {
    Ok(tx.execute(BATCH, params![batch, node, now]).await? == 1)
}

/// For [`runtime::retention::delete`].
pub(super) const FORGET_REPLAYS: &str =
    "DELETE FROM usage_replays WHERE (workspace_id, platform_id, mode, idempotency_key) IN (
        SELECT workspace_id, platform_id, mode, idempotency_key FROM usage_replays
        WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
/// For [`runtime::retention::delete`]: an id tells when its batch began.
pub(super) const FORGET_BATCHES: &str = "DELETE FROM usage_batches WHERE usage_batch_id IN (
    SELECT usage_batch_id FROM usage_batches WHERE usage_batch_id < $1 ORDER BY usage_batch_id LIMIT $2)";

const EVENTS_FIRST: &str = "SELECT e.*, f.feature_key, f.scale FROM usage_events e JOIN features f
        ON f.workspace_id = e.workspace_id AND f.platform_id = e.platform_id AND f.mode = e.mode
        AND f.feature_id = e.feature_id
    WHERE e.workspace_id = $1 AND e.platform_id = $2 AND e.mode = $3 AND e.usage_event_id < $4
        AND ($5 = 0 OR e.customer_id = $6) AND ($7 = 0 OR e.feature_id = $8)
    ORDER BY e.usage_event_id DESC LIMIT $9";

/// Events newest first, of one customer or feature if they are named.
pub(super) async fn list_events(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    customer: Option<CustomerId>,
    feature: Option<FeatureId>,
    page: &PageRequest,
) -> Result<Page<UsageEvent>> {
    let before = match &page.cursor {
        None => UsageEventId::from_uuid(uuid::Uuid::max()),
        Some(cursor) => cursor
            .parse()
            .map_err(|_| Error::invalid("cursor", "not a cursor of this list"))?,
    };
    let nobody = uuid::Uuid::nil();
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        before,
        i64::from(customer.is_some()),
        customer.map_or(nobody, |id| id.uuid()),
        i64::from(feature.is_some()),
        feature.map_or(nobody, |id| id.uuid()),
        page.limit + 1,
    ];
    let rows = tx.fetch_all(EVENTS_FIRST, params).await?;
    let events = rows.iter().map(event).collect::<Result<_>>()?;
    Ok(Page::from_overfetch(events, page.limit, |event: &UsageEvent| {
        event.id.to_string()
    }))
}

fn event(row: &Row) -> Result<UsageEvent> {
    let places = u8::try_from(row.get::<Option<i64>>("scale")?.unwrap_or(0)).map_err(Error::internal)?;
    let scale = Scale::new(places).map_err(Error::internal)?;
    Ok(UsageEvent {
        id: row.get("usage_event_id")?,
        customer: row.get("customer_id")?,
        end_user: row.get("end_user_id")?,
        feature: row.get("feature_key")?,
        amount: Amount::from_units(row.get("amount")?, scale),
        occurred_at: row.get("occurred_at")?,
        received_at: row.get("received_at")?,
    })
}

const SUMS: &str = "SELECT hour_at - (hour_at % $6) AS start_at, CAST(SUM(amount) AS bigint) AS amount,
        CAST(SUM(events) AS bigint) AS events
    FROM usage_hours WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND feature_id = $4
        AND hour_at >= $5 AND hour_at < $7 AND ($8 = 0 OR customer_id = $9)
    GROUP BY hour_at - (hour_at % $6)";

/// Amount and number of events by stretch of `step` microseconds, from `span.0` to `span.1`; empty ones are left out.
pub(super) async fn sums(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    feature: FeatureId,
    customer: Option<CustomerId>,
    span: (Timestamp, Timestamp),
    step: i64,
) -> Result<BTreeMap<i64, (i64, i64)>> {
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        feature,
        span.0,
        step,
        span.1,
        i64::from(customer.is_some()),
        customer.map_or(uuid::Uuid::nil(), |id| id.uuid()),
    ];
    let rows = tx.fetch_all(SUMS, params).await?;
    rows.iter()
        .map(|row| Ok((row.get("start_at")?, (row.get("amount")?, row.get("events")?))))
        .collect()
}

const TOP_CUSTOMERS: &str = "SELECT customer_id, CAST(SUM(amount) AS bigint) AS amount
    FROM usage_hours WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND feature_id = $4 AND hour_at >= $5
    GROUP BY customer_id ORDER BY SUM(amount) DESC, customer_id LIMIT $6";

/// Who used most since an instant, and how much.
pub(super) async fn top_customers(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    feature: FeatureId,
    since: Timestamp,
    most: u32,
) -> Result<Vec<(CustomerId, i64)>> {
    let params = params![tx.workspace(), shop.platform, shop.mode, feature, since, most];
    let rows = tx.fetch_all(TOP_CUSTOMERS, params).await?;
    rows.iter()
        .map(|row| Ok((row.get("customer_id")?, row.get("amount")?)))
        .collect()
}
