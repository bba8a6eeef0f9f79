//! The table `sign_in_attempts`.

use storage::{Scope, System, Tx, Visitor, params};
use types::{Result, Timestamp};

use super::attempts::{Attempt, Scope as Counted, Subject, Tally};

/// Touching the row locks it, on both databases, and tells what was there.
const LOCK: &str = "INSERT INTO sign_in_attempts (realm_id, scope, key_hash, failures, counted_at, open_at)
    VALUES ($1, $2, $3, 0, $4, $4)
    ON CONFLICT (realm_id, scope, key_hash) DO UPDATE SET failures = sign_in_attempts.failures
    RETURNING failures, counted_at, open_at";

pub(super) async fn lock_tally(tx: &mut Tx<Visitor>, subject: &Subject, now: Timestamp) -> Result<Tally> {
    let params = params![subject.realm, subject.scope.as_str(), subject.key_hash, now];
    let row = tx.fetch_one(LOCK, params).await?;
    Ok(Tally {
        failures: row.get("failures")?,
        counted_at: row.get("counted_at")?,
        open_at: row.get("open_at")?,
    })
}

const SET: &str = "UPDATE sign_in_attempts SET failures = $4, counted_at = $5, open_at = $6
    WHERE realm_id = $1 AND scope = $2 AND key_hash = $3";

pub(super) async fn set_tally(tx: &mut Tx<Visitor>, subject: &Subject, tally: &Tally) -> Result<()> {
    let params = params![
        subject.realm,
        subject.scope.as_str(),
        subject.key_hash,
        tally.failures,
        tally.counted_at,
        tally.open_at
    ];
    tx.execute(SET, params).await.map(drop)
}

const FORGET: &str = "DELETE FROM sign_in_attempts WHERE realm_id = $1 AND scope = $2 AND key_hash = $3";
const GIVE_BACK: &str = "UPDATE sign_in_attempts SET failures = failures - 1
    WHERE realm_id = $1 AND scope = $2 AND key_hash = $3 AND failures > 0";

/// The attempt was right: the account starts anew, and the address gets this one attempt back. An address with one good
/// account must not wash away its guesses at others.
pub(super) async fn give_back<S: Scope>(tx: &mut Tx<S>, attempt: &Attempt) -> Result<()> {
    for subject in attempt.subjects() {
        let sql = match subject.scope {
            Counted::Account => FORGET,
            Counted::Address => GIVE_BACK,
        };
        tx.execute(
            sql,
            params![subject.realm, subject.scope.as_str(), subject.key_hash],
        )
        .await?;
    }
    Ok(())
}

/// Deletes the counts of whoever has not tried since an instant.
pub(crate) async fn forget_attempts(tx: &mut Tx<System>, before: Timestamp) -> Result<u64> {
    const FORGET: &str = "DELETE FROM sign_in_attempts WHERE counted_at < $1 AND open_at < $1";
    tx.execute(FORGET, params![before]).await
}
