//! Gives back what overdue holds reserve, and deletes what has served its purpose: answers under keys that nobody repeats any
//! more, and rows of old batches.

use std::time::Duration;

use runtime::{App, retention};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use types::Result;
use types::id::UsageBatchId;

use super::{holds, store};

/// How often overdue holds are looked for.
const HOLDS_EVERY: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// As the API promises for idempotency keys.
const REPLAYS: Duration = Duration::from_secs(32 * DAY.as_secs());
/// Whether a commit took place is asked within moments.
const BATCHES: Duration = DAY;

/// Does both until it is told to stop.
pub(crate) async fn run(app: App, stop: CancellationToken) {
    let mut hourly = every(EVERY);
    let mut often = every(HOLDS_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = hourly.tick() => {
                if let Err(error) = tidy(&app).await {
                    tracing::warn!(?error, "old usage keys could not be deleted; trying again in an hour");
                }
            }
            _ = often.tick() => {
                if let Err(error) = expire_holds(&app).await {
                    tracing::warn!(?error, "overdue holds could not be given back; trying again in seconds");
                }
            }
        }
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Gives back what holds reserve whose time is over. How many there were.
pub async fn expire_holds(app: &App) -> Result<usize> {
    let mut count = 0;
    loop {
        match holds::expire_overdue(app).await? {
            0 => return Ok(count),
            some => count += some,
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
