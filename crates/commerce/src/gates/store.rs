//! The table `gates`.

use storage::{Row, Scope, System, Tenant, Tx, dialect, params};
use types::id::WorkspaceId;
use types::{Result, Timestamp};

use crate::numbered;

/// What a workspace gets of one of platform zero's features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateRow {
    pub feature_key: String,
    /// None: unlimited, or a boolean feature that is on.
    pub amount: Option<i64>,
    /// The plan that gives it.
    pub plan_key: String,
}

const LIMIT_OF: &str =
    "SELECT feature_key, amount, plan_key FROM gates WHERE workspace_id = $1 AND feature_key = $2";

/// What the workspace gets of the feature; none when it gets nothing.
pub async fn limit_of<S: Scope>(
    tx: &mut Tx<S>,
    workspace: WorkspaceId,
    feature_key: &str,
) -> Result<Option<GateRow>> {
    let row = tx
        .fetch_optional(LIMIT_OF, params![workspace, feature_key])
        .await?;
    row.as_ref().map(gate).transpose()
}

const WORKSPACES: &str = "WITH k (n, workspace_id, feature_key) AS (VALUES";
const LIMITS_OF: &str = ") SELECT k.n, g.feature_key, g.amount, g.plan_key FROM k CROSS JOIN gates g
    WHERE g.workspace_id = k.workspace_id AND g.feature_key = k.feature_key";

/// As [`limit_of`], for many workspaces.
pub(crate) async fn limits_of<S: Scope>(
    tx: &mut Tx<S>,
    workspaces: &[WorkspaceId],
    feature_key: &str,
) -> Result<Vec<Option<GateRow>>> {
    let keys = numbered::rows(workspaces, |workspace| params![*workspace, feature_key]);
    let rows = tx.fetch_rows(WORKSPACES, keys, LIMITS_OF).await?;
    numbered::found(workspaces.len(), &rows, gate)
}

const LOCK: &str =
    "SELECT feature_key, amount, plan_key FROM gates WHERE workspace_id = $1 AND feature_key = $2 FOR UPDATE";

/// As [`limit_of`], and nobody else gets past the row until the transaction ends. On SQLite the one writer is alone anyway.
pub(super) async fn lock(tx: &mut Tx<Tenant>, feature_key: &str) -> Result<Option<GateRow>> {
    let sql = dialect!(tx, sqlite: LIMIT_OF, postgres: LOCK);
    let row = tx
        .fetch_optional(sql, params![tx.workspace(), feature_key])
        .await?;
    row.as_ref().map(gate).transpose()
}

const OF_WORKSPACE: &str =
    "SELECT feature_key, amount, plan_key FROM gates WHERE workspace_id = $1 ORDER BY feature_key";

/// Everything that the workspace gets.
pub(super) async fn of_workspace(tx: &mut Tx<Tenant>) -> Result<Vec<GateRow>> {
    let rows = tx.fetch_all(OF_WORKSPACE, params![tx.workspace()]).await?;
    rows.iter().map(gate).collect()
}

const PUT: &str = "INSERT INTO gates (workspace_id, feature_key, amount, plan_key, updated_at)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (workspace_id, feature_key)
    DO UPDATE SET amount = excluded.amount, plan_key = excluded.plan_key, updated_at = excluded.updated_at";

/// Writes a row, over the one that is there.
pub(super) async fn put<S: Scope>(
    tx: &mut Tx<S>,
    workspace: WorkspaceId,
    row: &GateRow,
    now: Timestamp,
) -> Result<()> {
    let params = params![workspace, &row.feature_key, row.amount, &row.plan_key, now];
    tx.execute(PUT, params).await.map(drop)
}

const REMOVE: &str = "DELETE FROM gates WHERE workspace_id = $1 AND feature_key = $2";

/// Makes a workspace's rows those and no others.
pub(super) async fn replace(
    tx: &mut Tx<System>,
    workspace: WorkspaceId,
    rows: &[GateRow],
    now: Timestamp,
) -> Result<()> {
    let before = tx.fetch_all(OF_WORKSPACE, params![workspace]).await?;
    let before = before.iter().map(gate).collect::<Result<Vec<_>>>()?;
    for row in rows.iter().filter(|row| !before.contains(row)) {
        put(tx, workspace, row, now).await?;
    }
    let kept = |gone: &GateRow| rows.iter().any(|row| row.feature_key == gone.feature_key);
    for gone in before.iter().filter(|row| !kept(row)) {
        tx.execute(REMOVE, params![workspace, &gone.feature_key]).await?;
    }
    Ok(())
}

fn gate(row: &Row) -> Result<GateRow> {
    Ok(GateRow {
        feature_key: row.get("feature_key")?,
        amount: row.get("amount")?,
        plan_key: row.get("plan_key")?,
    })
}
