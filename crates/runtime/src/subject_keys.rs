//! Keys of people. What is about a person and must outlive them, such as the address a sign-in came from in the audit log, is
//! sealed under a key of theirs. Erasing the person destroys the key: what it sealed is unreadable from then on, also in
//! backups, and the chain of the audit log over the sealed bytes still holds.
//!
//! A root key wraps a workspace's key, which wraps the keys of the people it knows.

use storage::{Reason, System, Tx, params};
use types::id::{SealingKeyId, WorkspaceId};
use types::{Error, Result, Timestamp};
use uuid::Uuid;

use crate::app::App;
use crate::crypto::{DataKey, KeyOwner, RootKeys, SealedBytes, WrappedKey};

/// What stands for the workspace itself in the place of a person.
const WORKSPACE_ITSELF: Uuid = Uuid::nil();

/// The key of a person as a workspace knows them, made when there is none; `None` when it was destroyed.
pub async fn ensure(app: &App, workspace: WorkspaceId, subject: Uuid) -> Result<Option<DataKey>> {
    let (root_keys, now) = (app.root_keys(), app.now());
    app.db()
        .of(app.issuer().system(Reason::Sealing))
        .write(|mut tx| async move {
            let Some(own) = workspace_key(&mut tx, root_keys, workspace, now).await? else {
                return Ok(None);
            };
            match find(&mut tx, workspace, subject).await? {
                Some(stored) => stored
                    .map(|wrapped| unwrap(&own, &wrapped, workspace, subject))
                    .transpose(),
                None => {
                    let key = DataKey::generate()?;
                    let wrapped = own.wrap(&key, &KeyOwner::Subject { workspace, subject })?;
                    insert(&mut tx, workspace, subject, &wrapped, now).await?;
                    Ok(Some(key))
                }
            }
        })
        .await
}

/// The keys with these ids, without those that were destroyed.
pub async fn find_all(app: &App, workspace: WorkspaceId, ids: &[SealingKeyId]) -> Result<Vec<DataKey>> {
    const FIND: &str =
        "SELECT subject_id, wrapped FROM sealing_keys WHERE workspace_id = $1 AND sealing_key_id = $2";
    let (root_keys, now) = (app.root_keys(), app.now());
    app.db()
        .of(app.issuer().system(Reason::Sealing))
        .write(|mut tx| async move {
            let mut keys = Vec::new();
            let Some(own) = workspace_key(&mut tx, root_keys, workspace, now).await? else {
                return Ok(keys);
            };
            for id in ids {
                let Some(row) = tx.fetch_optional(FIND, params![workspace, *id]).await? else {
                    continue;
                };
                if let Some(sealed) = row.get::<Option<Vec<u8>>>("wrapped")? {
                    let wrapped = WrappedKey {
                        id: *id,
                        sealed: SealedBytes::from_vec(sealed)?,
                    };
                    keys.push(unwrap(&own, &wrapped, workspace, row.get("subject_id")?)?);
                }
            }
            Ok(keys)
        })
        .await
}

/// Destroys a person's key for good: what it sealed can never be read again.
pub async fn destroy(
    tx: &mut Tx<System>,
    workspace: WorkspaceId,
    subject: Uuid,
    now: Timestamp,
) -> Result<bool> {
    const DESTROY: &str = "UPDATE sealing_keys SET wrapped = NULL, destroyed_at = $3
        WHERE workspace_id = $1 AND subject_id = $2 AND wrapped IS NOT NULL";
    Ok(tx.execute(DESTROY, params![workspace, subject, now]).await? == 1)
}

async fn workspace_key(
    tx: &mut Tx<System>,
    root_keys: &RootKeys,
    workspace: WorkspaceId,
    now: Timestamp,
) -> Result<Option<DataKey>> {
    let owner = KeyOwner::Workspace(workspace);
    match find(tx, workspace, WORKSPACE_ITSELF).await? {
        Some(None) => Ok(None),
        Some(Some(wrapped)) => {
            let key = root_keys.unwrap(&wrapped, &owner)?;
            if root_keys.needs_rewrap(&wrapped) {
                rewrap(tx, workspace, &root_keys.wrap(&key, &owner)?).await?;
            }
            Ok(Some(key))
        }
        None => {
            let key = DataKey::generate()?;
            insert(
                tx,
                workspace,
                WORKSPACE_ITSELF,
                &root_keys.wrap(&key, &owner)?,
                now,
            )
            .await?;
            Ok(Some(key))
        }
    }
}

/// Keeps a workspace's key under the current root key from now on.
async fn rewrap(tx: &mut Tx<System>, workspace: WorkspaceId, wrapped: &WrappedKey) -> Result<()> {
    const REWRAP: &str = "UPDATE sealing_keys SET wrapped = $3
        WHERE workspace_id = $1 AND subject_id = $2 AND wrapped IS NOT NULL";
    let params = params![workspace, WORKSPACE_ITSELF, wrapped.sealed.as_bytes()];
    tx.execute(REWRAP, params).await.map(drop)
}

fn unwrap(own: &DataKey, wrapped: &WrappedKey, workspace: WorkspaceId, subject: Uuid) -> Result<DataKey> {
    Ok(own.unwrap(wrapped, &KeyOwner::Subject { workspace, subject })?)
}

/// The outer option is the row, the inner one the key in it.
async fn find(
    tx: &mut Tx<System>,
    workspace: WorkspaceId,
    subject: Uuid,
) -> Result<Option<Option<WrappedKey>>> {
    const FIND: &str =
        "SELECT sealing_key_id, wrapped FROM sealing_keys WHERE workspace_id = $1 AND subject_id = $2";
    let Some(row) = tx.fetch_optional(FIND, params![workspace, subject]).await? else {
        return Ok(None);
    };
    let id = row.get("sealing_key_id")?;
    let sealed = row
        .get::<Option<Vec<u8>>>("wrapped")?
        .map(SealedBytes::from_vec)
        .transpose()?;
    Ok(Some(sealed.map(|sealed| WrappedKey { id, sealed })))
}

/// # Errors
/// `unavailable`, when another transaction has just made one: the next try finds it.
async fn insert(
    tx: &mut Tx<System>,
    workspace: WorkspaceId,
    subject: Uuid,
    wrapped: &WrappedKey,
    now: Timestamp,
) -> Result<()> {
    const INSERT: &str =
        "INSERT INTO sealing_keys (workspace_id, subject_id, sealing_key_id, wrapped, created_at)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (workspace_id, subject_id) DO NOTHING";
    let params = params![workspace, subject, wrapped.id, wrapped.sealed.as_bytes(), now];
    match tx.execute(INSERT, params).await? {
        1 => Ok(()),
        _ => Err(Error::unavailable(
            "A key is being made by somebody else; try again.",
        )),
    }
}
