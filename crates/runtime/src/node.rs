//! Which node this is. A node has an id for as long as it runs and an epoch that grows with every start of any node, so
//! that what an earlier life left behind can be told apart.

use storage::{Db, Issuer, Reason, params};
use types::id::NodeId;
use types::{Result, Timestamp};

/// This process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    pub id: NodeId,
    /// Higher than that of every node that started before.
    pub epoch: i64,
}

const REGISTER: &str = "INSERT INTO nodes (node_id, epoch, started_at, seen_at)
    SELECT $1, COALESCE(MAX(epoch), 0) + 1, $2, $2 FROM nodes RETURNING epoch";

/// Registers this process as a new node.
pub async fn register(db: &Db, issuer: &Issuer, now: Timestamp) -> Result<Node> {
    let id = NodeId::generate();
    let epoch = db
        .of(issuer.system(Reason::StartUp))
        .write(|mut tx| async move { tx.fetch_one(REGISTER, params![id, now]).await?.get("epoch") })
        .await?;
    Ok(Node { id, epoch })
}
