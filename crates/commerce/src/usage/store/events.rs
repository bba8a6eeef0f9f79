//! Usage events.

use std::collections::BTreeSet;

use ledger::{Allocation, CounterKey, Scale, SubjectKind};
use serde::{Deserialize, Serialize};
use storage::{Row, System, Tenant, Tx, Value, dialect, params};
use types::id::{CustomerId, EndUserId, FeatureId, UsageBatchId, UsageEventId};
use types::{Error, Page, PageRequest, Result, Timestamp};
use uuid::Uuid;

use super::super::{EventFilter, EventSource, UsageEvent};
use crate::amount::Amount;
use crate::{Shop, cursor, numbered};

/// An event about to be written.
#[derive(Debug, Clone)]
pub(in crate::usage) struct NewEvent {
    pub id: UsageEventId,
    pub shop: Shop,
    pub customer: CustomerId,
    pub end_user: Option<EndUserId>,
    pub feature: FeatureId,
    /// What it adds, in the smallest units; of a largest or latest value, the value.
    pub amount: i64,
    /// Whether the amount is a value, which does not add up.
    pub is_value: bool,
    pub dimensions: String,
    pub source: EventSource,
    pub occurred_at: Timestamp,
    /// The event that it corrects, or the hold that it settles.
    pub about: Option<Uuid>,
    pub parts: Vec<ChargedPart>,
}

/// Who paid for an event on one counter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::usage) struct ChargedPart {
    pub kind: SubjectKind,
    pub id: Uuid,
    /// Of the counter, where it is not that of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<FeatureId>,
    pub period_start: Timestamp,
    pub units: Allocation,
}

impl ChargedPart {
    pub(in crate::usage) fn new(key: &CounterKey, feature: FeatureId, units: Allocation) -> Self {
        ChargedPart {
            kind: key.subject.kind,
            id: key.subject.id,
            feature: Some(key.feature).filter(|of_counter| *of_counter != feature),
            period_start: key.period_start,
            units,
        }
    }
}

/// An event that something is to be taken back of.
#[derive(Debug, Clone)]
pub(in crate::usage) struct StoredEvent {
    pub shop: Shop,
    pub id: UsageEventId,
    pub customer: CustomerId,
    pub end_user: Option<EndUserId>,
    pub feature: FeatureId,
    pub dimensions: String,
    pub is_correction: bool,
    pub occurred_at: Timestamp,
    /// What is left of it after earlier corrections.
    pub parts: Vec<ChargedPart>,
}

const INSERT: &str =
    "INSERT INTO usage_events (workspace_id, platform_id, mode, usage_event_id, customer_id, end_user_id,
    feature_id, amount, dimensions, source, occurred_at, received_at, usage_batch_id, about, charged) VALUES";

pub(in crate::usage) async fn insert_events(
    tx: &mut Tx<System>,
    batch: UsageBatchId,
    events: &[NewEvent],
    now: Timestamp,
) -> Result<()> {
    let mut rows = Vec::with_capacity(events.len());
    for event in events {
        rows.push(params![
            event.shop.workspace,
            event.shop.platform,
            event.shop.mode,
            event.id,
            event.customer,
            event.end_user,
            event.feature,
            event.amount,
            &event.dimensions,
            event.source.as_str(),
            event.occurred_at,
            now,
            batch,
            event.about,
            charged(&event.parts)?,
        ]);
    }
    tx.insert_rows(INSERT, rows, "").await.map(drop)
}

fn charged(parts: &[ChargedPart]) -> Result<String> {
    serde_json::to_string(parts).map_err(Error::internal)
}

const KEYS: &str = "WITH k (n, workspace_id, platform_id, mode, usage_event_id) AS (VALUES";
macro_rules! select_events {
    ($lock:literal) => {
        concat!(
            ") SELECT k.n, e.* FROM k CROSS JOIN usage_events e
            WHERE e.workspace_id = k.workspace_id AND e.platform_id = k.platform_id AND e.mode = k.mode
                AND e.usage_event_id = k.usage_event_id",
            $lock
        )
    };
}
const EVENTS: &str = select_events!("");
const EVENTS_LOCKED: &str = select_events!(" ORDER BY k.n FOR UPDATE OF e");

fn key_values((shop, event): &(Shop, UsageEventId)) -> Vec<Value> {
    params![shop.workspace, shop.platform, shop.mode, *event]
}

/// Those of the events that are there, locked until the transaction ends.
pub(in crate::usage) async fn lock_events(
    tx: &mut Tx<System>,
    events: &BTreeSet<(Shop, UsageEventId)>,
) -> Result<Vec<StoredEvent>> {
    let events: Vec<(Shop, UsageEventId)> = events.iter().copied().collect();
    let select = dialect!(tx, sqlite: EVENTS, postgres: EVENTS_LOCKED);
    let rows = tx
        .fetch_rows(KEYS, numbered::rows(&events, key_values), select)
        .await?;
    rows.iter().map(stored).collect()
}

fn stored(row: &Row) -> Result<StoredEvent> {
    let parts: String = row.get("charged")?;
    Ok(StoredEvent {
        shop: Shop {
            workspace: row.get("workspace_id")?,
            platform: row.get("platform_id")?,
            mode: row.get("mode")?,
        },
        id: row.get("usage_event_id")?,
        customer: row.get("customer_id")?,
        end_user: row.get("end_user_id")?,
        feature: row.get("feature_id")?,
        dimensions: row.get("dimensions")?,
        is_correction: source(row)? == EventSource::Correction,
        occurred_at: row.get("occurred_at")?,
        parts: serde_json::from_str(&parts).map_err(Error::internal)?,
    })
}

