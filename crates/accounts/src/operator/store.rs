//! The table `operator_links`.

use runtime::crypto::TokenHash;
use storage::{System, Tx, params};
use types::{Result, Timestamp};

const INSERT: &str = "INSERT INTO operator_links (token_hash, created_at, expires_at) VALUES ($1, $2, $3)";

pub(super) async fn insert(
    tx: &mut Tx<System>,
    token: &TokenHash,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<()> {
    tx.execute(INSERT, params![*token.as_bytes(), now, expires_at])
        .await
        .map(drop)
}

/// Whether the link worked, which it does once.
pub(super) async fn use_up(tx: &mut Tx<System>, token: &TokenHash, now: Timestamp) -> Result<bool> {
    const USE: &str = "UPDATE operator_links SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2";
    Ok(tx.execute(USE, params![*token.as_bytes(), now]).await? == 1)
}

/// Deletes the links that ended before an instant.
pub(crate) async fn forget_links(tx: &mut Tx<System>, before: Timestamp) -> Result<u64> {
    const FORGET: &str = "DELETE FROM operator_links WHERE expires_at < $1";
    tx.execute(FORGET, params![before]).await
}
