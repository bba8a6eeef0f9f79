//! The tables `audit_entries`, `audit_links` and `audit_checkpoints`.

use serde_json::{Map, Value, json};
use storage::{Dialect, Row, Scope, System, Tenant, Tx, params};
use types::id::{AuditEntryId, RequestId, SealingKeyId, WorkspaceId};
use types::{Error, Page, PageRequest, Result, Timestamp, cursor};

use super::personal::Stored;
use super::{AuditEntry, Filter, NewEntry};
use crate::caller::{Actor, ActorKind};

const INSERT: &str = "INSERT INTO audit_entries
    (workspace_id, audit_entry_id, actor_kind, actor_id, action, target_kind, target_id, reason, details, request_id,
     subject_key, sealed, occurred_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

pub(super) async fn insert<S: Scope>(
    tx: &mut Tx<S>,
    workspace: WorkspaceId,
    actor: Actor,
    request: Option<RequestId>,
    entry: &NewEntry,
    now: Timestamp,
) -> Result<()> {
    let details = serde_json::to_string(&entry.details).map_err(Error::internal)?;
    let personal = entry.personal.as_ref();
    let id = personal.map_or_else(AuditEntryId::generate, |personal| personal.entry);
    let params = params![
        workspace,
        id,
        actor.kind().as_str(),
        actor.to_string(),
        entry.action,
        entry.target_kind,
        &entry.target_id,
        entry.reason.clone(),
        details,
        request,
        personal.map(|personal| personal.key),
        personal.map(|personal| personal.sealed.clone()),
        now,
    ];
    tx.execute(INSERT, params).await.map(drop)
}

const LIST: &str = "SELECT * FROM audit_entries WHERE workspace_id = $1 AND audit_entry_id < $2
        AND ($3 = '' OR actor_id = $3) AND ($4 = '' OR action = $4) AND ($5 = '' OR target_id = $5)
    ORDER BY audit_entry_id DESC LIMIT $6";

pub(super) async fn list(tx: &mut Tx<Tenant>, filter: &Filter, page: &PageRequest) -> Result<Page<Stored>> {
    let before: AuditEntryId = cursor::before(page)?;
    // An empty text is no filter: nothing that is recorded is empty.
    let sought = |text: &Option<String>| text.clone().unwrap_or_default();
    let params = params![
        tx.workspace(),
        before,
        sought(&filter.actor_id),
        sought(&filter.action),
        sought(&filter.target_id),
        page.limit + 1,
    ];
    let rows = tx.fetch_all(LIST, params).await?;
    let entries = rows.iter().map(stored).collect::<Result<_>>()?;
    Ok(Page::from_overfetch(entries, page.limit, |stored: &Stored| {
        stored.entry.id.to_string()
    }))
}

fn stored(row: &Row) -> Result<Stored> {
    let (key, sealed) = (
        row.get::<Option<SealingKeyId>>("subject_key")?,
        row.get::<Option<Vec<u8>>>("sealed")?,
    );
    Ok(Stored {
        entry: entry(row)?,
        sealed: key.zip(sealed),
    })
}

fn entry(row: &Row) -> Result<AuditEntry> {
    let kind: String = row.get("actor_kind")?;
    let details: Map<String, Value> =
        serde_json::from_str(&row.get::<String>("details")?).map_err(Error::internal)?;
    Ok(AuditEntry {
        id: row.get("audit_entry_id")?,
        actor_kind: serde_json::from_value::<ActorKind>(json!(kind)).map_err(Error::internal)?,
        actor_id: row.get("actor_id")?,
        action: row.get("action")?,
        target_kind: row.get("target_kind")?,
        target_id: row.get("target_id")?,
        reason: row.get("reason")?,
        details,
        personal: None,
        request_id: row.get("request_id")?,
        occurred_at: row.get("occurred_at")?,
    })
}

/// An entry in exactly the form that the chain is made over: everything that the row says, sealed parts as they are
/// stored.
pub(super) fn canonical_form(row: &Row) -> Result<Value> {
    let hex = |bytes: Option<Vec<u8>>| {
        bytes.map(|bytes| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>())
    };
    Ok(json!({
        "workspace": row.get::<WorkspaceId>("workspace_id")?.to_string(),
        "id": row.get::<AuditEntryId>("audit_entry_id")?.to_string(),
        "actor_kind": row.get::<String>("actor_kind")?,
        "actor_id": row.get::<String>("actor_id")?,
        "action": row.get::<String>("action")?,
        "target_kind": row.get::<String>("target_kind")?,
        "target_id": row.get::<String>("target_id")?,
        "reason": row.get::<Option<String>>("reason")?,
        "details": row.get::<String>("details")?,
        "request_id": row.get::<Option<RequestId>>("request_id")?.map(|id| id.to_string()),
        "subject_key": row.get::<Option<SealingKeyId>>("subject_key")?.map(|id| id.to_string()),
        "sealed": hex(row.get("sealed")?),
        "occurred_at": row.get::<Timestamp>("occurred_at")?.to_string(),
    }))
}

/// Keeps other nodes from growing the chain until the transaction ends. SQLite's writer is alone as it is.
pub(super) async fn lock_chain(tx: &mut Tx<System>, workspace: WorkspaceId) -> Result<()> {
    const LOCK: &str = "SELECT 1 AS locked FROM pg_advisory_xact_lock(hashtext('audit_links'), hashtext($1))";
    match tx.dialect() {
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => tx.fetch_one(LOCK, params![workspace.to_string()]).await.map(drop),
    }
}

/// The end of a workspace's chain.
pub(super) struct Head {
    pub position: i64,
    pub hash: Vec<u8>,
}

/// Workspaces with entries, from `first` on, that are in no chain yet.
pub(super) async fn workspaces_to_seal(tx: &mut Tx<System>, first: AuditEntryId) -> Result<Vec<WorkspaceId>> {
    const UNSEALED: &str = "SELECT DISTINCT e.workspace_id FROM audit_entries e
        WHERE e.audit_entry_id >= $1 AND NOT EXISTS (SELECT 1 FROM audit_links l
            WHERE l.workspace_id = e.workspace_id AND l.audit_entry_id = e.audit_entry_id)";
    tx.fetch_all(UNSEALED, params![first])
        .await?
        .iter()
        .map(|row| row.get("workspace_id"))
        .collect()
}

/// Workspaces whose chain goes on behind its last signature.
pub(super) async fn workspaces_to_sign(tx: &mut Tx<System>) -> Result<Vec<WorkspaceId>> {
    const UNSIGNED: &str = "SELECT l.workspace_id FROM audit_links l GROUP BY l.workspace_id
        HAVING MAX(l.position) > COALESCE(
            (SELECT MAX(c.position) FROM audit_checkpoints c WHERE c.workspace_id = l.workspace_id), 0)";
    tx.fetch_all(UNSIGNED, params![])
        .await?
        .iter()
        .map(|row| row.get("workspace_id"))
        .collect()
}

pub(super) async fn workspaces(tx: &mut Tx<System>) -> Result<Vec<WorkspaceId>> {
    const ALL: &str = "SELECT workspace_id FROM audit_entries UNION SELECT workspace_id FROM audit_links";
    tx.fetch_all(ALL, params![])
        .await?
        .iter()
        .map(|row| row.get("workspace_id"))
        .collect()
}

pub(super) async fn head(tx: &mut Tx<System>, workspace: WorkspaceId) -> Result<Option<Head>> {
    const HEAD: &str =
        "SELECT position, hash FROM audit_links WHERE workspace_id = $1 ORDER BY position DESC LIMIT 1";
    let row = tx.fetch_optional(HEAD, params![workspace]).await?;
    row.map(|row| {
        Ok(Head {
            position: row.get("position")?,
            hash: row.get("hash")?,
        })
    })
    .transpose()
}

/// Entries from `first` on that are in no chain yet, oldest first.
pub(super) async fn unsealed(
    tx: &mut Tx<System>,
    workspace: WorkspaceId,
    first: AuditEntryId,
    most: u32,
) -> Result<Vec<Row>> {
    const UNSEALED: &str =
        "SELECT e.* FROM audit_entries e WHERE e.workspace_id = $1 AND e.audit_entry_id >= $2
        AND NOT EXISTS (SELECT 1 FROM audit_links l
            WHERE l.workspace_id = e.workspace_id AND l.audit_entry_id = e.audit_entry_id)
        ORDER BY e.audit_entry_id LIMIT $3";
    tx.fetch_all(UNSEALED, params![workspace, first, most]).await
}

pub(super) async fn link(
    tx: &mut Tx<System>,
    workspace: WorkspaceId,
    position: i64,
    entry: AuditEntryId,
    hash: [u8; 32],
) -> Result<()> {
    const LINK: &str =
        "INSERT INTO audit_links (workspace_id, position, audit_entry_id, hash) VALUES ($1, $2, $3, $4)";
    tx.execute(LINK, params![workspace, position, entry, hash])
        .await
        .map(drop)
}

/// Links after `position`, with their entries; an entry that is gone leaves its columns NULL.
pub(super) async fn links_after(
    tx: &mut Tx<System>,
    workspace: WorkspaceId,
    position: i64,
    most: u32,
) -> Result<Vec<Row>> {
    const LINKS: &str = "SELECT l.position, l.hash, l.audit_entry_id AS linked_entry,
            CAST(CASE WHEN e.audit_entry_id IS NULL THEN 1 ELSE 0 END AS bigint) AS missing, e.*
        FROM audit_links l LEFT JOIN audit_entries e
            ON e.workspace_id = l.workspace_id AND e.audit_entry_id = l.audit_entry_id
        WHERE l.workspace_id = $1 AND l.position > $2 ORDER BY l.position LIMIT $3";
    tx.fetch_all(LINKS, params![workspace, position, most]).await
}

/// A signed head of a chain.
pub(super) struct Checkpoint {
    pub position: i64,
    pub hash: Vec<u8>,
    pub public_key: Vec<u8>,
    pub signature: Vec<u8>,
    pub signed_at: Timestamp,
}

pub(super) async fn checkpoints(tx: &mut Tx<System>, workspace: WorkspaceId) -> Result<Vec<Checkpoint>> {
    const ALL: &str = "SELECT * FROM audit_checkpoints WHERE workspace_id = $1 ORDER BY position";
    tx.fetch_all(ALL, params![workspace])
        .await?
        .iter()
        .map(|row| {
            Ok(Checkpoint {
                position: row.get("position")?,
                hash: row.get("hash")?,
                public_key: row.get("public_key")?,
                signature: row.get("signature")?,
                signed_at: row.get("signed_at")?,
            })
        })
        .collect()
}

pub(super) async fn last_checkpoint_at(
    tx: &mut Tx<System>,
    workspace: WorkspaceId,
) -> Result<Option<Timestamp>> {
    const LAST: &str = "SELECT MAX(signed_at) AS signed_at FROM audit_checkpoints WHERE workspace_id = $1";
    tx.fetch_one(LAST, params![workspace]).await?.get("signed_at")
}

pub(super) async fn add_checkpoint(
    tx: &mut Tx<System>,
    workspace: WorkspaceId,
    checkpoint: &Checkpoint,
) -> Result<()> {
    const ADD: &str =
        "INSERT INTO audit_checkpoints (workspace_id, position, hash, public_key, signature, signed_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (workspace_id, position) DO NOTHING";
    let params = params![
        workspace,
        checkpoint.position,
        checkpoint.hash.as_slice(),
        checkpoint.public_key.as_slice(),
        checkpoint.signature.as_slice(),
        checkpoint.signed_at,
    ];
    tx.execute(ADD, params).await.map(drop)
}
