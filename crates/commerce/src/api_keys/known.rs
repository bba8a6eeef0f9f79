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
use storage::cache::Channel;
use types::id::ApiKeyId;

use super::store::Found;

/// Tells every node the id of a key that has changed.
pub(super) const CHANGED: Channel = Channel::new("api_keys");

const MAX_AGE: Duration = Duration::from_secs(1);
const MAX_KNOWN: u64 = 10_000;

/// A key as it was read at some moment.
pub(super) struct KnownKey {
    pub found: Found,
    read_at: Instant,
}

/// The keys that this node knows.
pub(super) struct KnownKeys {
    keys: Cache<ApiKeyId, Arc<KnownKey>>,
    /// How often something was forgotten: what was read before the last time may be out of date.
    forgotten: AtomicU64,
}

/// Taken before a key is read, so that its age is counted from there and a change in between is noticed.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    at: Instant,
    forgotten: u64,
}

impl Default for KnownKeys {
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

impl KnownKeys {
    pub(super) fn find(&self, id: ApiKeyId) -> Option<Arc<KnownKey>> {
        self.keys
            .get(&id)
            .filter(|known| known.read_at.elapsed() < MAX_AGE)
    }

    pub(super) fn moment(&self) -> Moment {
        Moment {
            forgotten: self.forgotten.load(Ordering::SeqCst),
            at: Instant::now(),
        }
    }

    /// Remembers a key that was read after `moment` and whose secret was shown.
    pub(super) fn remember(&self, found: Found, moment: Moment) -> Arc<KnownKey> {
        let id = found.key.id;
        let known = Arc::new(KnownKey {
            found,
            read_at: moment.at,
        });
        self.keys.insert(id, known.clone());
        // In this order: whoever forgets after the look below also removes what was just inserted.
        if self.forgotten.load(Ordering::SeqCst) != moment.forgotten {
            self.keys.invalidate(&id);
        }
        known
    }

    pub(super) fn forget(&self, id: ApiKeyId) {
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
}

/// Tells the other nodes that a key has changed. Should it not reach them, they find out within a second.
pub(super) async fn announce(app: &App, id: ApiKeyId) {
    let message = Bytes::from(id.to_string());
    if let Err(error) = app.cache().publish(CHANGED, message).await {
        tracing::debug!(%error, api_key = %id, "the other nodes were not told that an API key has changed");
    }
}

#[cfg(test)]
mod tests {
    use types::id::{SealingKeyId, WorkspaceId};
    use types::{Mode, Timestamp};

    use super::*;
    use crate::api_keys::secret::StoredSecret;
    use crate::api_keys::{ApiKey, ApiKeyKind};

    fn found() -> Found {
        Found {
            workspace: WorkspaceId::generate(),
            key: ApiKey {
                id: ApiKeyId::generate(),
                platform: None,
                mode: Mode::Live,
                kind: ApiKeyKind::Secret,
                name: "a".to_owned(),
                hint: String::new(),
                scopes: Vec::new(),
                created_by: "operator".to_owned(),
                created_at: Timestamp::EPOCH,
                expires_at: None,
                revoked_at: None,
                rotated_to: None,
                last_used_at: None,
            },
            secret: StoredSecret {
                hash: vec![0; 32],
                pepper: SealingKeyId::generate(),
            },
            platform_archived: false,
        }
    }

    #[test]
    fn a_change_while_the_key_is_read_keeps_it_unknown() {
        let known = KnownKeys::default();
        let (moment, found) = (known.moment(), found());
        let id = found.key.id;
        known.forget(id);
        known.remember(found, moment);
        assert!(known.find(id).is_none());
    }

    #[test]
    fn the_age_counts_from_before_the_read() {
        let known = KnownKeys::default();
        let found = found();
        let id = found.key.id;
        let mut moment = known.moment();
        moment.at -= MAX_AGE;
        known.remember(found, moment);
        assert!(known.find(id).is_none());
    }

    #[test]
    fn another_node_s_word_is_enough() {
        let known = KnownKeys::default();
        let (one, other) = (found(), found());
        let (a, b) = (one.key.id, other.key.id);
        known.remember(one, known.moment());
        known.remember(other, known.moment());
        known.hear(a.to_string().as_bytes());
        assert!(known.find(a).is_none() && known.find(b).is_some());
        known.hear(b"\xff");
        assert!(known.find(b).is_none());
    }
}
