//! The table `sessions`.

use runtime::crypto::TokenHash;
use storage::{Person, Row, Scope, System, Tx, params};
use types::id::{RealmId, SessionId, UserId, WorkspaceId};
use types::{Error, Page, PageRequest, Result, Role, Timestamp, cursor};

use super::{IDLE, Session};
use crate::users::User;

const INSERT: &str = "INSERT INTO sessions
    (realm_id, user_id, session_id, token_hash, created_at, seen_at, expires_at, address, user_agent)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

pub(super) async fn insert<S: Scope>(
    tx: &mut Tx<S>,
    user: &User,
    session: &Session,
    token: &TokenHash,
) -> Result<()> {
    let params = params![
        user.realm,
        user.id,
        session.id,
        *token.as_bytes(),
        session.created_at,
        session.seen_at,
        session.expires_at,
        &session.address,
        session.user_agent.clone()
    ];
    tx.execute(INSERT, params).await.map(drop)
}

/// What a token stands for.
pub(super) struct Found {
    pub realm: RealmId,
    pub user: UserId,
    pub session: SessionId,
    pub seen_at: Timestamp,
    /// Their role in the workspace that was asked for, if they have one there.
    pub role: Option<Role>,
}

const FIND: &str = "SELECT s.realm_id, s.user_id, s.session_id, s.seen_at, m.role
    FROM sessions s
    JOIN users u ON u.realm_id = s.realm_id AND u.user_id = s.user_id AND u.suspended_at IS NULL
    LEFT JOIN memberships m ON m.workspace_id = $2 AND m.realm_id = s.realm_id AND m.user_id = s.user_id
    WHERE s.token_hash = $1 AND s.revoked_at IS NULL AND s.expires_at > $3 AND s.seen_at > $4";

/// The running session of a token, unless its user is suspended.
pub(super) async fn find(
    tx: &mut Tx<System>,
    token: &TokenHash,
    workspace: Option<WorkspaceId>,
    now: Timestamp,
) -> Result<Option<Found>> {
    let params = params![*token.as_bytes(), workspace, now, now - IDLE];
    let Some(row) = tx.fetch_optional(FIND, params).await? else {
        return Ok(None);
    };
    let role: Option<String> = row.get("role")?;
    Ok(Some(Found {
        realm: row.get("realm_id")?,
        user: row.get("user_id")?,
        session: row.get("session_id")?,
        seen_at: row.get("seen_at")?,
        role: role
            .map(|role| role.parse().map_err(Error::internal))
            .transpose()?,
    }))
}

pub(super) async fn touch(tx: &mut Tx<System>, token: &TokenHash, now: Timestamp) -> Result<()> {
    const TOUCH: &str = "UPDATE sessions SET seen_at = $2 WHERE token_hash = $1 AND seen_at < $2";
    tx.execute(TOUCH, params![*token.as_bytes(), now]).await.map(drop)
}

const LIST: &str = "SELECT * FROM sessions WHERE realm_id = $1 AND user_id = $2 AND revoked_at IS NULL
    AND expires_at > $3 AND seen_at > $4 AND session_id < $5 ORDER BY session_id DESC LIMIT $6";

/// The running sessions of the person, newest first.
pub(super) async fn list(tx: &mut Tx<Person>, page: &PageRequest, now: Timestamp) -> Result<Page<Session>> {
    let before: SessionId = cursor::before(page)?;
    let person = tx.scope();
    let params = params![
        person.realm(),
        person.user(),
        now,
        now - IDLE,
        before,
        page.limit + 1
    ];
    let rows = tx.fetch_all(LIST, params).await?;
    let sessions = rows.iter().map(read).collect::<Result<_>>()?;
    Ok(Page::from_overfetch(sessions, page.limit, |session: &Session| {
        session.id.to_string()
    }))
}

const REVOKE: &str =
    "UPDATE sessions SET revoked_at = $4 WHERE realm_id = $1 AND user_id = $2 AND session_id = $3
    AND revoked_at IS NULL AND expires_at > $4 AND seen_at > $5";

/// Whether there was such a session to end.
pub(super) async fn revoke(tx: &mut Tx<Person>, session: SessionId, now: Timestamp) -> Result<bool> {
    let person = tx.scope();
    let params = params![person.realm(), person.user(), session, now, now - IDLE];
    Ok(tx.execute(REVOKE, params).await? == 1)
}

const REVOKE_OTHERS: &str = "UPDATE sessions SET revoked_at = $4
    WHERE realm_id = $1 AND user_id = $2 AND session_id <> $3 AND revoked_at IS NULL AND expires_at > $4 AND seen_at > $5";

pub(super) async fn revoke_others(tx: &mut Tx<Person>, kept: SessionId, now: Timestamp) -> Result<u64> {
    let person = tx.scope();
    let params = params![person.realm(), person.user(), kept, now, now - IDLE];
    tx.execute(REVOKE_OTHERS, params).await
}

pub(super) async fn revoke_token<S: Scope>(tx: &mut Tx<S>, token: &TokenHash, now: Timestamp) -> Result<()> {
    const REVOKE: &str = "UPDATE sessions SET revoked_at = $2 WHERE token_hash = $1 AND revoked_at IS NULL";
    tx.execute(REVOKE, params![*token.as_bytes(), now])
        .await
        .map(drop)
}

/// Deletes what ended before an instant.
pub(crate) async fn forget_ended(tx: &mut Tx<System>, before: Timestamp) -> Result<u64> {
    const FORGET: &str = "DELETE FROM sessions WHERE revoked_at < $1 OR expires_at < $1 OR seen_at < $2";
    tx.execute(FORGET, params![before, before - IDLE]).await
}

fn read(row: &Row) -> Result<Session> {
    Ok(Session {
        id: row.get("session_id")?,
        created_at: row.get("created_at")?,
        seen_at: row.get("seen_at")?,
        expires_at: row.get("expires_at")?,
        address: row.get("address")?,
        user_agent: row.get("user_agent")?,
    })
}
