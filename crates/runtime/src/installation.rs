//! Which root keys the database belongs to. A node with another one would open nothing that the others sealed, and recognise
//! none of their API keys: it must not start.

use storage::{Db, Issuer, Reason, Tx, params};
use types::id::SealingKeyId;
use types::{Error, Result, Timestamp};

use crate::crypto::{RootKey, RootKeys};

/// The root keys that the database has been used with; none for a new one.
pub async fn root_keys(db: &Db, issuer: &Issuer) -> Result<Vec<SealingKeyId>> {
    db.of(issuer.system(Reason::StartUp))
        .read(|mut tx| async move { find(&mut tx).await })
        .await
}

/// Makes a new database the current root key's, and one of a retired root key the current one's too.
///
/// # Errors
/// `validation_failed`, when the database is of other root keys.
pub async fn claim(db: &Db, issuer: &Issuer, keys: &RootKeys, now: Timestamp) -> Result<()> {
    const CLAIM: &str = "INSERT INTO root_keys (root_key_id, first_used_at) VALUES ($1, $2)
        ON CONFLICT (root_key_id) DO NOTHING";
    let current = keys.current().id();
    db.of(issuer.system(Reason::StartUp))
        .write(|mut tx| async move {
            let known = find(&mut tx).await?;
            if !known.is_empty() && !keys.iter().map(RootKey::id).any(|key| known.contains(&key)) {
                return Err(Error::invalid(
                    "root_key",
                    "this database was made with another root key. Put that key back: its file, root.key, belongs to every \
                     node of an installation and is in no backup. If this one takes its place, name the other in \
                     retired_root_keys",
                ));
            }
            tx.execute(CLAIM, params![current, now]).await.map(drop)
        })
        .await
}

async fn find(tx: &mut Tx<storage::System>) -> Result<Vec<SealingKeyId>> {
    let rows = tx
        .fetch_all("SELECT root_key_id FROM root_keys", params![])
        .await?;
    rows.iter().map(|row| row.get("root_key_id")).collect()
}
