//! Batches, and what was answered under idempotency keys.

use std::collections::BTreeSet;

use storage::{System, Tx, params};
use types::id::{NodeId, UsageBatchId};
use types::{Result, Timestamp};

use crate::{Shop, numbered};

/// An answer that was given under a key.
#[derive(Debug, Clone)]
pub(in crate::usage) struct Replay {
    pub shop: Shop,
    pub key: String,
    pub fingerprint: Vec<u8>,
    /// The answer, as JSON.
    pub outcome: String,
    pub created_at: Timestamp,
}

const KEYS: &str = "WITH k (n, workspace_id, platform_id, mode, idempotency_key) AS (VALUES";
const FIND: &str = ") SELECT k.n, r.fingerprint, r.outcome, r.created_at FROM k CROSS JOIN usage_replays r
    WHERE r.workspace_id = k.workspace_id AND r.platform_id = k.platform_id AND r.mode = k.mode
        AND r.idempotency_key = k.idempotency_key";

/// What was answered under those of the keys that something was answered under.
pub(in crate::usage) async fn find_replays(
    tx: &mut Tx<System>,
    keys: &BTreeSet<(Shop, &str)>,
) -> Result<Vec<Replay>> {
    let keys: Vec<(Shop, &str)> = keys.iter().copied().collect();
    let named = numbered::rows(&keys, |(shop, key)| {
        params![shop.workspace, shop.platform, shop.mode, *key]
    });
    let rows = tx.fetch_rows(KEYS, named, FIND).await?;
    let found = numbered::found(keys.len(), &rows, |row| {
        Ok((
            row.get("fingerprint")?,
            row.get("outcome")?,
            row.get("created_at")?,
        ))
    })?;
    let replays = keys.into_iter().zip(found).filter_map(|((shop, key), found)| {
        let (fingerprint, outcome, created_at) = found?;
        Some(Replay {
            shop,
            key: key.to_owned(),
            fingerprint,
            outcome,
            created_at,
        })
    });
    Ok(replays.collect())
}

const REPLAYS: &str = "INSERT INTO usage_replays
    (workspace_id, platform_id, mode, idempotency_key, fingerprint, outcome, created_at) VALUES";

/// # Errors
/// [`storage::overtaken`], when another node has granted something under one of the keys since they were looked for: then
/// the batch is decided anew, and finds it.
pub(in crate::usage) async fn insert_replays(tx: &mut Tx<System>, replays: &[Replay]) -> Result<()> {
    let mut ordered: Vec<&Replay> = replays.iter().collect();
    // So that two nodes take the keys in the same order.
    ordered.sort_unstable_by(|a, b| (a.shop, &a.key).cmp(&(b.shop, &b.key)));
    let rows = ordered.into_iter().map(|replay| {
        let shop = replay.shop;
        params![
            shop.workspace,
            shop.platform,
            shop.mode,
            &replay.key,
            replay.fingerprint.as_slice(),
            &replay.outcome,
            replay.created_at,
        ]
    });
    match tx
        .insert_rows(REPLAYS, rows.collect(), "ON CONFLICT DO NOTHING")
        .await?
    {
        inserted if inserted == replays.len() as u64 => Ok(()),
        _ => Err(storage::overtaken()),
    }
}

const BATCH: &str = "INSERT INTO usage_batches (usage_batch_id, node_id, committed_at) VALUES ($1, $2, $3)
    ON CONFLICT (usage_batch_id) DO NOTHING";

/// Writes a batch's own row; `false` when it is there. After a commit whose outcome is unknown this decides it: if the
/// row can be written, the batch has not been committed and never will be.
pub(in crate::usage) async fn claim_batch(
    tx: &mut Tx<System>,
    batch: UsageBatchId,
    node: NodeId,
    now: Timestamp,
) -> Result<bool> {
    Ok(tx.execute(BATCH, params![batch, node, now]).await? == 1)
}

/// For [`runtime::retention::delete`].
pub(in crate::usage) const FORGET_REPLAYS: &str =
    "DELETE FROM usage_replays WHERE (workspace_id, platform_id, mode, idempotency_key) IN (
        SELECT workspace_id, platform_id, mode, idempotency_key FROM usage_replays
        WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
/// For [`runtime::retention::delete`]: an id tells when its batch began.
pub(in crate::usage) const FORGET_BATCHES: &str = "DELETE FROM usage_batches WHERE usage_batch_id IN (
    SELECT usage_batch_id FROM usage_batches WHERE usage_batch_id < $1 ORDER BY usage_batch_id LIMIT $2)";
