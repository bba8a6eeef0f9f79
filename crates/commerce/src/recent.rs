//! What was read a moment ago, so that a busy thing is not looked up for every request.
//!
//! Nothing is believed for longer than a second, so a change holds everywhere within that second whatever is lost; the node
//! that changes something forgets it at once.

use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

const MAX_AGE: Duration = Duration::from_secs(1);

/// Values that were read within the last second.
pub(crate) struct Recent<K, V> {
    values: Cache<K, Entry<V>>,
    /// How often something was forgotten: what was read before the last time may be out of date.
    forgotten: AtomicU64,
}

#[derive(Clone)]
struct Entry<V> {
    value: V,
    read_at: Instant,
}

/// Taken before a value is read, so that its age is counted from there and a change in between is noticed.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    at: Instant,
    forgotten: u64,
}

impl<K, V> Recent<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Room for so many; what was used longest ago makes place.
    pub(crate) fn with_room_for(most: u64) -> Self {
        Recent {
            values: Cache::builder()
                .max_capacity(most)
                .time_to_live(MAX_AGE)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
            forgotten: AtomicU64::new(0),
        }
    }

    pub(crate) fn find(&self, key: &K) -> Option<V> {
        let entry = self.values.get(key)?;
        (entry.read_at.elapsed() < MAX_AGE).then_some(entry.value)
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment {
            forgotten: self.forgotten.load(Ordering::SeqCst),
            at: Instant::now(),
        }
    }

    /// Remembers what was read after `moment`.
    pub(crate) fn remember(&self, key: K, value: V, moment: Moment)
    where
        K: Clone,
    {
        let entry = Entry {
            value,
            read_at: moment.at,
        };
        self.values.insert(key.clone(), entry);
        // In this order: whoever forgets after the look below also removes what was just inserted.
        if self.forgotten.load(Ordering::SeqCst) != moment.forgotten {
            self.values.invalidate(&key);
        }
    }

    pub(crate) fn forget(&self, key: &K) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.values.invalidate(key);
    }

    pub(crate) fn forget_all(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.values.invalidate_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_while_it_is_read_keeps_it_unknown() {
        let recent = Recent::with_room_for(8);
        let moment = recent.moment();
        recent.forget(&1);
        recent.remember(1, "old", moment);
        assert_eq!(recent.find(&1), None);
        recent.remember(1, "new", recent.moment());
        assert_eq!(recent.find(&1), Some("new"));
    }

    #[test]
    fn the_age_counts_from_before_the_read() {
        let recent = Recent::with_room_for(8);
        let mut moment = recent.moment();
        moment.at -= MAX_AGE;
        recent.remember(1, "old", moment);
        assert_eq!(recent.find(&1), None);
    }
}
