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

/// The workspace whose platform the realm's users belong to.
pub(super) async fn owner<S: Scope>(tx: &mut Tx<S>, realm: RealmId) -> Result<WorkspaceId> {
    const OWNER: &str = "SELECT workspace_id FROM realms WHERE realm_id = $1";
    tx.fetch_one(OWNER, params![realm]).await?.get("workspace_id")
}
