//! The table `realms`.

use storage::{Scope, System, Tx, params};
use types::id::{PlatformId, RealmId, WorkspaceId};
use types::{Mode, Result, Timestamp};

const INSERT: &str = "INSERT INTO realms (realm_id, workspace_id, platform_id, mode, created_at)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (realm_id) DO NOTHING";

pub(super) async fn insert(
    tx: &mut Tx<System>,
    realm: RealmId,
    owner: WorkspaceId,
    platform: PlatformId,
    mode: Mode,
    now: Timestamp,
) -> Result<()> {
    tx.execute(INSERT, params![realm, owner, platform, mode, now])
        .await
        .map(drop)
}

/// A realm: whose platform its users belong to.
pub(super) struct Realm {
    pub workspace: WorkspaceId,
    pub platform: PlatformId,
    pub mode: Mode,
}

pub(super) async fn get<S: Scope>(tx: &mut Tx<S>, realm: RealmId) -> Result<Realm> {
    const GET: &str = "SELECT workspace_id, platform_id, mode FROM realms WHERE realm_id = $1";
    let row = tx.fetch_one(GET, params![realm]).await?;
    Ok(Realm {
        workspace: row.get("workspace_id")?,
        platform: row.get("platform_id")?,
        mode: row.get("mode")?,
    })
}
