//! The table `platforms`.

use storage::{Row, Tenant, Tx, params};
use types::id::PlatformId;
use types::{Page, PageRequest, Result};

use super::Platform;
use crate::cursor;

const INSERT: &str =
    "INSERT INTO platforms (workspace_id, platform_id, name, created_at) VALUES ($1, $2, $3, $4)";

pub(super) async fn insert(tx: &mut Tx<Tenant>, platform: &Platform) -> Result<()> {
    let params = params![tx.workspace(), platform.id, &platform.name, platform.created_at];
    tx.execute(INSERT, params).await.map(drop)
}

const FIND: &str = "SELECT * FROM platforms WHERE workspace_id = $1 AND platform_id = $2";

pub(super) async fn find(tx: &mut Tx<Tenant>, id: PlatformId) -> Result<Option<Platform>> {
    let row = tx.fetch_optional(FIND, params![tx.workspace(), id]).await?;
    row.as_ref().map(platform).transpose()
}

const LIST: &str = "SELECT * FROM platforms
    WHERE workspace_id = $1 AND platform_id > $2 AND ($3 OR archived_at IS NULL) ORDER BY platform_id LIMIT $4";

pub(super) async fn list(
    tx: &mut Tx<Tenant>,
    with_archived: bool,
    page: &PageRequest,
) -> Result<Page<Platform>> {
    let after: PlatformId = cursor::after(page)?;
    let params = params![tx.workspace(), after, with_archived, page.limit + 1];
    let rows = tx.fetch_all(LIST, params).await?;
    let platforms = rows.iter().map(platform).collect::<Result<_>>()?;
    Ok(Page::from_overfetch(
        platforms,
        page.limit,
        |platform: &Platform| platform.id.to_string(),
    ))
}

const UPDATE: &str =
    "UPDATE platforms SET name = $3, archived_at = $4 WHERE workspace_id = $1 AND platform_id = $2";

pub(super) async fn update(tx: &mut Tx<Tenant>, platform: &Platform) -> Result<()> {
    let params = params![tx.workspace(), platform.id, &platform.name, platform.archived_at];
    tx.execute(UPDATE, params).await.map(drop)
}

fn platform(row: &Row) -> Result<Platform> {
    Ok(Platform {
        id: row.get("platform_id")?,
        name: row.get("name")?,
        created_at: row.get("created_at")?,
        archived_at: row.get("archived_at")?,
    })
}
