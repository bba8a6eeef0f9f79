//! Deletes what is kept for a number of days only, as the tables' declarations say.

use std::time::Duration;

use storage::{Reason, Value};
use types::Result;

use crate::app::App;

/// Rows deleted in one transaction: other writers wait no longer than for these.
const BATCH: u32 = 1_000;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const DEAD_JOBS: &str = "DELETE FROM jobs WHERE job_id IN (
    SELECT job_id FROM jobs WHERE state = 'dead' AND run_at < $1 ORDER BY run_at, job_id LIMIT $2)";
const MAILS: &str = "DELETE FROM mails WHERE mail_id IN (
    SELECT mail_id FROM mails WHERE created_at < $1 ORDER BY created_at, mail_id LIMIT $2)";
const INBOX: &str = "DELETE FROM inbox_messages WHERE inbox_message_id IN (
    SELECT inbox_message_id FROM inbox_messages WHERE processed_at < $1 ORDER BY inbox_message_id LIMIT $2)";
/// The newest event of an object stays: the sequence of the next one goes on from it.
const EVENTS: &str = "DELETE FROM outbox_events WHERE event_id IN (
    SELECT old.event_id FROM outbox_events old WHERE old.dispatched_at < $1 AND EXISTS (
        SELECT 1 FROM outbox_events newer WHERE newer.object_id = old.object_id AND newer.sequence > old.sequence)
    ORDER BY old.dispatched_at, old.event_id LIMIT $2)";

/// Deletes the runtime's own rows whose time is over. The number of rows.
pub async fn tidy(app: &App) -> Result<u64> {
    let mut deleted = 0;
    for (sql, days) in [(DEAD_JOBS, 30), (MAILS, 7), (INBOX, 30), (EVENTS, 90)] {
        let before = app.now() - DAY * days;
        deleted += delete(app, sql, before.into()).await?;
    }
    Ok(deleted)
}

/// Runs a statement that deletes at most `$2` rows from before `$1` until there are none. The number of rows.
pub async fn delete(app: &App, sql: &'static str, before: Value) -> Result<u64> {
    let before = &before;
    let mut deleted = 0;
    loop {
        let rows = app
            .db()
            .of(app.issuer().system(Reason::Jobs))
            .write_locked(|mut tx| async move { tx.execute(sql, vec![before.clone(), BATCH.into()]).await })
            .await?;
        deleted += rows;
        if rows < u64::from(BATCH) {
            return Ok(deleted);
        }
    }
}
