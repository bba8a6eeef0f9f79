//! When keys were last used: collected in memory and written now and then. What is lost with the process is a minute of
//! an approximate value.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use runtime::App;
use storage::Reason;
use types::id::{ApiKeyId, WorkspaceId};
use types::{Result, Timestamp};

use super::store::{self, Found};

/// A key's `last_used_at` is not written again before this.
const PRECISION: Duration = Duration::from_secs(60);

/// One use that waits to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Use {
    pub workspace: WorkspaceId,
    pub at: Timestamp,
}

/// The uses that wait to be written, at most one a key.
#[derive(Default)]
pub(super) struct Uses {
    waiting: Mutex<BTreeMap<ApiKeyId, Use>>,
}

impl Uses {
    /// Notes that a key was used, unless that is known already. Called when a key is read, which a key in use is every
    /// second: requests in between pay nothing.
    pub(super) fn note(&self, found: &Found, now: Timestamp) {
        if found.key.last_used_at.is_some_and(|at| now.since(at) < PRECISION) {
            return;
        }
        let used = Use {
            workspace: found.workspace,
            at: now,
        };
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(found.key.id)
            .or_insert(used);
    }

    /// Writes what waits. Should that fail, the next use of each key is noted anew.
    pub(super) async fn write(&self, app: &App) -> Result<()> {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.is_empty() {
            return Ok(());
        }
        // In the order of the keys, so that two nodes that write the same ones wait for each other and go on.
        let waiting = &waiting;
        app.db()
            .of(app.issuer().system(Reason::Authentication))
            .write_locked(|mut tx| async move {
                for (key, used) in waiting {
                    store::write_use(&mut tx, *key, *used).await?;
                }
                Ok(())
            })
            .await
    }
}
