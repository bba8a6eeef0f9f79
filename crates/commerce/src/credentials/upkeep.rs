//! Work that goes on as long as the node runs: hearing of keys that others changed, and writing when keys were used.

use std::time::Duration;

use runtime::App;
use storage::cache::Notice;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{KeyRow, KnownKeys};

const WRITE_INTERVAL: Duration = Duration::from_secs(10);

/// The task of one kind of keys.
pub(crate) async fn run<R: KeyRow>(app: App, stop: CancellationToken) {
    let Ok(known) = app.service::<KnownKeys<R>>() else {
        return;
    };
    let mut changes = app.cache().subscribe(R::CHANGED).await;
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
            _ = writes.tick() => write::<R>(&app).await,
        }
    }
    write::<R>(&app).await;
}

async fn write<R: KeyRow>(app: &App) {
    if let Err(error) = R::write_uses(app).await {
        tracing::debug!(%error, "when keys were last used could not be written; later uses will be");
    }
}
