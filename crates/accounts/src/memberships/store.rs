//! The table `memberships`.

use storage::{Row, Scope, System, Tenant, Tx, params};
use types::id::{RealmId, UserId, WorkspaceId};
use types::{Error, Page, PageRequest, Result, Role, Timestamp, cursor};

use super::Member;
use crate::users::{self, User};

const INSERT: &str = "INSERT INTO memberships (workspace_id, user_id, realm_id, role, created_at)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (workspace_id, user_id) DO NOTHING";

/// Whether the user was no member before.
pub(super) async fn insert<S: Scope>(
    tx: &mut Tx<S>,
    workspace: WorkspaceId,
    realm: RealmId,
    user: UserId,
    role: Role,
    now: Timestamp,
) -> Result<bool> {
    let params = params![workspace, user, realm, role.as_str(), now];
    Ok(tx.execute(INSERT, params).await? == 1)
}

const GET: &str = "SELECT m.user_id, m.role, m.created_at, u.email, u.name FROM memberships m
    JOIN users u ON u.realm_id = m.realm_id AND u.user_id = m.user_id
    WHERE m.workspace_id = $1 AND m.user_id = $2";

pub(super) async fn get(tx: &mut Tx<Tenant>, user: UserId) -> Result<Member> {
    let row = tx.fetch_optional(GET, params![tx.workspace(), user]).await?;
    read(&row.ok_or_else(|| Error::not_found("member"))?)
}

const LIST: &str = "SELECT m.user_id, m.role, m.created_at, u.email, u.name FROM memberships m
    JOIN users u ON u.realm_id = m.realm_id AND u.user_id = m.user_id
    WHERE m.workspace_id = $1 AND m.user_id > $2 ORDER BY m.user_id LIMIT $3";

pub(super) async fn list(tx: &mut Tx<Tenant>, page: &PageRequest) -> Result<Page<Member>> {
    let after: UserId = cursor::after(page)?;
    let params = params![tx.workspace(), after, page.limit + 1];
    let members = tx
        .fetch_all(LIST, params)
        .await?
        .iter()
        .map(read)
        .collect::<Result<_>>()?;
    Ok(Page::from_overfetch(members, page.limit, |member: &Member| {
        member.user.to_string()
    }))
}

pub(super) async fn set_role(tx: &mut Tx<Tenant>, user: UserId, role: Role) -> Result<()> {
    const SET: &str = "UPDATE memberships SET role = $3 WHERE workspace_id = $1 AND user_id = $2";
    tx.execute(SET, params![tx.workspace(), user, role.as_str()])
        .await
        .map(drop)
}

pub(super) async fn delete(tx: &mut Tx<Tenant>, user: UserId) -> Result<()> {
    const DELETE: &str = "DELETE FROM memberships WHERE workspace_id = $1 AND user_id = $2";
    tx.execute(DELETE, params![tx.workspace(), user]).await.map(drop)
}

pub(super) async fn has_other_owner(tx: &mut Tx<Tenant>, user: UserId) -> Result<bool> {
    const OTHERS: &str = "SELECT user_id FROM memberships WHERE workspace_id = $1 AND user_id <> $2 AND role = 'owner' LIMIT 1";
    let other = tx.fetch_optional(OTHERS, params![tx.workspace(), user]).await?;
    Ok(other.is_some())
}

const OWNERS: &str = "SELECT u.* FROM memberships m
    JOIN users u ON u.realm_id = m.realm_id AND u.user_id = m.user_id AND u.suspended_at IS NULL
    WHERE m.workspace_id = $1 AND m.role = 'owner' ORDER BY m.created_at, m.user_id LIMIT 1";

/// The owner who has been in a workspace longest and can sign in.
pub(crate) async fn oldest_owner(tx: &mut Tx<System>, workspace: WorkspaceId) -> Result<Option<User>> {
    let row = tx.fetch_optional(OWNERS, params![workspace]).await?;
    row.map(|row| users::store::read(&row)).transpose()
}

fn read(row: &Row) -> Result<Member> {
    let role: String = row.get("role")?;
    Ok(Member {
        user: row.get("user_id")?,
        email: row.get("email")?,
        name: row.get("name")?,
        role: role.parse().map_err(Error::internal)?,
        created_at: row.get("created_at")?,
    })
}
