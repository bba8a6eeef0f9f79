//! The table `gates`.

use storage::{Row, Scope, Tx, params};
use types::Result;
use types::id::WorkspaceId;

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

fn gate(row: &Row) -> Result<GateRow> {
    Ok(GateRow {
        feature_key: row.get("feature_key")?,
        amount: row.get("amount")?,
        plan_key: row.get("plan_key")?,
    })
}
