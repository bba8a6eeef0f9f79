//! The table `outbox_events`.

use storage::{Dialect, Row, Scope, System, Tx, dialect, params};
use types::id::{EventId, WorkspaceId};
use types::{Error, Mode, Result, Timestamp};

use super::{Event, NewEvent};

const INSERT: &str = "INSERT INTO outbox_events
    (workspace_id, event_id, platform_id, mode, kind, object_id, data, occurred_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

pub(super) async fn insert<S: Scope>(
    tx: &mut Tx<S>,
    workspace: Option<WorkspaceId>,
    event: &NewEvent,
    now: Timestamp,
) -> Result<EventId> {
    let id = EventId::generate();
    let data = event.data.to_string();
    let params = params![
        workspace,
        id,
        event.platform,
        event.mode,
        event.kind,
        &event.object,
        data,
        now
    ];
    tx.execute(INSERT, params).await?;
    Ok(id)
}

/// Keeps other nodes from dispatching until the transaction ends: two that number events of one object at a time would give
/// the same number twice. SQLite's writer is alone as it is.
pub(super) async fn lock_dispatch(tx: &mut Tx<System>) -> Result<()> {
    const LOCK: &str = "SELECT 1 AS locked FROM pg_advisory_xact_lock(hashtext('outbox_events'))";
    match tx.dialect() {
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => tx.fetch_one(LOCK, params![]).await.map(drop),
    }
}

const WAITING_SQLITE: &str = "SELECT * FROM outbox_events WHERE dispatched_at IS NULL
    AND ($1 IS NULL OR workspace_id = $1) ORDER BY event_id LIMIT $2";
const WAITING_POSTGRES: &str = "SELECT * FROM outbox_events WHERE dispatched_at IS NULL
    AND ($1::uuid IS NULL OR workspace_id = $1) ORDER BY event_id LIMIT $2";

/// The oldest events that nobody has dispatched.
pub(super) async fn waiting(
    tx: &mut Tx<System>,
    workspace: Option<WorkspaceId>,
    most: u32,
) -> Result<Vec<Event>> {
    let sql = dialect!(tx, sqlite: WAITING_SQLITE, postgres: WAITING_POSTGRES);
    tx.fetch_all(sql, params![workspace, most])
        .await?
        .iter()
        .map(event)
        .collect()
}

const MARK: &str = "UPDATE outbox_events SET dispatched_at = $2,
    sequence = (SELECT COALESCE(MAX(sequence), 0) + 1 FROM outbox_events WHERE object_id = $3) WHERE event_id = $1";

pub(super) async fn mark_dispatched(tx: &mut Tx<System>, event: &Event, now: Timestamp) -> Result<()> {
    tx.execute(MARK, params![event.id, now, &event.object])
        .await
        .map(drop)
}

pub(super) async fn get(tx: &mut Tx<System>, id: EventId) -> Result<Event> {
    let row = tx
        .fetch_optional("SELECT * FROM outbox_events WHERE event_id = $1", params![id])
        .await?;
    event(&row.ok_or_else(|| Error::not_found("event"))?)
}

fn event(row: &Row) -> Result<Event> {
    let mode: Option<String> = row.get("mode")?;
    let data: String = row.get("data")?;
    Ok(Event {
        id: row.get("event_id")?,
        kind: row.get("kind")?,
        workspace: row.get("workspace_id")?,
        platform: row.get("platform_id")?,
        mode: mode
            .map(|text| text.parse::<Mode>())
            .transpose()
            .map_err(Error::internal)?,
        object: row.get("object_id")?,
        occurred_at: row.get("occurred_at")?,
        sequence: row.get::<Option<i64>>("sequence")?.unwrap_or(0),
        data: serde_json::from_str(&data).map_err(Error::internal)?,
    })
}
