//! The table `workspaces`.

use storage::{Person, Row, System, Tenant, Tx, params};
use types::id::WorkspaceId;
use types::{Error, Page, PageRequest, Result, cursor};

use super::{JoinedWorkspace, Workspace};

const INSERT: &str = "INSERT INTO workspaces (workspace_id, name, created_at) VALUES ($1, $2, $3)
    ON CONFLICT (workspace_id) DO NOTHING";

pub(super) async fn insert(tx: &mut Tx<System>, workspace: &Workspace) -> Result<()> {
    let params = params![workspace.id, &workspace.name, workspace.created_at];
    tx.execute(INSERT, params).await.map(drop)
}

pub(super) async fn get(tx: &mut Tx<Tenant>) -> Result<Workspace> {
    const GET: &str = "SELECT * FROM workspaces WHERE workspace_id = $1";
    let row = tx.fetch_optional(GET, params![tx.workspace()]).await?;
    read(&row.ok_or_else(|| Error::not_found("workspace"))?)
}

pub(super) async fn rename(tx: &mut Tx<Tenant>, name: &str) -> Result<()> {
    const RENAME: &str = "UPDATE workspaces SET name = $2 WHERE workspace_id = $1";
    tx.execute(RENAME, params![tx.workspace(), name]).await.map(drop)
}

const LIST: &str =
    "SELECT w.*, m.role FROM memberships m JOIN workspaces w ON w.workspace_id = m.workspace_id
    WHERE m.user_id = $1 AND m.workspace_id > $2 ORDER BY m.workspace_id LIMIT $3";
const LIST_FIRST: &str =
    "SELECT w.*, m.role FROM memberships m JOIN workspaces w ON w.workspace_id = m.workspace_id
    WHERE m.user_id = $1 ORDER BY m.workspace_id LIMIT $2";

/// The workspaces that the person is in.
pub(super) async fn list(tx: &mut Tx<Person>, page: &PageRequest) -> Result<Page<JoinedWorkspace>> {
    let (user, most) = (tx.scope().user(), page.limit + 1);
    let rows = match &page.cursor {
        None => tx.fetch_all(LIST_FIRST, params![user, most]).await?,
        Some(_) => {
            let after: WorkspaceId = cursor::after(page)?;
            tx.fetch_all(LIST, params![user, after, most]).await?
        }
    };
    let workspaces = rows.iter().map(joined).collect::<Result<_>>()?;
    Ok(Page::from_overfetch(
        workspaces,
        page.limit,
        |joined: &JoinedWorkspace| joined.workspace.id.to_string(),
    ))
}

fn joined(row: &Row) -> Result<JoinedWorkspace> {
    let role: String = row.get("role")?;
    Ok(JoinedWorkspace {
        workspace: read(row)?,
        role: role.parse().map_err(Error::internal)?,
    })
}

fn read(row: &Row) -> Result<Workspace> {
    Ok(Workspace {
        id: row.get("workspace_id")?,
        name: row.get("name")?,
        created_at: row.get("created_at")?,
    })
}
