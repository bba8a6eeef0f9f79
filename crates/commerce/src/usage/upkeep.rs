//! Deletes what has served its purpose: answers under keys that nobody repeats any more, and rows of old batches.

use std::time::Duration;

use runtime::{App, retention};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use types::Result;
use types::id::UsageBatchId;

use super::store;

const EVERY: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// As the API promises for idempotency keys.
const REPLAYS: Duration = Duration::from_secs(32 * DAY.as_secs());
/// Whether a commit took place is asked within moments.
const BATCHES: Duration = DAY;

/// Tidies up once an hour until it is told to stop.
pub(crate) async fn run(app: App, stop: CancellationToken) {
    let mut hourly = interval(EVERY);
    hourly.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = hourly.tick() => {}
        }
        if let Err(error) = tidy(&app).await {
            tracing::warn!(
                ?error,
                "old usage keys could not be deleted; trying again in an hour"
            );
        }
    }
}

/// Deletes everything whose time is over. The number of rows.
pub async fn tidy(app: &App) -> Result<u64> {
    let now = app.now();
    let replays = retention::delete(app, store::FORGET_REPLAYS, (now - REPLAYS).into()).await?;
    let first_kept = UsageBatchId::least_at(now - BATCHES);
    let batches = retention::delete(app, store::FORGET_BATCHES, first_kept.into()).await?;
    Ok(replays + batches)
}
