//! The tables `users` and `passwords`.

use storage::{Row, Scope, Tx, params};
use types::id::{RealmId, UserId};
use types::{Error, Result, Timestamp};

use super::{Email, User};

const INSERT: &str = "INSERT INTO users (realm_id, user_id, email, email_normalised, name, created_at)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (realm_id, email_normalised) DO NOTHING";

/// Whether the user was inserted: not when the realm has one with this address.
pub(crate) async fn insert<S: Scope>(tx: &mut Tx<S>, user: &User, email: &Email) -> Result<bool> {
    let params = params![
        user.realm,
        user.id,
        &user.email,
        email.normalised(),
        &user.name,
        user.created_at
    ];
    Ok(tx.execute(INSERT, params).await? == 1)
}

pub(crate) async fn get<S: Scope>(tx: &mut Tx<S>, realm: RealmId, user: UserId) -> Result<User> {
    const GET: &str = "SELECT * FROM users WHERE realm_id = $1 AND user_id = $2";
    let row = tx.fetch_optional(GET, params![realm, user]).await?;
    read(&row.ok_or_else(|| Error::not_found("user"))?)
}

/// The user with an address, and the hash of their password if they have one.
pub(crate) async fn find_by_email<S: Scope>(
    tx: &mut Tx<S>,
    realm: RealmId,
    email: &Email,
) -> Result<Option<(User, Option<String>)>> {
    const FIND: &str = "SELECT u.*, p.phc FROM users u
        LEFT JOIN passwords p ON p.realm_id = u.realm_id AND p.user_id = u.user_id
        WHERE u.realm_id = $1 AND u.email_normalised = $2";
    let row = tx
        .fetch_optional(FIND, params![realm, email.normalised()])
        .await?;
    row.map(|row| Ok((read(&row)?, row.get("phc")?))).transpose()
}

const SET_PASSWORD: &str =
    "INSERT INTO passwords (realm_id, user_id, phc, changed_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (realm_id, user_id) DO UPDATE SET phc = excluded.phc, changed_at = excluded.changed_at";

pub(crate) async fn set_password<S: Scope>(
    tx: &mut Tx<S>,
    user: &User,
    phc: &str,
    now: Timestamp,
) -> Result<()> {
    tx.execute(SET_PASSWORD, params![user.realm, user.id, phc, now])
        .await
        .map(drop)
}

/// Hashes the same password anew, unless it was changed meanwhile.
pub(crate) async fn rehash_password<S: Scope>(
    tx: &mut Tx<S>,
    user: &User,
    old: &str,
    new: &str,
) -> Result<()> {
    const REHASH: &str = "UPDATE passwords SET phc = $4 WHERE realm_id = $1 AND user_id = $2 AND phc = $3";
    tx.execute(REHASH, params![user.realm, user.id, old, new])
        .await
        .map(drop)
}

pub(crate) fn read(row: &Row) -> Result<User> {
    Ok(User {
        id: row.get("user_id")?,
        realm: row.get("realm_id")?,
        email: row.get("email")?,
        name: row.get("name")?,
        created_at: row.get("created_at")?,
        suspended_at: row.get("suspended_at")?,
    })
}
