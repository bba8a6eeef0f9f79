//! The table `jobs`. A finished job's row is deleted.

use std::time::Duration;

use storage::{Row, Scope, System, Tx, dialect, params};
use types::id::{JobId, NodeId, WorkspaceId};
use types::{Result, Timestamp};

/// A job that this node may run until the lease ends.
pub(super) struct Claimed {
    pub id: JobId,
    pub workspace: Option<WorkspaceId>,
    pub kind: String,
    pub payload: String,
    pub attempts: u32,
}

const INSERT: &str =
    "INSERT INTO jobs (workspace_id, job_id, kind, payload, state, run_at, attempts, created_at)
    VALUES ($1, $2, $3, $4, 'ready', $5, 0, $6)";

pub(super) async fn insert<S: Scope>(
    tx: &mut Tx<S>,
    workspace: Option<WorkspaceId>,
    kind: &str,
    payload: &str,
    run_at: Timestamp,
    now: Timestamp,
) -> Result<JobId> {
    let id = JobId::generate();
    tx.execute(INSERT, params![workspace, id, kind, payload, run_at, now])
        .await?;
    Ok(id)
}

const CLAIM_SQLITE: &str = "UPDATE jobs SET leased_by = $1, leased_until = $2, attempts = attempts + 1
    WHERE job_id IN (
        SELECT job_id FROM jobs WHERE state = 'ready' AND run_at <= $3 AND (leased_until IS NULL OR leased_until < $3)
        AND ($4 IS NULL OR workspace_id = $4) ORDER BY run_at, job_id LIMIT $5)
    RETURNING job_id, workspace_id, kind, payload, attempts";
const CLAIM_POSTGRES: &str = "UPDATE jobs SET leased_by = $1, leased_until = $2, attempts = attempts + 1
    WHERE job_id IN (
        SELECT job_id FROM jobs WHERE state = 'ready' AND run_at <= $3 AND (leased_until IS NULL OR leased_until < $3)
        AND ($4::uuid IS NULL OR workspace_id = $4) ORDER BY run_at, job_id LIMIT $5 FOR UPDATE SKIP LOCKED)
    RETURNING job_id, workspace_id, kind, payload, attempts";

/// Leases up to `most` jobs that are due, of one workspace if one is named.
pub(super) async fn claim(
    tx: &mut Tx<System>,
    node: NodeId,
    workspace: Option<WorkspaceId>,
    now: Timestamp,
    lease: Duration,
    most: u32,
) -> Result<Vec<Claimed>> {
    let sql = dialect!(tx, sqlite: CLAIM_SQLITE, postgres: CLAIM_POSTGRES);
    let rows = tx
        .fetch_all(sql, params![node, now + lease, now, workspace, most])
        .await?;
    rows.iter().map(claimed).collect()
}

fn claimed(row: &Row) -> Result<Claimed> {
    Ok(Claimed {
        id: row.get("job_id")?,
        workspace: row.get("workspace_id")?,
        kind: row.get("kind")?,
        payload: row.get("payload")?,
        attempts: u32::try_from(row.get::<i64>("attempts")?).unwrap_or(u32::MAX),
    })
}

/// Removes a job that is done, unless its lease went to another node meanwhile.
pub(super) async fn finish(tx: &mut Tx<System>, id: JobId, node: NodeId) -> Result<u64> {
    tx.execute(
        "DELETE FROM jobs WHERE job_id = $1 AND leased_by = $2",
        params![id, node],
    )
    .await
}

const PUT_BACK: &str =
    "UPDATE jobs SET leased_by = NULL, leased_until = NULL, state = $3, run_at = $4, last_error = $5
    WHERE job_id = $1 AND leased_by = $2";

/// Puts a failed job back, or lays it aside when `dead`.
pub(super) async fn put_back(
    tx: &mut Tx<System>,
    id: JobId,
    node: NodeId,
    dead: bool,
    run_at: Timestamp,
    error: &str,
) -> Result<u64> {
    let state = if dead { "dead" } else { "ready" };
    tx.execute(PUT_BACK, params![id, node, state, run_at, error])
        .await
}

/// When the next job that nobody has leased is due.
pub(super) async fn next_due(tx: &mut Tx<System>) -> Result<Option<Timestamp>> {
    const NEXT: &str =
        "SELECT MIN(run_at) AS run_at FROM jobs WHERE state = 'ready' AND leased_until IS NULL";
    tx.fetch_one(NEXT, params![]).await?.get("run_at")
}
