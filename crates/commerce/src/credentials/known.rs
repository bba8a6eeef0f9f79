//! Keys that were verified a moment ago, so that a busy key is not looked up for every request. A revocation holds everywhere
//! within a second whatever is lost; the node that revokes forgets at once, and tells the others.

use std::sync::Arc;

use bytes::Bytes;
use runtime::App;
use types::Id;

use super::KeyRow;
use crate::recent::{Moment, Recent};

const MAX_KNOWN: u64 = 10_000;

/// The keys of a kind that this node knows.
pub(crate) struct KnownKeys<R: KeyRow> {
    keys: Recent<Id<R::Kind>, Arc<R>>,
}

impl<R: KeyRow> Default for KnownKeys<R> {
    fn default() -> Self {
        KnownKeys {
            keys: Recent::with_room_for(MAX_KNOWN),
        }
    }
}

impl<R: KeyRow> KnownKeys<R> {
    pub(crate) fn find(&self, id: Id<R::Kind>) -> Option<Arc<R>> {
        self.keys.find(&id)
    }

    pub(crate) fn moment(&self) -> Moment {
        self.keys.moment()
    }

    /// Remembers a key that was read after `moment` and whose secret was shown.
    pub(crate) fn remember(&self, row: R, moment: Moment) -> Arc<R> {
        let (id, row) = (row.id(), Arc::new(row));
        self.keys.remember(id, row.clone(), moment);
        row
    }

    pub(crate) fn forget(&self, id: Id<R::Kind>) {
        self.keys.forget(&id);
    }

    pub(super) fn forget_all(&self) {
        self.keys.forget_all();
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

    #[test]
    fn another_node_s_word_is_enough() {
        let known = KnownKeys::default();
        let (a, b) = (ApiKeyId::generate(), ApiKeyId::generate());
        known.remember(Key(a), known.moment());
        known.remember(Key(b), known.moment());
        known.hear(a.to_string().as_bytes());
        assert!(known.find(a).is_none() && known.find(b).is_some());
        known.hear(b"\xff");
        assert!(known.find(b).is_none());
    }
}
