//! Keys that were verified a moment ago, so that a busy key is not looked up for every request.
//!
//! Nothing is believed for longer than a second, so a revocation holds everywhere within that second whatever is lost;
//! the node that revokes forgets at once, and tells the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use runtime::App;
use types::Id;

use super::KeyRow;

const MAX_AGE: Duration = Duration::from_secs(1);
const MAX_KNOWN: u64 = 10_000;

/// A key as it was read at some moment.
pub(crate) struct KnownKey<R> {
    pub(crate) row: R,
    read_at: Instant,
}

/// The keys of a kind that this node knows.
pub(crate) struct KnownKeys<R: KeyRow> {
    keys: Cache<Id<R::Kind>, Arc<KnownKey<R>>>,
    /// How often something was forgotten: what was read before the last time may be out of date.
    forgotten: AtomicU64,
}

/// Taken before a key is read, so that its age is counted from there and a change in between is noticed.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    at: Instant,
    forgotten: u64,
}

impl<R: KeyRow> Default for KnownKeys<R> {
    fn default() -> Self {
        let keys = Cache::builder()
            .max_capacity(MAX_KNOWN)
            .time_to_live(MAX_AGE)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        KnownKeys {
            keys,
            forgotten: AtomicU64::new(0),
        }
    }
}

impl<R: KeyRow> KnownKeys<R> {
    pub(crate) fn find(&self, id: Id<R::Kind>) -> Option<Arc<KnownKey<R>>> {
        self.keys
            .get(&id)
            .filter(|known| known.read_at.elapsed() < MAX_AGE)
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment {
            forgotten: self.forgotten.load(Ordering::SeqCst),
            at: Instant::now(),
        }
    }

    /// Remembers a key that was read after `moment` and whose secret was shown.
    pub(crate) fn remember(&self, row: R, moment: Moment) -> Arc<KnownKey<R>> {
        let id = row.id();
        let known = Arc::new(KnownKey {
            row,
            read_at: moment.at,
        });
        self.keys.insert(id, known.clone());
        // In this order: whoever forgets after the look below also removes what was just inserted.
        if self.forgotten.load(Ordering::SeqCst) != moment.forgotten {
            self.keys.invalidate(&id);
        }
        known
    }

    pub(crate) fn forget(&self, id: Id<R::Kind>) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.keys.invalidate(&id);
    }

    pub(super) fn forget_all(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.keys.invalidate_all();
    }

    /// What another node says has changed.
    pub(super) fn hear(&self, message: &[u8]) {
        match std::str::from_utf8(message)
            .ok()
            .and_then(|text| text.parse().ok())
        {
            Some(id) => self.forget(id),
            None => self.forget_all(),
        }
    }

    /// Tells the other nodes that a key has changed. Should it not reach them, they find out within a second.
    pub(crate) async fn announce(&self, app: &App, id: Id<R::Kind>) {
        let message = Bytes::from(id.to_string());
        if let Err(error) = app.cache().publish(R::CHANGED, message).await {
            tracing::debug!(%error, key = %id, "the other nodes were not told that a key has changed");
        }
    }
}

#[cfg(test)]
mod tests {
    use storage::cache::Channel;
    use types::Result;
    use types::id::{ApiKey, ApiKeyId};

    use super::*;

    struct Key(ApiKeyId);

    impl KeyRow for Key {
        type Kind = ApiKey;
        const CHANGED: Channel = Channel::new("keys_of_a_test");

        fn id(&self) -> ApiKeyId {
            self.0
        }

        async fn write_uses(_: &App) -> Result<()> {
            Ok(())
        }
    }

    fn known() -> KnownKeys<Key> {
        KnownKeys::default()
    }

    #[test]
    fn a_change_while_the_key_is_read_keeps_it_unknown() {
        let (known, id) = (known(), ApiKeyId::generate());
        let moment = known.moment();
        known.forget(id);
        known.remember(Key(id), moment);
        assert!(known.find(id).is_none());
    }

    #[test]
    fn the_age_counts_from_before_the_read() {
        let (known, id) = (known(), ApiKeyId::generate());
        let mut moment = known.moment();
        moment.at -= MAX_AGE;
        known.remember(Key(id), moment);
        assert!(known.find(id).is_none());
    }

    #[test]
    fn another_node_s_word_is_enough() {
        let known = known();
        let (a, b) = (ApiKeyId::generate(), ApiKeyId::generate());
        known.remember(Key(a), known.moment());
        known.remember(Key(b), known.moment());
        known.hear(a.to_string().as_bytes());
        assert!(known.find(a).is_none() && known.find(b).is_some());
        known.hear(b"\xff");
        assert!(known.find(b).is_none());
    }
}
