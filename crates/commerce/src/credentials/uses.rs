//! When keys were last used: collected in memory and written now and then. What is lost with the process is a minute of
//! an approximate value.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use types::{Id, Timestamp};

/// A key's `last_used_at` is not written again before this.
const PRECISION: Duration = Duration::from_secs(60);

/// One use that waits to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Use<P> {
    /// Where the key's row is found besides by its id.
    pub(crate) place: P,
    pub(crate) at: Timestamp,
}

/// The uses that wait to be written, at most one a key.
pub(crate) struct Uses<K, P> {
    waiting: Mutex<BTreeMap<Id<K>, Use<P>>>,
}

impl<K, P> Default for Uses<K, P> {
    fn default() -> Self {
        Uses {
            waiting: Mutex::new(BTreeMap::new()),
        }
    }
}

impl<K, P> Uses<K, P> {
    /// Notes that a key was used, unless that is known already. Called when a key is read, which a key in use is every
    /// second: requests in between pay nothing.
    pub(crate) fn note(&self, key: Id<K>, place: P, last_used_at: Option<Timestamp>, now: Timestamp) {
        if last_used_at.is_some_and(|at| now.since(at) < PRECISION) {
            return;
        }
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(key)
            .or_insert(Use { place, at: now });
    }

    /// What waits, for whoever writes it. Should that fail, the next use of each key is noted anew. In the order of the
    /// keys, so that two nodes that write the same ones wait for each other and go on.
    pub(crate) fn take(&self) -> BTreeMap<Id<K>, Use<P>> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
