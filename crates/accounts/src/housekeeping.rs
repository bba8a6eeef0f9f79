//! Deletes what has served its purpose: sessions that ended, attempts and links that are forgotten.

use std::pin::Pin;
use std::time::Duration;

use runtime::App;
use storage::Reason;
use tokio_util::sync::CancellationToken;
use types::Result;

use crate::{auth, operator, sessions};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an ended session can still be looked into.
const ENDED_SESSIONS: Duration = Duration::from_secs(30 * DAY.as_secs());
const EVERY: Duration = Duration::from_secs(60 * 60);

/// Tidies up once an hour until it is told to stop.
pub(crate) fn task(app: App, stop: CancellationToken) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let mut hourly = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = hourly.tick() => {}
            }
            if let Err(error) = tidy(&app).await {
                tracing::warn!(
                    ?error,
                    "ended sessions could not be deleted; trying again in an hour"
                );
            }
        }
    })
}

/// Deletes everything whose time is over. The number of rows.
pub async fn tidy(app: &App) -> Result<u64> {
    let now = app.now();
    app.db()
        .of(app.issuer().system(Reason::Jobs))
        .write_locked(|mut tx| async move {
            let sessions = sessions::store::forget_ended(&mut tx, now - ENDED_SESSIONS).await?;
            let attempts = auth::store::forget_attempts(&mut tx, now - DAY).await?;
            let links = operator::forget_links(&mut tx, now - DAY).await?;
            Ok(sessions + attempts + links)
        })
        .await
}