fn source(row: &Row) -> Result<EventSource> {
    row.get::<String>("source")?.parse()
}

const WRITE_LEFT: &str = "UPDATE usage_events SET charged = $5
    WHERE workspace_id = $1 AND platform_id = $2 AND mode = $3 AND usage_event_id = $4";

/// Writes what corrections have left of events that were locked.
pub(in crate::usage) async fn write_left(
    tx: &mut Tx<System>,
    events: &[(Shop, UsageEventId, Vec<ChargedPart>)],
) -> Result<()> {
    for (shop, event, parts) in events {
        let mut params = key_values(&(*shop, *event));
        params.push(charged(parts)?.into());
        tx.execute(WRITE_LEFT, params).await?;
    }
    Ok(())
}

const LIST: &str = "SELECT e.*, f.feature_key, f.scale FROM usage_events e JOIN features f
        ON f.workspace_id = e.workspace_id AND f.platform_id = e.platform_id AND f.mode = e.mode
        AND f.feature_id = e.feature_id
    WHERE e.workspace_id = $1 AND e.platform_id = $2 AND e.mode = $3 AND e.usage_event_id < $4
        AND ($5 = 0 OR e.customer_id = $6) AND ($7 = 0 OR e.feature_id = $8)
        AND ($9 = '' OR e.source = $9) AND e.occurred_at >= $10 AND e.occurred_at < $11
    ORDER BY e.usage_event_id DESC LIMIT $12";

/// Events newest first: those of the filter, whose customer and feature were found to be `of`.
pub(in crate::usage) async fn list_events(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    of: (Option<CustomerId>, Option<FeatureId>),
    filter: &EventFilter,
    page: &PageRequest,
) -> Result<Page<UsageEvent>> {
    let (customer, feature) = of;
    let before: UsageEventId = cursor::before(page)?;
    let params = params![
        tx.workspace(),
        shop.platform,
        shop.mode,
        before,
        i64::from(customer.is_some()),
        customer.map_or(Uuid::nil(), |id| id.uuid()),
        i64::from(feature.is_some()),
        feature.map_or(Uuid::nil(), |id| id.uuid()),
        filter.source.map_or("", EventSource::as_str),
        filter.from.unwrap_or(Timestamp::MIN),
        filter.to.unwrap_or(Timestamp::MAX),
        page.limit + 1,
    ];
    let rows = tx.fetch_all(LIST, params).await?;
    let events = rows.iter().map(event).collect::<Result<_>>()?;
    Ok(Page::from_overfetch(events, page.limit, |event: &UsageEvent| {
        event.id.to_string()
    }))
}

/// An event, and what only its own page tells of it.
#[derive(Debug, Clone)]
pub(in crate::usage) struct EventInFull {
    pub event: UsageEvent,
    pub about: Option<Uuid>,
    /// What is left of it after corrections.
    pub parts: Vec<ChargedPart>,
    pub scale: Scale,
}

const FIND: &str = "SELECT e.*, f.feature_key, f.scale FROM usage_events e JOIN features f
        ON f.workspace_id = e.workspace_id AND f.platform_id = e.platform_id AND f.mode = e.mode
        AND f.feature_id = e.feature_id
    WHERE e.workspace_id = $1 AND e.platform_id = $2 AND e.mode = $3 AND e.usage_event_id = $4";

pub(in crate::usage) async fn find_event(
    tx: &mut Tx<Tenant>,
    shop: Shop,
    id: UsageEventId,
) -> Result<Option<EventInFull>> {
    let params = params![tx.workspace(), shop.platform, shop.mode, id];
    let Some(row) = tx.fetch_optional(FIND, params).await? else {
        return Ok(None);
    };
    let parts: String = row.get("charged")?;
    Ok(Some(EventInFull {
        event: event(&row)?,
        about: row.get("about")?,
        parts: serde_json::from_str(&parts).map_err(Error::internal)?,
        scale: scale(&row)?,
    }))
}

fn scale(row: &Row) -> Result<Scale> {
    let places = u8::try_from(row.get::<Option<i64>>("scale")?.unwrap_or(0)).map_err(Error::internal)?;
    Scale::new(places).map_err(Error::internal)
}

fn event(row: &Row) -> Result<UsageEvent> {
    let scale = scale(row)?;
    let dimensions: String = row.get("dimensions")?;
    let about: Option<Uuid> = row.get("about")?;
    let source = source(row)?;
    Ok(UsageEvent {
        id: row.get("usage_event_id")?,
        customer: row.get("customer_id")?,
        end_user: row.get("end_user_id")?,
        feature: row.get("feature_key")?,
        amount: Amount::from_units(row.get("amount")?, scale),
        dimensions: match dimensions.as_str() {
            "" => Default::default(),
            json => serde_json::from_str(json).map_err(Error::internal)?,
        },
        source,
        corrects: about
            .filter(|_| source == EventSource::Correction)
            .map(UsageEventId::from_uuid),
        occurred_at: row.get("occurred_at")?,
        received_at: row.get("received_at")?,
    })
}
