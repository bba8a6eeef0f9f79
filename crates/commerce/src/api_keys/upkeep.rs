//! Work that goes on as long as the node runs: hearing of keys that others changed, and writing when keys were used.

use std::time::Duration;

use runtime::App;
use storage::cache::Notice;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::known::{CHANGED, KnownKeys};

const WRITE_INTERVAL: Duration = Duration::from_secs(10);

pub(super) async fn run(app: App, stop: CancellationToken) {
    let Ok(known) = app.service::<KnownKeys>() else {
        return;
    };
    let mut changes = app.cache().subscribe(CHANGED).await;
    let mut writes = interval(WRITE_INTERVAL);
    writes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            notice = changes.next() => match notice {
                Some(Notice::Message(message)) => known.hear(&message),
                Some(Notice::Missed) => known.forget_all(),
                None => break,
            },
            _ = writes.tick() => write(&app).await,
        }
    }
    write(&app).await;
}

async fn write(app: &App) {
    if let Err(error) = super::write_uses(app).await {
        tracing::debug!(%error, "when API keys were last used could not be written; later uses will be");
    }
}
